//! Arithmetic modulo primes below 2^50 on whole limbs, in one pass each.
//!
//! A residue fits the 53 bits of a double, so products are reduced with fused multiply-adds: the
//! rounded product `h`, its exact error `l = fma(a, b, -h)`, the rounded quotient `k`, and the
//! remainder `fma(-k, q, h) + l`, exact because it is an integer below 2^52 (T. J. Dekker 1971; van der
//! Hoeven, Lecerf, Quintin, "Modular SIMD arithmetic in Mathemagix", 2016, section 3.2). Loops are
//! compiled once per instruction set and chosen at run time.

mod combine;
mod convolve;
mod lanes;
mod pointwise;
mod words;

pub(crate) use lanes::{Lanes, vectors_mut};

pub use combine::{Scaled, Source, convert, inner_products, linear, linear_accumulate, quotients};
pub use convolve::{MAX_PARTS, convolve, convolve_accumulate};
pub use pointwise::{
    add_assign, lift, mul_assign, scale_add_assign, scale_assign, scale_sub_into, signed_sum, sub_assign, sum,
};
pub use words::{centre, count_bounds, give_signs, pack_high, pack_row, reduce_words, unpack_row};

/// 2^52: adding it moves an integer into the low bits of a double.
const SHIFT: f64 = 4_503_599_627_370_496.0;
/// 1.5 * 2^52: adding it rounds to the nearest integer, of either sign, in the low bits of a double.
const ROUND: f64 = 6_755_399_441_055_744.0;
const MANTISSA: u64 = (1 << 52) - 1;

/// Primes are below 2^MAX_BITS, so that remainders of either sign and small sums of them are exact.
pub const MAX_BITS: u32 = 50;

/// Runs a loop compiled for the best instruction set of this machine.
#[inline(always)]
fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(body)
}

/// Runs a kernel with the best vectors of this machine.
#[inline(always)]
fn dispatch<K: pulp::WithSimd>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(kernel)
}

/// Whether this machine has AVX-512 with 52-bit integer multiply-adds.
#[must_use]
pub fn has_ifma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V4::try_new().is_some() && std::arch::is_x86_feature_detected!("avx512ifma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// An integer below 2^52 as a double.
#[inline(always)]
#[must_use]
pub fn to_float(word: u64) -> f64 {
    f64::from_bits(word | SHIFT.to_bits()) - SHIFT
}

/// A non-negative integer double below 2^52 as a word.
#[inline(always)]
fn to_word(float: f64) -> u64 {
    (float + SHIFT).to_bits() & MANTISSA
}

/// Nearest integer of a product below 2^51 in size: the fused addition rounds it, once.
#[inline(always)]
fn round_product(a: f64, b: f64) -> f64 {
    a.mul_add(b, ROUND) - ROUND
}

/// A prime modulus with what reduction needs.
#[derive(Clone, Copy, Debug)]
pub struct Modulus {
    value: u64,
    float: f64,
    inverse: f64,
}

/// A constant factor modulo a prime with its quotient by the prime.
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    value: f64,
    quotient: f64,
}

impl Modulus {
    /// A modulus below 2^50; larger ones are a mistake of the caller, who validates parameters.
    #[must_use]
    pub fn new(value: u64) -> Self {
        debug_assert!(value > 1 && value < 1 << MAX_BITS, "modulus out of range");
        let float = to_float(value & MANTISSA);
        Self { value, float, inverse: 1.0 / float }
    }

    /// The prime.
    #[must_use]
    pub fn value(self) -> u64 {
        self.value
    }

    /// 1/q as a double.
    #[must_use]
    pub fn reciprocal(self) -> f64 {
        self.inverse
    }

    /// A constant of `[0, q)` prepared as a factor.
    #[must_use]
    pub fn factor(self, constant: u64) -> Factor {
        let value = to_float(constant % self.value);
        Factor { value, quotient: value / self.float }
    }

    /// The residue of any signed integer.
    #[must_use]
    pub fn residue(self, integer: i128) -> u64 {
        u64::try_from(integer.rem_euclid(i128::from(self.value))).unwrap_or(0)
    }

    /// `a * b mod q` of residues.
    #[must_use]
    pub fn mul(self, a: u64, b: u64) -> u64 {
        u64::try_from(u128::from(a) * u128::from(b) % u128::from(self.value)).unwrap_or(0)
    }

    /// `a + b mod q` of residues.
    #[inline(always)]
    #[must_use]
    pub fn add(self, a: u64, b: u64) -> u64 {
        let sum = a + b;
        sum.min(sum.wrapping_sub(self.value))
    }

    /// `a - b mod q` of residues.
    #[inline(always)]
    #[must_use]
    pub fn sub(self, a: u64, b: u64) -> u64 {
        let difference = a.wrapping_sub(b);
        difference.min(difference.wrapping_add(self.value))
    }

    /// `base^exponent mod q`.
    #[must_use]
    pub fn pow(self, base: u64, exponent: u64) -> u64 {
        let (mut result, mut square, mut left) = (1 % self.value, base % self.value, exponent);
        while left > 0 {
            if left & 1 == 1 {
                result = self.mul(result, square);
            }
            square = self.mul(square, square);
            left >>= 1;
        }
        result
    }

