//! Products of ciphertexts of several parts, slot by slot: part k of the product is the sum over i + j = k.
//!
//! At most [`MAX_PARTS`] parts come out, so at most four pairs (i, j) have the same sum: four products below
//! 7q/8 and what they are added to stay below 2^53, and nothing is reduced before the end.
#![expect(clippy::needless_range_loop, reason = "one index walks over several limbs, or parts")]

use pulp::{Simd, WithSimd};

use super::lanes::{Lanes, vectors, vectors_mut};
use super::{Factor, MAX_BITS, Modulus, ROUND, dispatch};

/// Parts of a product.
pub const MAX_PARTS: usize = 8;

/// Stands for a number of parts that is known at run time only.
const MANY: usize = MAX_PARTS;

/// How many numbers below 2^50 in size a lane of signed words adds up.
const SUMMED_WORDS: usize = 1 << 13;

/// Dispatches a kernel, for the usual numbers of parts with these as constants: every sum is then a register.
macro_rules! by_parts {
    ($kernel:ident { $($field:ident),* }, $a:expr, $b:expr) => {
        match ($a.len(), $b.len()) {
            (1, 1) => dispatch($kernel::<1, 1, _> { $($field),* }),
            (2, 1) => dispatch($kernel::<2, 1, _> { $($field),* }),
            (2, 2) => dispatch($kernel::<2, 2, _> { $($field),* }),
            (3, 1) => dispatch($kernel::<3, 1, _> { $($field),* }),
            (3, 2) => dispatch($kernel::<3, 2, _> { $($field),* }),
            (3, 3) => dispatch($kernel::<3, 3, _> { $($field),* }),
            (4, 1) => dispatch($kernel::<4, 1, _> { $($field),* }),
            (4, 2) => dispatch($kernel::<4, 2, _> { $($field),* }),
            (4, 3) => dispatch($kernel::<4, 3, _> { $($field),* }),
            (4, 4) => dispatch($kernel::<4, 4, _> { $($field),* }),
            _ => dispatch($kernel::<MANY, MANY, _> { $($field),* }),
        }
    };
}

/// `out[k] = sum over i + j = k of a[i] b[j] mod q`, slot by slot. All slices are equally long, a multiple
/// of 64; `out` has `a.len() + b.len() - 1` of them, at most [`MAX_PARTS`].
pub fn convolve(q: Modulus, a: &[&[u64]], b: &[&[u64]], out: &mut [&mut [u64]]) {
    debug_assert!(out.len() + 1 == a.len() + b.len() && out.len() <= MAX_PARTS);
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let factors = Factors { a, b, scale: () };
    by_parts!(Convolve { q, factors, out }, a, b);
}

/// Adds `coefficient` times parts 1, 2, … of the product that [`convolve`] describes to `tail`, and returns
/// `coefficient` times the sum over slots of part 0, mod q. `tail` has `a.len() + b.len() - 2` slices; the
/// coefficient may exceed q.
pub fn convolve_accumulate(
    q: Modulus,
    coefficient: i64,
    a: &[&[u64]],
    b: &[&[u64]],
    tail: &mut [&mut [u64]],
) -> u64 {
    debug_assert!(tail.len() + 2 == a.len() + b.len() && tail.len() < MAX_PARTS);
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    if u128::from(coefficient.unsigned_abs()) * u128::from(q.value) < 1 << MAX_BITS {
        #[expect(clippy::cast_precision_loss, reason = "below 2^50")]
        let factors = Factors { a, b, scale: coefficient as f64 };
        by_parts!(Accumulate { q, factors, tail }, a, b)
    } else {
        let scale = q.factor(q.residue(i128::from(coefficient)));
        let factors = Factors { a, b, scale };
        by_parts!(Accumulate { q, factors, tail }, a, b)
    }
}

/// What the side of fewer parts is multiplied with.
trait Scale: Copy {
    /// The multiple of numbers of `[0, q)`, below 2^50 in size.
    fn apply<S: Simd>(self, lanes: Lanes<S>, x: S::f64s) -> S::f64s;
}

