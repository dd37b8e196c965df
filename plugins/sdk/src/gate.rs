//! A gate lets numbers out where a count is 0, or at least so many: how it is decided on a ciphertext.
//!
//! A released sum S stands modulo an odd t, in the low bits. Times a factor it stands in the high ones: on the torus, as
//! `f S / t` for any integer f. With `a = 1/t mod M` and `f = (a t - 1) / M` that is `a S / M - S / (M t)`: S modulo M, times a unit,
//! and an error that a constant halves. For `M = 2 b^(i+1)` and digits in base b, whose first i have been taken off, there
//! stands `a S' / 2 b`, where S' begins with digit i. A rotation of one sign gives its half turn, and what is left, `w / 2 b`
//! for `w = a S' mod b`, is an argument of tables.
//!
//! The numbers themselves never enter: they leave with a pad each, uniform modulo t, and what passes the gate is the pad.

use crate::parameters::RnsParameters;
use crate::tfhe::Decomposition;

/// Of the switch from the leveled secret to the ring key.
pub const KEY_SWITCH: Decomposition = Decomposition { base_log: 12, levels: 2 };

/// Bits of a pad that pass the gate at a time: `2^-LIMB_BITS` is their unit on the torus.
pub const LIMB_BITS: u32 = 8;

/// The noise that hides what was computed of a limb is uniform in `[-2^-b, 2^-b)` on the torus.
pub const FLOOD_BITS: u32 = LIMB_BITS + 2;

/// Bytes that are kept of each coefficient of what leaves, the highest.
pub const SENT_BYTES: usize = 3;

/// Bases of digits, the widest first.
pub const BASES: std::ops::RangeInclusive<u64> = 4..=16;

/// When numbers are let out, and how that is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gate {
    least: u64,
    most: u64,
    modulus: u64,
    base: u64,
}

/// How a sum is put on the torus for one of its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conversion {
    /// f: the sum stands at `factor * sum / t`.
    pub factor: u64,
    /// M.
    pub scale: u64,
    /// a, which is 1/t modulo M.
    pub unit: u64,
}

impl Gate {
    /// Open where a count is 0 or at least `least`; it is at most `most` and known modulo `modulus`; its digits are of
    /// a base. `None` where that cannot be decided so.
    #[must_use]
    pub fn new(least: u64, most: u64, modulus: u64, base: u64) -> Option<Self> {
        let gate = Self { least, most, modulus, base };
        let fits =
            BASES.contains(&base) && (2..=base).contains(&least) && most < modulus && modulus < 1 << 31;
        let units = gcd(modulus, 2 * base) == 1;
        (fits && units).then_some(gate)
    }

    /// The smallest count but 0 that is let out.
    #[must_use]
    pub fn least(&self) -> u64 {
        self.least
    }

    /// The largest count.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// t.
    #[must_use]
    pub fn modulus(&self) -> u64 {
        self.modulus
    }

    /// b.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Digits of a count.
    #[must_use]
    pub fn digits(&self) -> u32 {
        self.most.max(1).ilog(self.base) + 1
    }

    /// How a count is put on the torus for a digit.
    #[must_use]
    pub fn conversion(&self, digit: u32) -> Conversion {
        // At most 2 b t, so far below 2^64: there is no digit beyond the largest count, which is below t.
        let scale = 2 * self.base.saturating_pow(digit + 1);
        let unit = inverse(self.modulus % scale, scale);
        let product = u128::from(unit) * u128::from(self.modulus);
        let factor = u64::try_from((product - product.min(1)) / u128::from(scale)).unwrap_or(0);
        Conversion { factor, scale, unit }
    }

    /// By how much a conversion is off at most once its error is halved: `most / (2 M t)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "both are below 2^53")]
    pub fn off(&self, conversion: Conversion) -> f64 {
        self.most as f64 / (2.0 * conversion.scale as f64 * self.modulus as f64)
    }

    /// The digit for which there stands `w / 2 b`: `t w mod b`, since the unit is `1/t`.
    #[must_use]
    pub fn digit(&self, w: u64) -> u64 {
        self.modulus % self.base * (w % self.base) % self.base
    }

    /// What a digit stands for in the conversion of a later one, in 64 bits: `a d b^i / M`.
    #[must_use]
    pub fn taken_off(&self, (at, digit): (u32, u64), later: Conversion) -> u64 {
        let part = u128::from(digit) * u128::from(self.base.saturating_pow(at)) % u128::from(later.scale);
        let turns = u128::from(later.unit) * part % u128::from(later.scale);
        u64::try_from((turns << 64) / u128::from(later.scale)).unwrap_or(0)
    }