    /// The inverse of a non-zero residue modulo the prime (Fermat).
    #[must_use]
    pub fn invert(self, residue: u64) -> u64 {
        self.pow(residue, self.value - 2)
    }

    /// `a * b` up to a multiple of q, below 7q/8 in size, for |a| < q, |b| < 2^50.
    #[inline(always)]
    fn product(self, a: f64, b: f64) -> f64 {
        let high = a * b;
        let low = a.mul_add(b, -high);
        let quotient = round_product(high, self.inverse);
        (-quotient).mul_add(self.float, high) + low
    }

    /// `x * factor` up to a multiple of q, in (-q, q), for |x| < 2^50.
    #[inline(always)]
    fn scaled(self, x: f64, factor: Factor) -> f64 {
        let high = x * factor.value;
        let low = x.mul_add(factor.value, -high);
        let quotient = round_product(x, factor.quotient);
        (-quotient).mul_add(self.float, high) + low
    }

    /// A representative of least size, for |x| < 2^53.
    #[inline(always)]
    fn centred(self, x: f64) -> f64 {
        (-round_product(x, self.inverse)).mul_add(self.float, x)
    }

    /// The residue of an integer in (-q, q).
    #[inline(always)]
    fn canonical(self, x: f64) -> u64 {
        to_word(if x < 0.0 { x + self.float } else { x })
    }

    /// The residue of an integer below 2^53 in size.
    #[inline(always)]
    fn reduce(self, x: f64) -> u64 {
        self.canonical(self.centred(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that reach the corners: a few near 0 and q, the rest spread by a multiplicative generator.
    pub(super) fn samples(q: u64, seed: u64, count: usize) -> Vec<u64> {
        let mut state = seed;
        (0..count)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                match i % 7 {
                    0 => (state >> 60) % q,
                    1 => q - 1 - (state >> 60) % q,
                    _ => (state >> 3) % q,
                }
            })
            .collect()
    }

    pub(super) const PRIMES: [u64; 4] =
        [65537, 1_099_510_054_913, 1_125_899_904_679_937, 1_125_899_903_827_969];

    #[test]
    fn kernels_agree_with_wide_integers() {
        let n = 47 * 64;
        for value in PRIMES {
            let q = Modulus::new(value);
            let (a0, a1, b0, b1) =
                (samples(value, 1, n), samples(value, 2, n), samples(value, 3, n), samples(value, 4, n));
            let (mut d0, mut d1, mut d2) = (vec![0; n], vec![0; n], vec![0; n]);
            let (a, b): ([&[u64]; 2], [&[u64]; 2]) = ([&a0, &a1], [&b0, &b1]);
            convolve(q, &a, &b, &mut [&mut d0, &mut d1, &mut d2]);
            let (mut e1, mut e2) = (a1.clone(), a0.clone());
            let total = convolve_accumulate(q, 1, &a, &b, &mut [&mut e1, &mut e2]);
            assert_eq!(total, sum(q, &d0));
            let mut lin = vec![0; n];
            linear(q, -5, &[(1, &a0), (-1, &a1), (77, &b0)], &mut lin);
            let mut wide = vec![0; n];
            linear(q, 5, &[(i64::MAX, &a0), (-1, &a1), (i64::MIN, &b0)], &mut wide);
            for i in 0..n {
                let cross = q.add(q.mul(a0[i], b1[i]), q.mul(a1[i], b0[i]));
                assert_eq!((d0[i], d1[i], d2[i]), (q.mul(a0[i], b0[i]), cross, q.mul(a1[i], b1[i])));
                assert_eq!(e1[i], q.add(a1[i], cross));
                assert_eq!(e2[i], q.add(a0[i], d2[i]));
                let (x, y, z) = (i128::from(a0[i]), i128::from(a1[i]), i128::from(b0[i]));
                assert_eq!(lin[i], q.residue(x - y + 77 * z - 5));
                assert_eq!(wide[i], q.residue(i128::from(i64::MAX) * x - y + i128::from(i64::MIN) * z + 5));
            }
        }
    }

    #[test]
    fn conversion_is_centred_and_exact() {
        let sources = [Modulus::new(PRIMES[1]), Modulus::new(PRIMES[2])];
        let target = Modulus::new(PRIMES[3]);
        let (p0, p1) = (i128::from(PRIMES[1]), i128::from(PRIMES[2]));
        let whole = p0 * p1;
        for x in
            [0, 1, -1, 12345, whole / 2 - (whole >> 40), (whole >> 40) - whole / 2, whole / 3, -whole / 5]
        {
            let y0 = sources[0].mul(sources[0].residue(x), sources[0].invert(sources[0].residue(p1)));
            let y1 = sources[1].mul(sources[1].residue(x), sources[1].invert(sources[1].residue(p0)));
            let list = [
                Source { residues: &[y0; 64], factor: target.factor(target.residue(p1)) },
                Source { residues: &[y1; 64], factor: target.factor(target.residue(p0)) },
            ];
            let mut quotient = [0.0; 64];
            quotients(
                &[(&[y0; 64], sources[0].reciprocal()), (&[y1; 64], sources[1].reciprocal())],
                &mut quotient,
            );
            let mut out = [0; 64];
            convert(target, &list, &quotient, target.factor(target.residue(whole)), &mut out);
            assert_eq!(out, [target.residue(x); 64], "{x}");
        }
    }
}