/// One.
impl Scale for () {
    #[inline(always)]
    fn apply<S: Simd>(self, _: Lanes<S>, x: S::f64s) -> S::f64s {
        x
    }
}

/// So small that nothing is to be reduced.
impl Scale for f64 {
    #[inline(always)]
    fn apply<S: Simd>(self, lanes: Lanes<S>, x: S::f64s) -> S::f64s {
        lanes.mul(x, lanes.splat(self))
    }
}

impl Scale for Factor {
    #[inline(always)]
    fn apply<S: Simd>(self, lanes: Lanes<S>, x: S::f64s) -> S::f64s {
        lanes.scaled(x, lanes.factor(self))
    }
}

/// The parts of two ciphertexts, at least as many in `a` as in `b`, and what the product is multiplied with.
#[derive(Clone, Copy)]
struct Factors<'a, C> {
    a: &'a [&'a [u64]],
    b: &'a [&'a [u64]],
    scale: C,
}

/// The same as vectors, with the numbers of parts.
struct Views<'a, S: Simd, C> {
    lanes: Lanes<S>,
    counts: (usize, usize),
    a: [&'a [S::u64s]; MAX_PARTS],
    b: [&'a [S::u64s]; MAX_PARTS],
    scale: C,
}

impl<'a, C: Scale> Factors<'a, C> {
    #[inline(always)]
    fn views<S: Simd, const A: usize, const B: usize>(self, lanes: Lanes<S>) -> (usize, Views<'a, S, C>) {
        let count = |known: usize, slices: &[&[u64]]| if known == MANY { slices.len() } else { known };
        let counts = (count(A, self.a), count(B, self.b));
        let length = vectors::<S>(self.a[0]).len();
        let view = |slices: &[&'a [u64]], count: usize| -> [&'a [S::u64s]; MAX_PARTS] {
            std::array::from_fn(|i| if i < count { &vectors::<S>(slices[i])[..length] } else { &[] })
        };
        let (a, b) = (view(self.a, counts.0), view(self.b, counts.1));
        (length, Views { lanes, counts, a, b, scale: self.scale })
    }
}

impl<S: Simd, C: Scale> Views<'_, S, C> {
    /// The parts of the product, not reduced.
    #[inline(always)]
    fn product(&self, at: usize) -> [S::f64s; MAX_PARTS] {
        let (lanes, (n, m)) = (self.lanes, self.counts);
        let mut y = [lanes.zero(); MAX_PARTS];
        for j in 0..m {
            y[j] = self.scale.apply(lanes, lanes.to_float(self.b[j][at]));
        }
        let mut sums = [lanes.zero(); MAX_PARTS];
        for i in 0..n {
            let x = lanes.to_float(self.a[i][at]);
            for j in 0..m {
                let product = lanes.product(x, y[j]);
                let first = i == 0 || j + 1 == m;
                sums[i + j] = if first { product } else { lanes.add(sums[i + j], product) };
            }
        }
        sums
    }
}

/// Slices to be written, as vectors of equal number.
#[inline(always)]
fn written<'a, S: Simd>(
    slices: &'a mut [&mut [u64]],
    count: usize,
    length: usize,
) -> [&'a mut [S::u64s]; MAX_PARTS] {
    let mut slices = slices.iter_mut().take(count);
    std::array::from_fn(|_| match slices.next() {
        Some(slice) => &mut vectors_mut::<S>(slice)[..length],
        None => &mut [],
    })
}

struct Convolve<'a, 'b, const A: usize, const B: usize, C> {
    q: Modulus,
    factors: Factors<'a, C>,
    out: &'a mut [&'b mut [u64]],
}

impl<const A: usize, const B: usize, C: Scale> WithSimd for Convolve<'_, '_, A, B, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = Lanes::new(simd, self.q);
        let (length, factors) = self.factors.views::<S, A, B>(lanes);
        let (n, m) = factors.counts;
        let out = written::<S>(self.out, n + m - 1, length);
        for at in 0..length {
            let sums = factors.product(at);
            for k in 0..n + m - 1 {
                // A product that stands alone is small enough.
                let alone = k == 0 || k + 2 == n + m || m == 1;
                out[k][at] = if alone { lanes.canonical(sums[k]) } else { lanes.reduce(sums[k]) };
            }
        }
    }
}

