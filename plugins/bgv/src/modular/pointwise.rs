//! Slot-by-slot operations on limbs, fused as their users need them.

use super::{Factor, Modulus, to_float, vectorized};

/// `accumulator += x`.
pub fn add_assign(q: Modulus, accumulator: &mut [u64], x: &[u64]) {
    vectorized(
        #[inline(always)]
        || {
            for (a, &b) in accumulator.iter_mut().zip(x) {
                *a = q.add(*a, b);
            }
        },
    );
}

/// `accumulator -= x`.
pub fn sub_assign(q: Modulus, accumulator: &mut [u64], x: &[u64]) {
    vectorized(
        #[inline(always)]
        || {
            for (a, &b) in accumulator.iter_mut().zip(x) {
                *a = q.sub(*a, b);
            }
        },
    );
}

/// `x *= factor`.
pub fn scale_assign(q: Modulus, x: &mut [u64], factor: Factor) {
    vectorized(
        #[inline(always)]
        || {
            for value in x.iter_mut() {
                *value = q.canonical(q.scaled(to_float(*value), factor));
            }
        },
    );
}

/// `x *= y`, slot by slot.
pub fn mul_assign(q: Modulus, x: &mut [u64], y: &[u64]) {
    vectorized(
        #[inline(always)]
        || {
            for (a, &b) in x.iter_mut().zip(y) {
                *a = q.canonical(q.product(to_float(*a), to_float(b)));
            }
        },
    );
}

/// `accumulator += x * y`, slot by slot.
pub fn mul_accumulate(q: Modulus, accumulator: &mut [u64], x: &[u64], y: &[u64]) {
    vectorized(
        #[inline(always)]
        || {
            for ((acc, &a), &b) in accumulator.iter_mut().zip(x).zip(y) {
                *acc = q.reduce(to_float(*acc) + q.product(to_float(a), to_float(b)));
            }
        },
    );
}

/// Two ciphertext parts of one limb.
pub type Pair<'a> = (&'a [u64], &'a [u64]);

/// The tensor product `(a0 b0, a0 b1 + a1 b0, a1 b1)` of one limb.
pub fn tensor(
    q: Modulus,
    (a0, a1): Pair<'_>,
    (b0, b1): Pair<'_>,
    d0: &mut [u64],
    (d1, d2): (&mut [u64], &mut [u64]),
) {
    let n = a0.len();
    let (a1, b0, b1) = (&a1[..n], &b0[..n], &b1[..n]);
    let (d0, d1, d2) = (&mut d0[..n], &mut d1[..n], &mut d2[..n]);
    vectorized(
        #[inline(always)]
        || {
            for i in 0..n {
                let (x0, x1) = (to_float(a0[i]), to_float(a1[i]));
                let (y0, y1) = (to_float(b0[i]), to_float(b1[i]));
                d0[i] = q.canonical(q.product(x0, y0));
                d1[i] = q.reduce(q.product(x0, y1) + q.product(x1, y0));
                d2[i] = q.canonical(q.product(x1, y1));
            }
        },
    );
}

/// How many residues below 2^50 a 64-bit sum holds.
const SUM_CHUNK: usize = 1 << 13;

/// The tensor product of which only the sum of the first part over all slots is wanted: adds the
/// other two parts to the accumulators and returns that sum mod q.
pub fn tensor_accumulate(
    q: Modulus,
    (a0, a1): Pair<'_>,
    (b0, b1): Pair<'_>,
    (acc1, acc2): (&mut [u64], &mut [u64]),
) -> u64 {
    let n = a0.len();
    let (a1, b0, b1) = (&a1[..n], &b0[..n], &b1[..n]);
    let (acc1, acc2) = (&mut acc1[..n], &mut acc2[..n]);
    let mut total = 0;
    for start in (0..n).step_by(SUM_CHUNK) {
        let end = n.min(start + SUM_CHUNK);
        let sum = vectorized(
            #[inline(always)]
            || {
                let mut sum = 0u64;
                for i in start..end {
                    let (x0, x1) = (to_float(a0[i]), to_float(a1[i]));
                    let (y0, y1) = (to_float(b0[i]), to_float(b1[i]));
                    sum += q.canonical(q.product(x0, y0));
                    acc1[i] = q.reduce(to_float(acc1[i]) + q.product(x0, y1) + q.product(x1, y0));
                    acc2[i] = q.reduce(to_float(acc2[i]) + q.product(x1, y1));
                }
                sum
            },
        );
        total = q.add(total, sum % q.value);
    }
    total
}

