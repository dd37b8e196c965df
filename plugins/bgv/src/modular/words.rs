//! Words rather than residues: random ones reduced or counted, residues packed into bits.

use pulp::{Simd, WithSimd};

use super::lanes::{vectors, vectors_mut};
use super::{Modulus, dispatch, round_product, to_float, vectorized};

/// Each word mod q, for q of at least 17 bits; returns the largest word. The top 52 bits and the quotient that
/// they give leave less than q/2 + q/16, and the rest is below 2^12.
pub fn reduce_words(q: Modulus, words: &[[u8; 8]], out: &mut [u64]) -> u64 {
    debug_assert!(q.value >> 16 > 0, "a modulus of at least 17 bits");
    vectorized(
        #[inline(always)]
        || {
            let mut largest = 0;
            for (slot, word) in out.iter_mut().zip(words) {
                let word = u64::from_le_bytes(*word);
                largest = largest.max(word);
                let high = to_float(word >> 12) * 4096.0;
                let quotient = round_product(high, q.inverse);
                let rest = (-quotient).mul_add(q.float, high);
                *slot = q.canonical(rest + to_float(word & 0xfff));
            }
            largest
        },
    )
}

/// Residues as doubles of least size.
pub fn centre(q: Modulus, residues: &[u64], out: &mut [f64]) {
    vectorized(
        #[inline(always)]
        move || out.iter_mut().zip(residues).for_each(|(out, &x)| *out = q.centred(to_float(x))),
    );
}

/// `words |= values << shift`.
pub fn pack_row(values: &[u64], shift: u32, words: &mut [u64]) {
    vectorized(
        #[inline(always)]
        move || words.iter_mut().zip(values).for_each(|(word, value)| *word |= value << shift),
    );
}

/// `words |= values >> shift`: what [`pack_row`] lost at the top.
pub fn pack_high(values: &[u64], shift: u32, words: &mut [u64]) {
    vectorized(
        #[inline(always)]
        move || words.iter_mut().zip(values).for_each(|(word, value)| *word |= value >> shift),
    );
}

/// `out = (low >> shift | high << (64 - shift)) & mask`; returns the largest value.
pub fn unpack_row(low: &[[u8; 8]], high: Option<&[[u8; 8]]>, shift: u32, mask: u64, out: &mut [u64]) -> u64 {
    // Without a second word its place is masked away.
    let high = high.unwrap_or(low);
    vectorized(
        #[inline(always)]
        move || {
            let mut largest = 0;
            for ((slot, low), high) in out.iter_mut().zip(low).zip(high) {
                let high = u64::from_le_bytes(*high) << 1 << (63 - shift);
                *slot = (u64::from_le_bytes(*low) >> shift | high) & mask;
                largest = largest.max(*slot);
            }
            largest
        },
    )
}

/// `counts[i]` is how many of the `bounds` are at most `words[i]`; no branch or address depends on the words.
/// Lengths are multiples of 32.
pub fn count_bounds(words: &[u64], bounds: &[u64], counts: &mut [u64]) {
    dispatch(CountBounds { words, bounds, counts });
}

struct CountBounds<'a> {
    words: &'a [u64],
    bounds: &'a [u64],
    counts: &'a mut [u64],
}

impl WithSimd for CountBounds<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (zero, one) = (simd.splat_u64s(0), simd.splat_u64s(1));
        // Four vectors at a time, counted in registers.
        let words = vectors::<S>(self.words).as_chunks::<4>().0;
        for (counts, words) in vectors_mut::<S>(self.counts).as_chunks_mut::<4>().0.iter_mut().zip(words) {
            let mut sums = [zero; 4];
            for &bound in self.bounds {
                let bound = simd.splat_u64s(bound);
                for i in 0..4 {
                    let reached = simd.greater_than_or_equal_u64s(words[i], bound);
                    sums[i] = simd.add_u64s(sums[i], simd.select_u64s(reached, one, zero));
                }
            }
            *counts = sums;
        }
    }
}

/// `out[i]` is the low byte of `counts[i]`, or of its negative where `words[i]` is odd.
pub fn give_signs(words: &[u64], counts: &[u64], out: &mut [i8]) {
    vectorized(
        #[inline(always)]
        move || {
            for ((out, &word), &count) in out.iter_mut().zip(words).zip(counts) {
                let sign = word & 1;
                let [low, ..] = (count ^ sign.wrapping_neg()).wrapping_add(sign).to_le_bytes();
                *out = low.cast_signed();
            }
        },
    );
}