    /// Whether a digit alone opens the gate: the first one as the whole count, any other by not being 0.
    #[must_use]
    pub fn opens(&self, at: u32, digit: u64) -> bool {
        if at == 0 { digit == 0 || digit >= self.least } else { digit != 0 }
    }

    /// Whether a count opens it.
    #[must_use]
    pub fn is_open(&self, count: u64) -> bool {
        count == 0 || count >= self.least
    }

    /// Limbs of a pad, of [`LIMB_BITS`] each.
    #[must_use]
    pub fn limbs(&self) -> u32 {
        (u64::BITS - (self.modulus - 1).leading_zeros()).div_ceil(LIMB_BITS)
    }
}

/// By what a sum is multiplied so that it stands at `factor * sum / t` when it is taken times 1/t: the centred residue
/// of `-factor N Q` modulo t. A released sum is N times what a ciphertext holds, and times 1/t modulo Q that stands at `-1/(Q t)` of
/// the modulus.
///
/// Source: Boura, Gama, Georgieva, Jetchev, "CHIMERA" (ePrint 2018/758), of messages modulo p on the torus;
/// here they are in the low bits, so that the inverse of Q comes in.
#[must_use]
pub fn multiplier(rns: &RnsParameters, level: usize, factor: u64) -> i64 {
    let t = u128::from(rns.plaintext_modulus.max(1));
    let q =
        rns.moduli.iter().take(level + 1).fold(1, |product, &prime| product * (u128::from(prime) % t) % t);
    let wanted = u128::from(factor) % t * u128::from(rns.ring_degree) % t * q % t;
    let centred = if wanted > t / 2 { t - wanted } else { wanted };
    let magnitude = i64::try_from(centred).unwrap_or(0);
    // The negative of what is wanted.
    if wanted > t / 2 { magnitude } else { -magnitude }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The inverse of a unit.
fn inverse(value: u64, modulus: u64) -> u64 {
    let (mut old, mut rest) = (i128::from(value), i128::from(modulus));
    let (mut factor, mut next) = (1_i128, 0_i128);
    while rest != 0 {
        let quotient = old / rest;
        (old, rest) = (rest, old - quotient * rest);
        (factor, next) = (next, factor - quotient * next);
    }
    u64::try_from(factor.rem_euclid(i128::from(modulus.max(1)))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    /// What stands on the torus, in turns, when `digits` are taken off.
    fn stands(gate: &Gate, at: u32, count: u64, digits: &[u64]) -> f64 {
        let conversion = gate.conversion(at);
        let value = u128::from(conversion.factor) * u128::from(count) % u128::from(gate.modulus());
        let turns = value as f64 / gate.modulus() as f64 + gate.off(conversion);
        let taken: f64 = (0_u32..)
            .zip(digits)
            .map(|(at, &digit)| gate.taken_off((at, digit), conversion) as f64 / 2f64.powi(64))
            .sum();
        (turns - taken).rem_euclid(1.0)
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
    fn digits_are_found_and_decide() {
        for (most, modulus, base) in
            [(25_000, 65_537, 7), (25_000, 33_832_961, 15), (400, 12_289, 16), (10, 12_289, 11), (0, 97, 5)]
        {
            let gate = Gate::new(base.min(11), most, modulus, base).unwrap();
            for count in (0..=most).step_by(if most > 1000 { 37 } else { 1 }) {
                let mut digits = Vec::new();
                let mut opened = false;
                for at in 0..gate.digits() {
                    let turns = stands(&gate, at, count, &digits) * 2.0 * base as f64;
                    let (u, off) = (turns.round(), turns - turns.round());
                    assert!(off.abs() <= gate.off(gate.conversion(at)) * 2.0 * base as f64 + 1e-6, "{off}");
                    let digit = gate.digit(u as u64 % base);
                    assert_eq!(digit, count / base.pow(at) % base);
                    opened |= gate.opens(at, digit);
                    digits.push(digit);
                }
                assert_eq!(opened, gate.is_open(count), "{count}");
            }
        }
    }

    #[test]
    fn what_cannot_be_decided_is_no_gate() {
        assert_eq!(Gate::new(17, 100, 65_537, 15), None);
        assert_eq!(Gate::new(11, 70_000, 65_537, 15), None);
        assert_eq!(Gate::new(11, 100, 15 * 7 * 11, 15), None);
    }
}
