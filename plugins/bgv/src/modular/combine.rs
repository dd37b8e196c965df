//! Sums over several limbs in one pass: inner products with keys, base conversions, linear combinations.

use super::{Factor, Modulus, round, to_float, vectorized};

/// Slots worked on at a time in an inner product: the partial sums stay in the first-level cache.
const INNER_CHUNK: usize = 256;
/// So many products below 7q/8 each, and what they are added to, sum below 2^53.
const SUMMED_PRODUCTS: usize = 4;

/// `first += sum x_j k_j`, `second += sum x_j l_j` over digits x with key limbs (k, l).
pub fn inner_products(
    q: Modulus,
    digits: &[&[u64]],
    keys: &[(&[u64], &[u64])],
    (first, second): (&mut [u64], &mut [u64]),
) {
    for (index, (first, second)) in
        first.chunks_mut(INNER_CHUNK).zip(second.chunks_mut(INNER_CHUNK)).enumerate()
    {
        let at = index * INNER_CHUNK..index * INNER_CHUNK + first.len();
        for (digits, keys) in digits.chunks(SUMMED_PRODUCTS).zip(keys.chunks(SUMMED_PRODUCTS)) {
            vectorized(
                #[inline(always)]
                || {
                    let mut left = [0.0; INNER_CHUNK];
                    let mut right = [0.0; INNER_CHUNK];
                    for (digit, key) in digits.iter().zip(keys) {
                        let keys = key.0[at.clone()].iter().zip(&key.1[at.clone()]);
                        let sums = left.iter_mut().zip(&mut right);
                        for ((&digit, (&k, &l)), (left, right)) in
                            digit[at.clone()].iter().zip(keys).zip(sums)
                        {
                            let value = to_float(digit);
                            *left += q.product(value, to_float(k));
                            *right += q.product(value, to_float(l));
                        }
                    }
                    for (word, &sum) in first.iter_mut().zip(&left) {
                        *word = q.reduce(to_float(*word) + sum);
                    }
                    for (word, &sum) in second.iter_mut().zip(&right) {
                        *word = q.reduce(to_float(*word) + sum);
                    }
                },
            );
        }
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

/// Coefficients worked on at a time in a base conversion: the partial results stay in the first-level cache.
const CONVERT_CHUNK: usize = 256;
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
    for (index, chunk) in out.chunks_mut(CONVERT_CHUNK).enumerate() {
        let start = index * CONVERT_CHUNK;
        let length = chunk.len();
        vectorized(
            #[inline(always)]
            || {
                let mut value = [0.0f64; CONVERT_CHUNK];
                let mut quotient = [0.0f64; CONVERT_CHUNK];
                for source in sources {
                    let residues = &source.residues[start..start + length];
                    let sums = value.iter_mut().zip(&mut quotient);
                    if few {
                        for ((value, quotient), &word) in sums.zip(residues) {
                            let y = to_float(word);
                            *quotient = y.mul_add(source.reciprocal, *quotient);
                            *value += q.scaled(y, source.factor);
                        }
                    } else {
                        for ((value, quotient), &word) in sums.zip(residues) {
                            let y = to_float(word);
                            *quotient = y.mul_add(source.reciprocal, *quotient);
                            *value = q.centred(*value + q.scaled(y, source.factor));
                        }
                    }
                }
                let results = chunk.iter_mut().zip(value.iter().zip(&quotient));
                if few {
                    for (word, (&value, &quotient)) in results {
                        *word = q.reduce((-round(quotient)).mul_add(centred_whole, value));
                    }
                } else {
                    for (word, (&value, &quotient)) in results {
                        *word = q.reduce(value - q.scaled(round(quotient), whole));
                    }
                }
            },
        );
    }
}

/// Values worked on at a time in a linear combination.
const LINEAR_CHUNK: usize = 512;

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
    /// The first values of a chunk.
    #[inline(always)]
    fn fill(self, chunk: &[u64]) -> [u64; LINEAR_CHUNK] {
        match self {
            Self::Constant(value) => [value; LINEAR_CHUNK],
            Self::Output => {
                let mut start = [0; LINEAR_CHUNK];
                start[..chunk.len()].copy_from_slice(chunk);
                start
            }
        }
    }
}

fn combine(q: Modulus, start: Start, terms: &[(i64, &[u64])], out: &mut [u64]) {
    let weight = terms.iter().fold(0u128, |sum, &(c, _)| sum + u128::from(c.unsigned_abs()));
    // Below 2^11 the integer combination stays under 2^62 and its quotient by q under 2^12.
    if weight < 1 << 11 {
        combine_small(q, start, terms, out);
        return;
    }
    let terms: Vec<(Factor, &[u64])> =
        terms.iter().map(|&(c, x)| (q.factor(q.residue(i128::from(c))), x)).collect();
    for (index, chunk) in out.chunks_mut(LINEAR_CHUNK).enumerate() {
        let at = index * LINEAR_CHUNK;
        vectorized(
            #[inline(always)]
            || {
                let mut sum = start.fill(chunk).map(to_float);
                for &(factor, x) in &terms {
                    for (sum, &word) in sum.iter_mut().zip(&x[at..at + chunk.len()]) {
                        *sum = q.centred(*sum + q.scaled(to_float(word), factor));
                    }
                }
                for (word, &sum) in chunk.iter_mut().zip(&sum) {
                    *word = q.reduce(sum);
                }
            },
        );
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "residues are below 2^50, sums below 2^62, quotients below 2^13; the last cast is of a residue"
)]
fn combine_small(q: Modulus, start: Start, terms: &[(i64, &[u64])], out: &mut [u64]) {
    let modulus = q.value as i64;
    for (index, chunk) in out.chunks_mut(LINEAR_CHUNK).enumerate() {
        let at = index * LINEAR_CHUNK;
        vectorized(
            #[inline(always)]
            || {
                let mut sum = start.fill(chunk).map(|word| word as i64);
                for &(coefficient, x) in terms {
                    let values = sum.iter_mut().zip(&x[at..at + chunk.len()]);
                    match coefficient {
                        1 => values.for_each(|(sum, &word)| *sum += word as i64),
                        -1 => values.for_each(|(sum, &word)| *sum -= word as i64),
                        _ => values.for_each(|(sum, &word)| *sum += coefficient * (word as i64)),
                    }
                }
                for (word, &sum) in chunk.iter_mut().zip(&sum) {
                    let quotient = round(sum as f64 * q.inverse) as i64;
                    let rest = sum - quotient * modulus;
                    *word = (if rest < 0 { rest + modulus } else { rest }) as u64;
                }
            },
        );
    }
}
