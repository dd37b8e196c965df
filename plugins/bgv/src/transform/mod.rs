//! Negacyclic number-theoretic transforms behind a small trait, so that one library can check another.
//!
//! Slot-wise products are not part of it: they are fused with what surrounds them (`modular`).

mod butterfly;
mod float;
mod roots;
mod transpose;

pub use float::FloatNtt;

/// Transforms of `Z_q[X]/(X^N + 1)` for one prime and degree.
pub trait Transform: Send + Sync + std::fmt::Debug {
    /// From N coefficients to the values at the odd powers of a primitive 2N-th root, in bit-reversed order.
    /// Input and output are residues below q.
    fn forward(&self, values: &mut [u64]);

    /// The inverse of `forward`, times N.
    fn inverse(&self, values: &mut [u64]);
}

/// `tfhe-ntt`: AVX-512 and IFMA on stable Rust, chosen at run time.
#[derive(Debug)]
pub struct TfheNtt(tfhe_ntt::prime64::Plan);

impl TfheNtt {
    /// `None` where the prime has no 2N-th root of unity or N is below 16.
    #[must_use]
    pub fn new(degree: usize, prime: u64) -> Option<Self> {
        tfhe_ntt::prime64::Plan::try_new(degree, prime).map(Self)
    }
}

impl Transform for TfheNtt {
    fn forward(&self, values: &mut [u64]) {
        self.0.fwd(values);
    }

    fn inverse(&self, values: &mut [u64]) {
        self.0.inv(values);
    }
}

/// `concrete-ntt`, the ancestor of `tfhe-ntt`: the same roots and the same order.
#[cfg(any(test, feature = "concrete-ntt"))]
#[derive(Debug)]
pub struct ConcreteNtt(concrete_ntt::prime64::Plan);

#[cfg(any(test, feature = "concrete-ntt"))]
impl ConcreteNtt {
    /// `None` where the prime has no 2N-th root of unity or N is below 16.
    #[must_use]
    pub fn new(degree: usize, prime: u64) -> Option<Self> {
        concrete_ntt::prime64::Plan::try_new(degree, prime).map(Self)
    }
}

#[cfg(any(test, feature = "concrete-ntt"))]
impl Transform for ConcreteNtt {
    fn forward(&self, values: &mut [u64]) {
        self.0.fwd(values);
    }

    fn inverse(&self, values: &mut [u64]) {
        self.0.inv(values);
    }
}

/// The implementation that this build and this machine use: `tfhe-ntt` where there are 52-bit integer
/// multiply-adds, and where there are no vectors with fused multiply-adds at all; else [`FloatNtt`].
#[must_use]
pub fn select(degree: usize, prime: u64) -> Option<Box<dyn Transform>> {
    #[cfg(feature = "concrete-ntt")]
    return ConcreteNtt::new(degree, prime).map(|plan| Box::new(plan) as Box<dyn Transform>);
    #[cfg(not(feature = "concrete-ntt"))]
    {
        if !crate::modular::has_ifma()
            && let Some(plan) = FloatNtt::new(degree, prime)
        {
            return Some(Box::new(plan));
        }
        TfheNtt::new(degree, prime).map(|plan| Box::new(plan) as Box<dyn Transform>)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use crate::modular::Modulus;
    use crate::primes::next_prime;

    /// Schoolbook product modulo X^N + 1.
    fn product(q: Modulus, a: &[u64], b: &[u64]) -> Vec<u64> {
        let n = a.len();
        let mut out = vec![0; n];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let term = q.mul(x, y);
                let at = (i + j) % n;
                out[at] = if i + j < n { q.add(out[at], term) } else { q.sub(out[at], term) };
            }
        }
        out
    }

    /// Limbs that reach the corners: spread, all largest, alternating, one alone.
    fn corners(degree: usize, prime: u64) -> [Vec<u64>; 4] {
        let spread = (1..=degree as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % prime).collect();
        let alternating = (0..degree as u64).map(|i| i % 2 * (prime - 1)).collect();
        let mut alone = vec![0; degree];
        alone[degree - 1] = prime - 1;
        [spread, vec![prime - 1; degree], alternating, alone]
    }

    #[test]
    fn doubles_agree_bit_for_bit_on_every_instruction_set() {
        for (log_degree, low) in
            [(10u32, 1u64 << 17), (11, (1 << 50) - (1 << 30)), (12, 1 << 40), (13, (1 << 50) - (1 << 30))]
                .into_iter()
                .chain([(14, (1 << 50) - (1 << 30)), (15, 1 << 49), (15, (1 << 50) - (1 << 30))])
        {
            let degree = 1usize << log_degree;
            let prime = next_prime(low, 2 << log_degree, 50, &[]).unwrap();
            let library = TfheNtt::new(degree, prime).unwrap();
            let own = FloatNtt::all(degree, prime);
            if own.is_empty() {
                eprintln!("skipped: no vectors with fused multiply-adds");
            }
            for limb in corners(degree, prime) {
                let (mut forward, mut inverse) = (limb.clone(), limb.clone());
                library.forward(&mut forward);
                library.inverse(&mut inverse);
                for own in &own {
                    let (mut there, mut back) = (limb.clone(), limb.clone());
                    own.forward(&mut there);
                    own.inverse(&mut back);
                    assert!(there == forward, "forward, {degree} mod {prime}");
                    assert!(back == inverse, "inverse, {degree} mod {prime}");
                }
            }
        }
    }

    #[test]
    fn implementations_agree_bit_for_bit() {
        for (log_degree, bits) in [(6u32, 17u32), (8, 26), (10, 36), (13, 40), (14, 49), (15, 49)] {
            let degree = 1usize << log_degree;
            let prime = next_prime(1 << (bits - 1), 2 << log_degree, 50, &[]).unwrap();
            let q = Modulus::new(prime);
            let (first, second) =
                (TfheNtt::new(degree, prime).unwrap(), ConcreteNtt::new(degree, prime).unwrap());
            let make = |seed: u64| -> Vec<u64> {
                (1..=degree as u64)
                    .map(|i| i.wrapping_mul(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) % prime)
                    .collect()
            };
            let (a, b) = (make(1), make(77));
            let (mut fa, mut sa) = (a.clone(), a.clone());
            first.forward(&mut fa);
            second.forward(&mut sa);
            assert_eq!(fa, sa);
            assert!(fa.iter().all(|&value| value < prime));
            let (mut fb, mut back) = (b.clone(), fa.clone());
            first.forward(&mut fb);
            let mut slots: Vec<u64> = fa.iter().zip(&fb).map(|(&x, &y)| q.mul(x, y)).collect();
            let mut other = slots.clone();
            first.inverse(&mut slots);
            second.inverse(&mut other);
            assert_eq!(slots, other);
            first.inverse(&mut back);
            let scaled: Vec<u64> = a.iter().map(|&x| q.mul(x, degree as u64)).collect();
            assert_eq!(back, scaled);
            if degree <= 1024 {
                let expected: Vec<u64> =
                    product(q, &a, &b).iter().map(|&x| q.mul(x, degree as u64)).collect();
                assert_eq!(slots, expected);
            }
        }
    }
}
