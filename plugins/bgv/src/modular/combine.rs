//! Sums over several limbs in one pass: inner products with keys, base conversions, linear combinations.

use pulp::{Simd, WithSimd};

use super::lanes::{Factors, Lanes, vectors, vectors_mut};
use super::{Factor, Modulus, dispatch};

/// So many products below 7q/8 each, and what they are added to, sum below 2^53.
const SUMMED_PRODUCTS: usize = 4;

/// A limb scaled by a constant, where a sum of products starts; zero where there is none.
pub type Scaled<'a> = Option<(&'a [u64], Factor)>;

/// `first = f x + sum x_j k_j`, `second = g y + sum x_j l_j` over digits x_j with key limbs (k_j, l_j) and
/// starts (f, x), (g, y).
pub fn inner_products(
    q: Modulus,
    digits: &[&[u64]],
    keys: &[(&[u64], &[u64])],
    starts: [Scaled<'_>; 2],
    (first, second): (&mut [u64], &mut [u64]),
) {
    let pairs = digits.chunks(SUMMED_PRODUCTS).zip(keys.chunks(SUMMED_PRODUCTS));
    for (round, (digits, keys)) in pairs.enumerate() {
        let starts = if round == 0 { Starts::Scaled(starts) } else { Starts::Output };
        // The number of digits is made a constant, so that every sum stays in registers.
        let out = [&mut *first, &mut *second];
        match digits.len() {
            1 => dispatch(InnerProducts::<1> { q, digits, keys, starts, out }),
            2 => dispatch(InnerProducts::<2> { q, digits, keys, starts, out }),
            3 => dispatch(InnerProducts::<3> { q, digits, keys, starts, out }),
            _ => dispatch(InnerProducts::<SUMMED_PRODUCTS> { q, digits, keys, starts, out }),
        }
    }
}

#[derive(Clone, Copy)]
enum Starts<'a> {
    Scaled([Scaled<'a>; 2]),
    Output,
}

struct InnerProducts<'a, const D: usize> {
    q: Modulus,
    digits: &'a [&'a [u64]],
    keys: &'a [(&'a [u64], &'a [u64])],
    starts: Starts<'a>,
    out: [&'a mut [u64]; 2],
}

impl<const D: usize> WithSimd for InnerProducts<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = Lanes::new(simd, self.q);
        let digits: [&[S::u64s]; D] = std::array::from_fn(|j| vectors::<S>(self.digits[j]));
        let left: [&[S::u64s]; D] = std::array::from_fn(|j| vectors::<S>(self.keys[j].0));
        let right: [&[S::u64s]; D] = std::array::from_fn(|j| vectors::<S>(self.keys[j].1));
        let [first, second] = self.out;
        let (first, second) = (vectors_mut::<S>(first), vectors_mut::<S>(second));
        let start = |index: usize| match self.starts {
            Starts::Scaled(starts) => starts[index].map(|(x, f)| (vectors::<S>(x), lanes.factor(f))),
            Starts::Output => None,
        };
        let starts = [start(0), start(1)];
        let goes_on = matches!(self.starts, Starts::Output);
        for at in 0..first.len() {
            let (mut sum, mut other) = (lanes.zero(), lanes.zero());
            for j in 0..D {
                let digit = lanes.to_float(digits[j][at]);
                sum = lanes.add(sum, lanes.product(digit, lanes.to_float(left[j][at])));
                other = lanes.add(other, lanes.product(digit, lanes.to_float(right[j][at])));
            }
            if goes_on {
                sum = lanes.add(sum, lanes.to_float(first[at]));
                other = lanes.add(other, lanes.to_float(second[at]));
            } else {
                if let Some((x, factor)) = starts[0] {
                    sum = lanes.add(sum, lanes.scaled(lanes.to_float(x[at]), factor));
                }
                if let Some((x, factor)) = starts[1] {
                    other = lanes.add(other, lanes.scaled(lanes.to_float(x[at]), factor));
                }
            }
            first[at] = lanes.reduce(sum);
            second[at] = lanes.reduce(other);
        }
    }
}

/// One source limb of a base conversion.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Residues y in [0, p).
    pub residues: &'a [u64],
    /// What y is multiplied with modulo the target.
    pub factor: Factor,
}

/// So many terms below q each, and as many halves of q, stay below 2^53 unreduced.
const FEW_SOURCES: usize = 4;

/// `round(sum y_i / p_i)` for residues y_i and reciprocals of their primes: how often the source modulus is
/// to be taken off a base conversion, whatever the target. As doubles.
pub fn quotients(sources: &[(&[u64], f64)], out: &mut [f64]) {
    dispatch(Quotients { sources, out });
}

struct Quotients<'a> {
    sources: &'a [(&'a [u64], f64)],
    out: &'a mut [f64],
}

impl WithSimd for Quotients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Nothing is reduced: any modulus serves.
        let lanes = Lanes::new(simd, Modulus::new(2));
        for (at, out) in S::as_mut_simd_f64s(self.out).0.iter_mut().enumerate() {
            let mut quotient = lanes.zero();
            for &(residues, reciprocal) in self.sources {
                let y = lanes.to_float(vectors::<S>(residues)[at]);
                quotient = lanes.mul_add(y, lanes.splat(reciprocal), quotient);
            }
            *out = lanes.round(quotient);
        }
    }
}