struct Accumulate<'a, 'b, const A: usize, const B: usize, C> {
    q: Modulus,
    factors: Factors<'a, C>,
    tail: &'a mut [&'b mut [u64]],
}

impl<const A: usize, const B: usize, C: Scale> WithSimd for Accumulate<'_, '_, A, B, C> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        let lanes = Lanes::new(simd, self.q);
        let (length, factors) = self.factors.views::<S, A, B>(lanes);
        let (n, m) = factors.counts;
        let tail = written::<S>(self.tail, n + m - 2, length);
        let mut total = 0;
        for start in (0..length).step_by(SUMMED_WORDS) {
            let end = length.min(start + SUMMED_WORDS);
            let mut words = simd.splat_u64s(0);
            for at in start..end {
                let sums = factors.product(at);
                words = lanes.add_words(words, lanes.signed_words(sums[0]));
                for k in 1..n + m - 1 {
                    let sum = lanes.add(lanes.to_float(tail[k - 1][at]), sums[k]);
                    tail[k - 1][at] = lanes.reduce(sum);
                }
            }
            let offset = ROUND.to_bits().wrapping_mul((end - start) as u64);
            for &word in pulp::bytemuck::cast_slice::<S::u64s, u64>(&[words]) {
                let signed = word.wrapping_sub(offset).cast_signed();
                total = self.q.add(total, self.q.residue(i128::from(signed)));
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PRIMES, samples};
    use super::*;

    fn slices(parts: &[Vec<u64>]) -> Vec<&[u64]> {
        parts.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn products_of_every_shape_agree_with_wide_integers() {
        let length = 192;
        for (value, seed) in PRIMES.into_iter().zip(1..) {
            let q = Modulus::new(value);
            for (n, m) in (1..=7).flat_map(|n| (1..=7).map(move |m| (n, m))).filter(|(n, m)| n + m <= 9) {
                let make = |first: usize, count: usize| -> Vec<Vec<u64>> {
                    (first..first + count)
                        .map(|part| samples(value, seed * 100 + part as u64, length))
                        .collect()
                };
                let (a, b, c) = (make(0, n), make(10, m), make(20, n + m - 1));
                let mut wanted = vec![vec![0; length]; n + m - 1];
                for (i, j) in (0..n).flat_map(|i| (0..m).map(move |j| (i, j))) {
                    for (at, sum) in wanted[i + j].iter_mut().enumerate() {
                        *sum = q.add(*sum, q.mul(a[i][at], b[j][at]));
                    }
                }
                let mut out = c.clone();
                let mut views: Vec<&mut [u64]> = out.iter_mut().map(Vec::as_mut_slice).collect();
                convolve(q, &slices(&a), &slices(&b), &mut views);
                assert_eq!(out, wanted);
                for coefficient in [1, -1, 0, 3, -77_777, i64::MAX, i64::MIN] {
                    let factor = q.residue(i128::from(coefficient));
                    let mut tail = c[1..].to_vec();
                    let mut views: Vec<&mut [u64]> = tail.iter_mut().map(Vec::as_mut_slice).collect();
                    let total = convolve_accumulate(q, coefficient, &slices(&a), &slices(&b), &mut views);
                    let sum = wanted[0].iter().fold(0, |sum, &x| q.add(sum, x));
                    assert_eq!(total, q.mul(sum, factor));
                    for (k, part) in tail.iter().enumerate() {
                        for (at, &found) in part.iter().enumerate() {
                            let added = q.mul(factor, wanted[k + 1][at]);
                            assert_eq!(found, q.add(c[k + 1][at], added), "{n} x {m}, {coefficient}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn long_sums_do_not_overflow() {
        let q = Modulus::new(PRIMES[2]);
        let limb = vec![q.value - 1; 1 << 17];
        assert_eq!(convolve_accumulate(q, 1, &[&limb], &[&limb], &mut []), 1 << 17);
    }
}
