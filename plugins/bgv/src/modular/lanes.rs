//! The arithmetic of `Modulus` on vectors: as many slots at a time as the instruction set has lanes. Every
//! instruction set gives the same bits, for each operation is exact or a correctly rounded one.

use pulp::Simd;

use super::{Factor, MANTISSA, Modulus, ROUND, SHIFT};

/// A modulus spread over vectors.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<S: Simd> {
    simd: S,
    shift: S::f64s,
    shift_bits: S::u64s,
    mantissa: S::u64s,
    round: S::f64s,
    modulus: S::f64s,
    inverse: S::f64s,
    zero: S::f64s,
}

/// A factor spread over vectors.
#[derive(Clone, Copy)]
pub(crate) struct Factors<S: Simd> {
    value: S::f64s,
    quotient: S::f64s,
}

impl<S: Simd> Lanes<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S, q: Modulus) -> Self {
        Self {
            simd,
            shift: simd.splat_f64s(SHIFT),
            shift_bits: simd.splat_u64s(SHIFT.to_bits()),
            mantissa: simd.splat_u64s(MANTISSA),
            round: simd.splat_f64s(ROUND),
            modulus: simd.splat_f64s(q.float),
            inverse: simd.splat_f64s(q.inverse),
            zero: simd.splat_f64s(0.0),
        }
    }

    #[inline(always)]
    pub(crate) fn factor(self, factor: Factor) -> Factors<S> {
        Factors { value: self.splat(factor.value), quotient: self.splat(factor.quotient) }
    }

    #[inline(always)]
    pub(crate) fn splat(self, value: f64) -> S::f64s {
        self.simd.splat_f64s(value)
    }

    #[inline(always)]
    pub(crate) fn zero(self) -> S::f64s {
        self.zero
    }

    #[inline(always)]
    pub(crate) fn add(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.simd.add_f64s(a, b)
    }

    #[inline(always)]
    pub(crate) fn sub(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.simd.sub_f64s(a, b)
    }

    #[inline(always)]
    pub(crate) fn mul(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.simd.mul_f64s(a, b)
    }

    /// `a * b + c`, rounded once.
    #[inline(always)]
    pub(crate) fn mul_add(self, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        self.simd.mul_add_f64s(a, b, c)
    }

    /// `c - a * b`, rounded once.
    #[inline(always)]
    pub(crate) fn negate_mul_add(self, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        self.simd.negate_mul_add_f64s(a, b, c)
    }

    #[inline(always)]
    pub(crate) fn add_words(self, a: S::u64s, b: S::u64s) -> S::u64s {
        self.simd.add_u64s(a, b)
    }

    /// The doubles that words are the bits of.
    #[inline(always)]
    pub(crate) fn with_bits(self, words: S::u64s) -> S::f64s {
        self.simd.transmute_f64s_u64s(words)
    }

    /// The bits of doubles.
    #[inline(always)]
    pub(crate) fn to_bits(self, x: S::f64s) -> S::u64s {
        self.simd.transmute_u64s_f64s(x)
    }

    /// As [`super::to_float`].
    #[inline(always)]
    pub(crate) fn to_float(self, words: S::u64s) -> S::f64s {
        let shifted = self.simd.or_u64s(words, self.shift_bits);
        self.simd.sub_f64s(self.simd.transmute_f64s_u64s(shifted), self.shift)
    }

    /// Nearest integers of doubles below 2^51 in size.
    #[inline(always)]
    pub(crate) fn round(self, x: S::f64s) -> S::f64s {
        self.simd.sub_f64s(self.simd.add_f64s(x, self.round), self.round)
    }

    /// As [`super::round_product`].
    #[inline(always)]
    fn round_product(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.simd.sub_f64s(self.simd.mul_add_f64s(a, b, self.round), self.round)
    }

    /// Integers below 2^51 in size and of either sign as words, each plus [`super::ROUND`] as bits.
    #[inline(always)]
    pub(crate) fn signed_words(self, x: S::f64s) -> S::u64s {
        self.simd.transmute_u64s_f64s(self.simd.add_f64s(x, self.round))
    }

    /// As [`Modulus::product`].
    #[inline(always)]
    pub(crate) fn product(self, a: S::f64s, b: S::f64s) -> S::f64s {
        let high = self.simd.mul_f64s(a, b);
        let low = self.simd.mul_add_f64s(a, b, self.simd.neg_f64s(high));
        let quotient = self.round_product(high, self.inverse);
        self.simd.add_f64s(self.negate_mul_add(quotient, self.modulus, high), low)
    }

    /// As [`Modulus::scaled`].
    #[inline(always)]
    pub(crate) fn scaled(self, x: S::f64s, factor: Factors<S>) -> S::f64s {
        let high = self.simd.mul_f64s(x, factor.value);
        let low = self.simd.mul_add_f64s(x, factor.value, self.simd.neg_f64s(high));
        let quotient = self.round_product(x, factor.quotient);
        self.simd.add_f64s(self.negate_mul_add(quotient, self.modulus, high), low)
    }

    /// As [`Modulus::centred`].
    #[inline(always)]
    pub(crate) fn centred(self, x: S::f64s) -> S::f64s {
        let quotient = self.round_product(x, self.inverse);
        self.negate_mul_add(quotient, self.modulus, x)
    }

    /// As [`Modulus::canonical`].
    #[inline(always)]
    pub(crate) fn canonical(self, x: S::f64s) -> S::u64s {
        let negative = self.simd.less_than_f64s(x, self.zero);
        let residue = self.simd.select_f64s(negative, self.simd.add_f64s(x, self.modulus), x);
        let shifted = self.simd.transmute_u64s_f64s(self.simd.add_f64s(residue, self.shift));
        self.simd.and_u64s(shifted, self.mantissa)
    }

    /// As [`Modulus::reduce`].
    #[inline(always)]
    pub(crate) fn reduce(self, x: S::f64s) -> S::u64s {
        self.canonical(self.centred(x))
    }
}

/// A limb as vectors; N is a multiple of their lanes.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(limb: &[u64]) -> &[S::u64s] {
    let (vectors, rest) = S::as_simd_u64s(limb);
    debug_assert!(rest.is_empty(), "limbs are multiples of a vector");
    vectors
}

/// A limb to be written, as vectors.
#[inline(always)]
pub(crate) fn vectors_mut<S: Simd>(limb: &mut [u64]) -> &mut [S::u64s] {
    let (vectors, rest) = S::as_mut_simd_u64s(limb);
    debug_assert!(rest.is_empty(), "limbs are multiples of a vector");
    vectors
}
