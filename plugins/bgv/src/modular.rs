//! Arithmetic modulo primes below 2^50 on whole limbs, in one pass each.
//!
//! A residue fits the 53 bits of a double, so products are reduced with fused multiply-adds: the
//! rounded product `h`, its exact error `l = fma(a, b, -h)`, the rounded quotient `k`, and the
//! remainder `fma(-k, q, h) + l`, exact because it is an integer below 2^52 (T. J. Dekker 1971; van der
//! Hoeven, Lecerf, Quintin, "Modular SIMD arithmetic in Mathemagix", 2016, section 3.2). Loops are
//! compiled once per instruction set and chosen at run time.

/// 2^52: adding it moves an integer into the low bits of a double.
const SHIFT: f64 = 4_503_599_627_370_496.0;
/// 1.5 * 2^52: adding and subtracting it rounds to the nearest integer.
const ROUND: f64 = 6_755_399_441_055_744.0;
const MANTISSA: u64 = (1 << 52) - 1;

/// Primes are below 2^MAX_BITS, so that remainders of either sign and small sums of them are exact.
pub const MAX_BITS: u32 = 50;

/// Runs a loop compiled for the best instruction set of this machine.
#[inline(always)]
fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(body)
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

/// Nearest integer of a double below 2^51 in size.
#[inline(always)]
fn round(float: f64) -> f64 {
    (float + ROUND) - ROUND
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

    /// `a * b` up to a multiple of q, in (-q, q), for |a|, |b| < 2^50.
    #[inline(always)]
    fn product(self, a: f64, b: f64) -> f64 {
        let high = a * b;
        let low = a.mul_add(b, -high);
        let quotient = round(high * self.inverse);
        (-quotient).mul_add(self.float, high) + low
    }

    /// `x * factor` up to a multiple of q, in (-q, q), for |x| < 2^50.
    #[inline(always)]
    fn scaled(self, x: f64, factor: Factor) -> f64 {
        let high = x * factor.value;
        let low = x.mul_add(factor.value, -high);
        let quotient = round(x * factor.quotient);
        (-quotient).mul_add(self.float, high) + low
    }

    /// A representative of least size, for |x| < 2^53.
    #[inline(always)]
    fn centred(self, x: f64) -> f64 {
        (-round(x * self.inverse)).mul_add(self.float, x)
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
    match high {
        None => vectorized(
            #[inline(always)]
            || {
                out.iter_mut().zip(low).fold(0, |largest, (slot, low)| {
                    *slot = u64::from_le_bytes(*low) >> shift & mask;
                    largest.max(*slot)
                })
            },
        ),
        Some(high) => vectorized(
            #[inline(always)]
            || {
                out.iter_mut().zip(low).zip(high).fold(0, |largest, ((slot, low), high)| {
                    let high = u64::from_le_bytes(*high) << 1 << (63 - shift);
                    *slot = (u64::from_le_bytes(*low) >> shift | high) & mask;
                    largest.max(*slot)
                })
            },
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that reach the corners: a few near 0 and q, the rest spread by a multiplicative generator.
    fn samples(q: u64, seed: u64, count: usize) -> Vec<u64> {
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

    const PRIMES: [u64; 4] = [65537, 1_099_510_054_913, 1_125_899_904_679_937, 1_125_899_903_827_969];

    #[test]
    fn kernels_agree_with_wide_integers() {
        let n = 3000;
        for value in PRIMES {
            let q = Modulus::new(value);
            let (a0, a1, b0, b1) =
                (samples(value, 1, n), samples(value, 2, n), samples(value, 3, n), samples(value, 4, n));
            let (mut d0, mut d1, mut d2) = (vec![0; n], vec![0; n], vec![0; n]);
            tensor(q, (&a0, &a1), (&b0, &b1), &mut d0, (&mut d1, &mut d2));
            let (mut e1, mut e2) = (a1.clone(), a0.clone());
            let total = tensor_accumulate(q, (&a0, &a1), (&b0, &b1), (&mut e1, &mut e2));
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
                Source {
                    residues: &[y0],
                    reciprocal: sources[0].reciprocal(),
                    factor: target.factor(target.residue(p1)),
                },
                Source {
                    residues: &[y1],
                    reciprocal: sources[1].reciprocal(),
                    factor: target.factor(target.residue(p0)),
                },
            ];
            let mut out = [0];
            convert(target, &list, target.factor(target.residue(whole)), &mut out);
            assert_eq!(out[0], target.residue(x), "{x}");
        }
    }
}