/// The sum of all residues mod q.
#[must_use]
pub fn sum(q: Modulus, x: &[u64]) -> u64 {
    x.chunks(SUM_CHUNK).fold(0, |total, chunk| {
        q.add(
            total,
            vectorized(
                #[inline(always)]
                || chunk.iter().sum::<u64>(),
            ) % q.value,
        )
    })
}

/// `w = x * factor - w`: the end of a division of the modulus.
pub fn scale_sub_into(q: Modulus, x: &[u64], factor: Factor, w: &mut [u64]) {
    vectorized(
        #[inline(always)]
        || {
            for (w, &value) in w.iter_mut().zip(x) {
                *w = q.reduce(q.scaled(to_float(value), factor) - to_float(*w));
            }
        },
    );
}

/// `out = x * factor`.
pub fn scale_into(q: Modulus, x: &[u64], factor: Factor, out: &mut [u64]) {
    vectorized(
        #[inline(always)]
        || {
            for (out, &value) in out.iter_mut().zip(x) {
                *out = q.canonical(q.scaled(to_float(value), factor));
            }
        },
    );
}

/// `x = x + y * factor`.
pub fn scale_add_assign(q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    vectorized(
        #[inline(always)]
        || {
            for (a, &b) in x.iter_mut().zip(y) {
                *a = q.reduce(to_float(*a) + q.scaled(to_float(b), factor));
            }
        },
    );
}

/// The residues of signed integers below 2^51 in size.
pub fn lift(q: Modulus, small: &[i64], out: &mut [u64]) {
    vectorized(
        #[inline(always)]
        || {
            for (word, &value) in out.iter_mut().zip(small) {
                #[expect(clippy::cast_precision_loss, reason = "below 2^51")]
                let value = value as f64;
                *word = q.reduce(value);
            }
        },
    );
}

/// The top 52 bits of each word, reduced mod q; returns the largest before reduction.
pub fn reduce_words(q: Modulus, words: &[[u8; 8]], out: &mut [u64]) -> u64 {
    vectorized(
        #[inline(always)]
        || {
            let mut largest = 0;
            for (slot, word) in out.iter_mut().zip(words) {
                let word = u64::from_le_bytes(*word) >> 12;
                largest = largest.max(word);
                *slot = q.reduce(to_float(word));
            }
            largest
        },
    )
}

/// `out = (low >> shift | high << (64 - shift)) & mask`; returns the largest value.
pub fn unpack_row(low: &[[u8; 8]], high: Option<&[[u8; 8]]>, shift: u32, mask: u64, out: &mut [u64]) -> u64 {
    let n = out.len();
    let low = &low[..n];
    // Without a second word its place is masked away.
    let high = &high.unwrap_or(low)[..n];
    vectorized(
        #[inline(always)]
        || {
            let mut largest = 0;
            for i in 0..n {
                let high = u64::from_le_bytes(high[i]) << 1 << (63 - shift);
                out[i] = (u64::from_le_bytes(low[i]) >> shift | high) & mask;
                largest = largest.max(out[i]);
            }
            largest
        },
    )
}

/// `counts[i]` is how many of the `bounds` are at most `words[i] >> 1`; no branch depends on the words.
pub fn count_bounds(words: &[u64], bounds: &[u64], counts: &mut [i64]) {
    vectorized(
        #[inline(always)]
        || {
            for (count, &word) in counts.iter_mut().zip(words) {
                let word = word >> 1;
                *count = bounds.iter().fold(0, |sum, &bound| sum + i64::from(word >= bound));
            }
        },
    );
}
