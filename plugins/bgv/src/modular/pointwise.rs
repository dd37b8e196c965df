//! Slot-by-slot operations on limbs, fused as their users need them.

use pulp::{Simd, WithSimd};

use super::lanes::{Lanes, vectors, vectors_mut};
use super::{Factor, Modulus, dispatch, to_float, vectorized};

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

/// How many residues below 2^50 a 64-bit sum holds.
const SUM_CHUNK: usize = 1 << 13;

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

/// The sum of residues with signs -1, 0 or 1, mod q; no branch or address depends on the signs.
#[must_use]
pub fn signed_sum(q: Modulus, x: &[u64], signs: &[i8]) -> u64 {
    x.chunks(SUM_CHUNK).zip(signs.chunks(SUM_CHUNK)).fold(0, |total, (x, signs)| {
        let sum = vectorized(
            #[inline(always)]
            || {
                x.iter().zip(signs).fold(0i64, |sum, (&x, &sign)| {
                    let sign = i64::from(sign);
                    let (negative, present) = (sign >> 1, -(sign & 1));
                    sum + ((x.cast_signed() & present) ^ negative) - negative
                })
            },
        );
        q.add(total, q.residue(i128::from(sum)))
    })
}

/// `w = x * factor - w`: the end of a division of the modulus.
pub fn scale_sub_into(q: Modulus, x: &[u64], factor: Factor, w: &mut [u64]) {
    dispatch(ScaleSub { q, x, factor, w });
}

struct ScaleSub<'a> {
    q: Modulus,
    x: &'a [u64],
    factor: Factor,
    w: &'a mut [u64],
}

impl WithSimd for ScaleSub<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = Lanes::new(simd, self.q);
        let factor = lanes.factor(self.factor);
        for (w, &x) in vectors_mut::<S>(self.w).iter_mut().zip(vectors::<S>(self.x)) {
            let scaled = lanes.scaled(lanes.to_float(x), factor);
            *w = lanes.reduce(lanes.sub(scaled, lanes.to_float(*w)));
        }
    }
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
