//! Sums over several limbs in one pass: inner products with keys, base conversions, linear combinations.

use super::{Factor, Modulus, round, to_float, vectorized};

/// Slots worked on at a time: their partial sums stay in registers. Every limb is a multiple of it.
const BLOCK: usize = 64;

#[inline(always)]
fn blocks(limb: &[u64]) -> &[[u64; BLOCK]] {
    debug_assert_eq!(limb.len() % BLOCK, 0, "limbs are multiples of a block");
    limb.as_chunks().0
}

/// So many products below 7q/8 each, and what they are added to, sum below 2^53.
const SUMMED_PRODUCTS: usize = 4;

/// `first += sum x_j k_j`, `second += sum x_j l_j` over digits x with key limbs (k, l).
pub fn inner_products(
    q: Modulus,
    digits: &[&[u64]],
    keys: &[(&[u64], &[u64])],
    (first, second): (&mut [u64], &mut [u64]),
) {
    let (first, second) = (first.as_chunks_mut::<BLOCK>().0, second.as_chunks_mut::<BLOCK>().0);
    for (digits, keys) in digits.chunks(SUMMED_PRODUCTS).zip(keys.chunks(SUMMED_PRODUCTS)) {
        vectorized(
            #[inline(always)]
            || {
                for at in 0..first.len() {
                    let (mut left, mut right) = ([0.0; BLOCK], [0.0; BLOCK]);
                    for j in 0..digits.len() {
                        let (digit, k, l) =
                            (&blocks(digits[j])[at], &blocks(keys[j].0)[at], &blocks(keys[j].1)[at]);
                        for i in 0..BLOCK {
                            let value = to_float(digit[i]);
                            left[i] += q.product(value, to_float(k[i]));
                            right[i] += q.product(value, to_float(l[i]));
                        }
                    }
                    let (first, second) = (&mut first[at], &mut second[at]);
                    for i in 0..BLOCK {
                        first[i] = q.reduce(to_float(first[i]) + left[i]);
                        second[i] = q.reduce(to_float(second[i]) + right[i]);
                    }
                }
            },
        );
    }
}

/// One source limb of a base conversion.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Residues y in [0, p).
    pub residues: &'a [u64],
    /// 1/p.
    pub reciprocal: f64,
    /// What y is multiplied with modulo the target.
    pub factor: Factor,
}

/// So many terms of less than 3q/4 and the multiple of the source modulus stay below 2^52 unreduced.
const FEW_SOURCES: usize = 3;

/// `out = sum y_i f_i - round(sum y_i / p_i) * whole  mod q`: the exact, centred base conversion
/// (Halevi, Polyakov, Shoup, "An improved RNS variant of the BFV scheme", 2019, section 2.2). The quotient
/// is a double, so a value within 2^-48 of half the source modulus may come out at the other end of
/// the interval; nothing depends on which.
pub fn convert(q: Modulus, sources: &[Source<'_>], whole: Factor, out: &mut [u64]) {
    let few = sources.len() <= FEW_SOURCES;
    // Centred, so that a small multiple of it is exact.
    let centred_whole = q.centred(whole.value);
    let out = out.as_chunks_mut::<BLOCK>().0;
    vectorized(
        #[inline(always)]
        || {
            for (at, out) in out.iter_mut().enumerate() {
                let (mut value, mut quotient) = ([0.0f64; BLOCK], [0.0f64; BLOCK]);
                for source in sources {
                    let residues = &blocks(source.residues)[at];
                    for i in 0..BLOCK {
                        let y = to_float(residues[i]);
                        quotient[i] = y.mul_add(source.reciprocal, quotient[i]);
                        value[i] += q.scaled(y, source.factor);
                    }
                    if !few {
                        value.iter_mut().for_each(
                            #[inline(always)]
                            |value| *value = q.centred(*value),
                        );
                    }
                }
                if few {
                    for i in 0..BLOCK {
                        out[i] = q.reduce((-round(quotient[i])).mul_add(centred_whole, value[i]));
                    }
                } else {
                    for i in 0..BLOCK {
                        out[i] = q.reduce(value[i] - q.scaled(round(quotient[i]), whole));
                    }
                }
            }
        },
    );
}

/// `out = constant + sum c_i x_i mod q`, in one pass; `c_i` are signed and may exceed q.
pub fn linear(q: Modulus, constant: i64, terms: &[(i64, &[u64])], out: &mut [u64]) {
    combine(q, Start::Constant(q.residue(i128::from(constant))), terms, out);
}

/// `out += sum c_i x_i mod q`, in one pass.
pub fn linear_accumulate(q: Modulus, terms: &[(i64, &[u64])], out: &mut [u64]) {
    if !terms.is_empty() {
        combine(q, Start::Output, terms, out);
    }
}

/// What a linear combination starts from.
#[derive(Clone, Copy, Debug)]
enum Start {
    Constant(u64),
    Output,
}

impl Start {
    /// The first values of a block.
    #[inline(always)]
    fn fill(self, block: &[u64; BLOCK]) -> [u64; BLOCK] {
        match self {
            Self::Constant(value) => [value; BLOCK],
            Self::Output => *block,
        }
    }
}

fn combine(q: Modulus, start: Start, terms: &[(i64, &[u64])], out: &mut [u64]) {
    let weight = terms.iter().fold(1u128, |sum, &(c, _)| sum + u128::from(c.unsigned_abs()));
    // So small that the combination is exact before any reduction.
    if weight * u128::from(q.value) < 1 << 52 {
        combine_small(q, start, terms, out);
        return;
    }
    let terms: Vec<(Factor, &[u64])> =
        terms.iter().map(|&(c, x)| (q.factor(q.residue(i128::from(c))), x)).collect();
    let out = out.as_chunks_mut::<BLOCK>().0;
    vectorized(
        #[inline(always)]
        || {
            for (at, out) in out.iter_mut().enumerate() {
                let words = start.fill(out);
                let mut sum = [0.0; BLOCK];
                for i in 0..BLOCK {
                    sum[i] = to_float(words[i]);
                }
                for &(factor, x) in &terms {
                    let x = &blocks(x)[at];
                    for i in 0..BLOCK {
                        sum[i] = q.centred(sum[i] + q.scaled(to_float(x[i]), factor));
                    }
                }
                for i in 0..BLOCK {
                    out[i] = q.reduce(sum[i]);
                }
            }
        },
    );
}

fn combine_small(q: Modulus, start: Start, terms: &[(i64, &[u64])], out: &mut [u64]) {
    #[expect(clippy::cast_precision_loss, reason = "coefficients below 2^52")]
    let terms: Vec<(f64, &[u64])> = terms.iter().map(|&(c, x)| (c as f64, x)).collect();
    let out = out.as_chunks_mut::<BLOCK>().0;
    vectorized(
        #[inline(always)]
        || {
            for (at, out) in out.iter_mut().enumerate() {
                let words = start.fill(out);
                let mut sum = [0.0; BLOCK];
                for i in 0..BLOCK {
                    sum[i] = to_float(words[i]);
                }
                for &(coefficient, x) in &terms {
                    let x = &blocks(x)[at];
                    for i in 0..BLOCK {
                        sum[i] = to_float(x[i]).mul_add(coefficient, sum[i]);
                    }
                }
                for i in 0..BLOCK {
                    out[i] = q.reduce(sum[i]);
                }
            }
        },
    );
}
