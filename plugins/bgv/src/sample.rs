//! Random polynomials: uniform from a public seed, ternary and Gaussian from a secret generator.

use rand::rngs::{ChaCha20Rng, SysRng};
use rand::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::modular::{Modulus, count_bounds, give_signs, reduce_words};

/// Standard deviation of errors, as in the security guidelines behind the parameter table.
pub const ERROR_STDDEV: f64 = 3.19;
/// Errors are at most this large: beyond, the probability is below 2^-63.
const ERROR_MAX: usize = 30;

/// Gaussian coefficients that are drawn at once.
const GAUSSIAN_CHUNK: usize = 256;

/// A generator of secrets: ChaCha20, seeded by the operating system.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn secret_rng() -> Result<ChaCha20Rng, Error> {
    ChaCha20Rng::try_from_rng(&mut SysRng).map_err(|_| Error::Randomness)
}

/// What a public seed is expanded for; part of the hash input, so that no two uses share a stream.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// Second part of an input ciphertext.
    Ciphertext,
    /// Second part of the public key.
    PublicKey,
    /// Second part of the relinearization key of a power of the secret and a digit.
    Relinearization {
        /// The power, 2 at least.
        power: u8,
        /// The digit.
        digit: u16,
    },
}

/// Words that are drawn at once: a few blocks of BLAKE3 for each lane of AVX-512, and a part of the first cache.
const DRAWN: usize = 512;

/// A stream of uniform residues: BLAKE3 keyed with the seed over use and prime as extendable output, in 64-bit
/// words, each taken mod q where it is below the largest multiple of q, else skipped. In the transformed
/// domain as well as in coefficients, uniform is uniform.
///
/// BLAKE3 separates uses by itself, and of the generators that were measured it is the fastest with AVX-512:
/// 1.4 ns a word, beside 1.7 of AES-128 in counter mode (AES-NI) and 1.9 of ChaCha8 (AVX2). Without AVX-512 its
/// output is drawn block by block, at several times that.
#[derive(Clone, Debug)]
pub struct Expansion {
    q: Modulus,
    /// The largest multiple of q that fits a word, less one.
    last: u64,
    stream: blake3::OutputReader,
    words: Box<[[u8; 8]; DRAWN]>,
    /// Words that were used.
    used: usize,
}

impl Expansion {
    /// The beginning of a stream for a prime of at least 17 bits.
    #[must_use]
    pub fn new(seed: &[u8; 32], purpose: Use, q: Modulus) -> Self {
        let (label, digit) = match purpose {
            Use::Ciphertext => (1u8, 0),
            Use::PublicKey => (2, 0),
            // Powers begin at 2, so labels are distinct.
            Use::Relinearization { power, digit } => (power.saturating_add(1), digit),
        };
        let mut hasher = blake3::Hasher::new_keyed(seed);
        hasher.update(&[label]).update(&digit.to_le_bytes()).update(&q.value().to_le_bytes());
        // 2^64 mod q words at the end are too many; q is odd, so there is at least one.
        let last = u64::MAX - (u64::MAX % q.value() + 1) % q.value();
        Self { q, last, stream: hasher.finalize_xof(), words: Box::new([[0; 8]; DRAWN]), used: DRAWN }
    }

    /// The next residues, as many as `out` holds: however the calls divide a limb, it is the same limb.
    pub fn fill(&mut self, out: &mut [u64]) {
        let mut rest = out;
        while !rest.is_empty() {
            if self.used == DRAWN {
                self.stream.fill(self.words.as_flattened_mut());
                self.used = 0;
            }
            let count = rest.len().min(DRAWN - self.used);
            let raw = &self.words[self.used..self.used + count];
            let mut kept = count;
            if reduce_words(self.q, raw, &mut rest[..count]) > self.last {
                kept = 0;
                for (index, raw) in raw.iter().enumerate() {
                    rest[kept] = rest[index];
                    kept += usize::from(u64::from_le_bytes(*raw) <= self.last);
                }
            }
            self.used += count;
            rest = &mut rest[kept..];
        }
    }
}

