//! Negacyclic number-theoretic transforms behind a small trait, so that one library can check another.
//!
//! Slot-wise products are not part of it: they are fused with what surrounds them (`modular`).

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

/// The implementation that this build uses.
#[must_use]
pub fn select(degree: usize, prime: u64) -> Option<Box<dyn Transform>> {
    #[cfg(feature = "concrete-ntt")]
    return ConcreteNtt::new(degree, prime).map(|plan| Box::new(plan) as Box<dyn Transform>);
    #[cfg(not(feature = "concrete-ntt"))]
    TfheNtt::new(degree, prime).map(|plan| Box::new(plan) as Box<dyn Transform>)
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