/// `out = sum y_i f_i - quotient * whole  mod q`: the exact, centred base conversion (Halevi, Polyakov,
/// Shoup, "An improved RNS variant of the BFV scheme", 2019, section 2.2). The quotient is a rounded double,
/// so a value within 2^-48 of half the source modulus may come out at the other end of the interval;
/// nothing depends on which.
pub fn convert(q: Modulus, sources: &[Source<'_>], quotients: &[f64], whole: Factor, out: &mut [u64]) {
    match sources.len() {
        1 => dispatch(Convert::<1> { q, sources, quotients, whole, out }),
        2 => dispatch(Convert::<2> { q, sources, quotients, whole, out }),
        3 => dispatch(Convert::<3> { q, sources, quotients, whole, out }),
        FEW_SOURCES => dispatch(Convert::<FEW_SOURCES> { q, sources, quotients, whole, out }),
        _ => dispatch(ConvertMany { q, sources, quotients, whole, out }),
    }
}

struct Convert<'a, const D: usize> {
    q: Modulus,
    sources: &'a [Source<'a>],
    quotients: &'a [f64],
    whole: Factor,
    out: &'a mut [u64],
}

impl<const D: usize> WithSimd for Convert<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = Lanes::new(simd, self.q);
        // Centred, so that a small multiple of it is exact.
        let whole = lanes.splat(self.q.centred(self.whole.value));
        let sources: [&[S::u64s]; D] = std::array::from_fn(|j| vectors::<S>(self.sources[j].residues));
        let factors: [Factors<S>; D] = std::array::from_fn(|j| lanes.factor(self.sources[j].factor));
        let quotients = S::as_simd_f64s(self.quotients).0;
        for (at, out) in vectors_mut::<S>(self.out).iter_mut().enumerate() {
            let mut value = lanes.zero();
            for j in 0..D {
                value = lanes.add(value, lanes.scaled(lanes.to_float(sources[j][at]), factors[j]));
            }
            *out = lanes.reduce(lanes.negate_mul_add(quotients[at], whole, value));
        }
    }
}

struct ConvertMany<'a> {
    q: Modulus,
    sources: &'a [Source<'a>],
    quotients: &'a [f64],
    whole: Factor,
    out: &'a mut [u64],
}

impl WithSimd for ConvertMany<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = Lanes::new(simd, self.q);
        let whole = lanes.factor(self.whole);
        let quotients = S::as_simd_f64s(self.quotients).0;
        for (at, out) in vectors_mut::<S>(self.out).iter_mut().enumerate() {
            let mut value = lanes.zero();
            for source in self.sources {
                let y = lanes.to_float(vectors::<S>(source.residues)[at]);
                value = lanes.centred(lanes.add(value, lanes.scaled(y, lanes.factor(source.factor))));
            }
            *out = lanes.reduce(lanes.sub(value, lanes.scaled(quotients[at], whole)));
        }
    }
}

/// `out = constant + sum c_i x_i mod q`, in one pass; `c_i` are signed and may exceed q.
pub fn linear(q: Modulus, constant: i64, terms: &[(i64, &[u64])], out: &mut [u64]) {
    combine(q, Some(q.residue(i128::from(constant))), terms, out);
}

/// `out += sum c_i x_i mod q`, in one pass.
pub fn linear_accumulate(q: Modulus, terms: &[(i64, &[u64])], out: &mut [u64]) {
    if !terms.is_empty() {
        combine(q, None, terms, out);
    }
}

/// Starts from a constant, or else from what `out` holds.
fn combine(q: Modulus, constant: Option<u64>, terms: &[(i64, &[u64])], out: &mut [u64]) {
    let weight = terms.iter().fold(1u128, |sum, &(c, _)| sum + u128::from(c.unsigned_abs()));
    let start = constant.map(super::to_float);
    // So small that the combination is exact before any reduction.
    if weight * u128::from(q.value) < 1 << 52 {
        #[expect(clippy::cast_precision_loss, reason = "coefficients below 2^52")]
        let terms: Vec<(f64, &[u64])> = terms.iter().map(|&(c, x)| (c as f64, x)).collect();
        dispatch(Combine { q, start, terms: &terms, out });
    } else {
        let terms: Vec<(Factor, &[u64])> =
            terms.iter().map(|&(c, x)| (q.factor(q.residue(i128::from(c))), x)).collect();
        dispatch(Combine { q, start, terms: &terms, out });
    }
}

/// A coefficient of a linear combination.
trait Coefficient: Copy {
    /// `sum + c x`, as far reduced as the next term needs.
    fn add<S: Simd>(self, lanes: Lanes<S>, sum: S::f64s, x: S::f64s) -> S::f64s;
}

/// Small: nothing is reduced before the end.
impl Coefficient for f64 {
    #[inline(always)]
    fn add<S: Simd>(self, lanes: Lanes<S>, sum: S::f64s, x: S::f64s) -> S::f64s {
        lanes.mul_add(x, lanes.splat(self), sum)
    }
}

impl Coefficient for Factor {
    #[inline(always)]
    fn add<S: Simd>(self, lanes: Lanes<S>, sum: S::f64s, x: S::f64s) -> S::f64s {
        lanes.centred(lanes.add(sum, lanes.scaled(x, lanes.factor(self))))
    }
}

struct Combine<'a, C> {
    q: Modulus,
    start: Option<f64>,
    terms: &'a [(C, &'a [u64])],
    out: &'a mut [u64],
}

impl<C: Coefficient> WithSimd for Combine<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = Lanes::new(simd, self.q);
        for (at, out) in vectors_mut::<S>(self.out).iter_mut().enumerate() {
            let mut sum = match self.start {
                Some(start) => lanes.splat(start),
                None => lanes.to_float(*out),
            };
            for &(coefficient, x) in self.terms {
                sum = coefficient.add(lanes, sum, lanes.to_float(vectors::<S>(x)[at]));
            }
            *out = lanes.reduce(sum);
        }
    }
}