/// Fills a limb with the residues of an [`Expansion`].
pub fn expand(seed: &[u8; 32], purpose: Use, q: Modulus, out: &mut [u64]) {
    Expansion::new(seed, purpose, q).fill(out);
}

/// N coefficients uniform in {-1, 0, 1}: a byte below 3^5 gives five independent digits in base 3, others are
/// rejected.
pub fn ternary(rng: &mut ChaCha20Rng, degree: usize) -> Zeroizing<Vec<i8>> {
    let count = degree.div_ceil(5);
    let mut bytes = Zeroizing::new([0u8; 256]);
    let mut accepted = Zeroizing::new(Vec::with_capacity(count + bytes.len()));
    while accepted.len() < count {
        rng.fill_bytes(bytes.as_mut_slice());
        accepted.extend(bytes.iter().copied().filter(|&byte| byte < 243));
    }
    let mut out = Zeroizing::new(vec![0i8; degree]);
    // Coefficients are independent: one digit of all bytes, then the next.
    for digits in out.chunks_mut(count) {
        for (digit, byte) in digits.iter_mut().zip(accepted.iter_mut()) {
            *digit = (*byte % 3).cast_signed() - 1;
            *byte /= 3;
        }
    }
    out
}

/// N coefficients of the discrete Gaussian of standard deviation [`ERROR_STDDEV`]: 63 random bits are
/// compared with every entry of the cumulative table of |x| (no branch or address depends on them), the
/// last bit is the sign. Source: Peikert, "An efficient and parallel Gaussian sampler for lattices",
/// 2010, section 4.1. The table is rounded to doubles: statistical distance below 2^-52 per coefficient.
pub fn gaussian(rng: &mut ChaCha20Rng, degree: usize) -> Zeroizing<Vec<i8>> {
    // Comparing 63 bits with a bound is comparing all 64 with its double.
    let bounds = cumulative().map(|bound| bound.saturating_mul(2));
    let mut out = Zeroizing::new(vec![0i8; degree]);
    let mut bytes = Zeroizing::new([0u8; 8 * GAUSSIAN_CHUNK]);
    let mut words = Zeroizing::new([0u64; GAUSSIAN_CHUNK]);
    let mut magnitudes = Zeroizing::new([0u64; GAUSSIAN_CHUNK]);
    for out in out.chunks_mut(GAUSSIAN_CHUNK) {
        rng.fill_bytes(bytes.as_mut_slice());
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        count_bounds(words.as_slice(), &bounds, magnitudes.as_mut_slice());
        give_signs(words.as_slice(), magnitudes.as_slice(), out);
    }
    out
}

/// `table[k] = 2^63 P(|x| <= k)`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "probabilities in [0, 1] scaled to words; magnitudes are at most 30"
)]
fn cumulative() -> [u64; ERROR_MAX] {
    let weight = |k: usize| (-((k * k) as f64) / (2.0 * ERROR_STDDEV * ERROR_STDDEV)).exp();
    let total = 1.0 + 2.0 * (1..=ERROR_MAX).map(weight).sum::<f64>();
    let mut sum = 0.0;
    std::array::from_fn(|k| {
        sum += if k == 0 { 1.0 } else { 2.0 * weight(k) };
        (sum / total * 2f64.powi(63)) as u64
    })
}

/// Flooding noise has at most this many bits, so that t times it fits 128.
pub const MAX_FLOOD_BITS: u32 = 100;

/// An integer uniform in [-2^bits, 2^bits], for bits up to [`MAX_FLOOD_BITS`], by rejection.
pub fn flooding(rng: &mut ChaCha20Rng, bits: u32) -> i128 {
    let bits = bits.min(MAX_FLOOD_BITS);
    let half = 1u128 << bits;
    loop {
        let word = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) >> (128 - bits - 2);
        if word <= 2 * half {
            // Both are below 2^102.
            return i128::try_from(word).unwrap_or(0) - i128::try_from(half).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([3; 32])
    }

    #[test]
    fn expansion_is_uniform_and_separate() {
        for value in [65537u64, 1_125_899_904_679_937, 562_949_954_093_057] {
            let q = Modulus::new(value);
            let mut a = vec![0; 1 << 16];
            expand(&[1; 32], Use::Ciphertext, q, &mut a);
            assert!(a.iter().all(|&x| x < value));
            let mean = a.iter().map(|&x| x as f64).sum::<f64>() / a.len() as f64 / value as f64;
            assert!((mean - 0.5).abs() < 0.01, "{mean}");
            let mut b = vec![0; 1 << 16];
            expand(&[1; 32], Use::Relinearization { power: 2, digit: 0 }, q, &mut b);
            assert!(a.iter().zip(&b).filter(|(x, y)| x == y).count() < 30);
            expand(&[1; 32], Use::Relinearization { power: 3, digit: 0 }, q, &mut a);
            assert!(a.iter().zip(&b).filter(|(x, y)| x == y).count() < 30);
            let mut expansion = Expansion::new(&[1; 32], Use::Relinearization { power: 3, digit: 0 }, q);
            let mut pieces = vec![0; 1 << 16];
            let mut rest = pieces.as_mut_slice();
            for size in [64, 8, 1, 512, 4096, 1 << 16] {
                let (head, tail) = rest.split_at_mut(size.min(rest.len()));
                expansion.fill(head);
                rest = tail;
            }
            assert_eq!(pieces, a);
        }
    }

    #[test]
    fn words_are_skipped_that_would_favour_small_residues() {
        let q = Modulus::new(1_125_899_904_679_937);
        let mut expander = Expansion::new(&[1; 32], Use::Ciphertext, q);
        assert_eq!(
            u128::from(expander.last) + 1,
            (1u128 << 64) / u128::from(q.value()) * u128::from(q.value())
        );
        // The words of the first draw, some replaced by ones on either side of the limit.
        let mut out = [0; DRAWN];
        expander.fill(&mut out);
        let last = expander.last;
        for (index, word) in [(0, last + 1), (5, last), (17, u64::MAX), (511, last + 1)] {
            expander.words[index] = word.to_le_bytes();
        }
        let wanted: Vec<u64> = expander.words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let wanted = wanted.into_iter().filter(|&word| word <= last).map(|word| word % q.value());
        expander.used = 0;
        let mut found = [0; DRAWN - 3];
        expander.fill(&mut found);
        assert_eq!(found.to_vec(), wanted.collect::<Vec<_>>());
    }

    #[test]
    fn distributions_have_their_moments() {
        let n = 1 << 18;
        let moments = |values: &[i8]| {
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
            (mean, values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n as f64)
        };
        let (mean, square) = moments(&ternary(&mut rng(), n));
        assert!(mean.abs() < 0.01 && (square - 2.0 / 3.0).abs() < 0.01);
        let (mean, square) = moments(&gaussian(&mut rng(), n));
        assert!(mean.abs() < 0.05 && (square - ERROR_STDDEV * ERROR_STDDEV).abs() < 0.2, "{mean} {square}");
        // The probability of each magnitude, within five standard deviations of its frequency.
        let errors = gaussian(&mut rng(), n);
        let table = cumulative();
        for k in 0..12u8 {
            let below = if k == 0 { 0 } else { table[usize::from(k) - 1] };
            let probability = (table[usize::from(k)] - below) as f64 / 2f64.powi(63);
            let count = errors.iter().filter(|x| x.unsigned_abs() == k).count() as f64;
            let (mean, variance) = (n as f64 * probability, n as f64 * probability * (1.0 - probability));
            assert!((count - mean).abs() < 5.0 * variance.sqrt() + 1.0, "{k}: {count}, {mean} expected");
        }
        let mut generator = rng();
        for _ in 0..1000 {
            assert!(flooding(&mut generator, 40).abs() <= 1 << 40);
        }
    }
}
