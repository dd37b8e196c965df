//! A scheme that computes by bootstraps, as data: what fixes its keys and ciphertexts, and what it costs.
//!
//! A value v of a row is a *digit*: an LWE ciphertext of `v / (2 E)` on the torus, where E is the number of boxes.
//! Sums of multiples of digits are digits. A *rotation* switches a digit to the small key and rotates tables by it;
//! tables of one digit share it. What it gives is a digit again, or a *share*: a ciphertext of `v / 2^w`, which is only
//! added up over the rows. So a sum is known modulo `2^w`, and nothing is bootstrapped for adding up.
//!
//! A sum is released in *pieces* of a few bits, from the lowest up: each is rotated once more, modulo 2^128, which leaves it
//! hardly any noise, and is taken off what remains. The pieces add up to a ciphertext of the sum that has room for noise of
//! its own.

use serde::{Deserialize, Serialize};

/// How ciphertexts are decomposed for a product with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decomposition {
    /// Bits of a level.
    pub base_log: u32,
    /// Levels.
    pub levels: u32,
}

/// How released sums are squashed, modulo 2^128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Squash {
    /// Polynomials of the key that results are opened with.
    pub glwe_dimension: u32,
    /// Degree of its polynomials.
    pub polynomial_size: u32,
    /// Fresh errors under it are uniform in `[-2^b, 2^b]` (half as likely at both ends), of 128 bits.
    pub glwe_noise_bits: u32,
    /// Of its rotations.
    pub bootstrap: Decomposition,
}

/// Bits of a sum that are released together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Position of the lowest.
    pub shift: u32,
    /// How many are looked up, below the one that is the sign: the sign is released with the last piece, and only taken off
    /// before.
    pub bits: u32,
    /// Whether nothing is above it.
    pub last: bool,
}

/// Bits of a piece, so that its boxes are wide enough for the noise of a sum beside that of a rotation.
const PIECE_BITS: u32 = 3;

/// What fixes keys and ciphertexts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TfheParameters {
    /// Dimension of the small key, to which a digit is switched before a rotation.
    pub lwe_dimension: u32,
    /// Fresh errors under the small key are uniform in `[-2^b, 2^b]` (half as likely at both ends), of 64 bits.
    pub lwe_noise_bits: u32,
    /// Polynomials of the ring key.
    pub glwe_dimension: u32,
    /// N, the degree of its polynomials.
    pub polynomial_size: u32,
    /// As `lwe_noise_bits`, under the ring key.
    pub glwe_noise_bits: u32,
    /// Of the key switch.
    pub key_switch: Decomposition,
    /// Of rotations that give digits.
    pub bootstrap: Decomposition,
    /// Of rotations that give shares.
    pub sum_bootstrap: Decomposition,
    /// E: tables have at most E + 1 entries. The last shares its box with the first.
    pub boxes: u32,
    /// w: sums are known modulo `2^w`.
    pub sum_bits: u32,
    /// Rows of a block.
    pub rows_per_block: u32,
    /// Of released sums.
    pub squash: Squash,
    /// Classical security in bits.
    pub security_bits: u32,
}

impl TfheParameters {
    /// `2^w`.
    #[must_use]
    pub fn sum_modulus(&self) -> u64 {
        1 << self.sum_bits.min(62)
    }

    /// The pieces of a sum, the lowest first.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut shift = 0;
        while self.sum_bits.saturating_sub(shift) > PIECE_BITS + 1 {
            pieces.push(Piece { shift, bits: PIECE_BITS, last: false });
            shift += PIECE_BITS;
        }
        pieces.push(Piece { shift, bits: self.sum_bits.saturating_sub(shift + 1), last: true });
        pieces
    }

    /// Noise that is added to a released sum is uniform in `[-2^b, 2^b)`, of 128 bits: a quarter of the distance of two sums.
    #[must_use]
    pub fn flood_bits(&self) -> u32 {
        126_u32.saturating_sub(self.sum_bits)
    }

    /// Most entries of a table, of all tables together that share a rotation.
    #[must_use]
    pub fn entries(&self) -> u64 {
        u64::from(self.boxes) + 1
    }

    /// Tables of so many entries that share a rotation; 0 where one is too large.
    #[must_use]
    pub fn tables_per_rotation(&self, entries: u64) -> u64 {
        self.entries() / entries.max(1)
    }
}

/// A scheme that computes by bootstraps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrapped {
    /// Name of a noise model that the engine knows.
    pub noise_model: String,
    /// Its parameter sets, with the most bits of sums that ciphertexts hold; the planner takes as many as it certifies.
    pub parameters: Vec<TfheParameters>,
    /// CPU costs.
    pub costs: BootstrapCosts,
}

/// CPU nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapCosts {
    /// Reading a digit of a row.
    pub load: f64,
    /// A term of a linear combination.
    pub linear_term: f64,
    /// A key switch.
    pub key_switch: f64,
    /// A rotation: what does not depend on its levels.
    pub rotation: f64,
    /// A rotation: each level of its decomposition.
    pub rotation_level: f64,
    /// A rotation modulo 2^128.
    pub squash: f64,
    /// Releasing a sum, without rotations.
    pub release: f64,
    /// Expanding the evaluation keys, once in a session.
    pub setup: f64,
}

impl BootstrapCosts {
    /// Every cost.
    #[must_use]
    pub fn all(self) -> [f64; 8] {
        let Self { load, linear_term, key_switch, rotation, rotation_level, squash, release, setup } = self;
        [load, linear_term, key_switch, rotation, rotation_level, squash, release, setup]
    }

    /// Releasing a sum, rotations included.
    #[must_use]
    pub fn released(self, parameters: &TfheParameters) -> f64 {
        let of_piece = |piece: Piece| {
            let sign = self.bootstrap(parameters.bootstrap.levels);
            // The part that goes on is looked up once more, and taken off what is above.
            let looked_up = f64::from(piece.bits.min(1)) * (self.key_switch + self.squash);
            let rest = if piece.last { self.squash } else { self.bootstrap(parameters.sum_bootstrap.levels) };
            sign + looked_up + rest
        };
        self.release + parameters.pieces().into_iter().map(of_piece).sum::<f64>()
    }

    /// A bootstrap with so many levels, key switch included.
    #[must_use]
    pub fn bootstrap(self, levels: u32) -> f64 {
        self.key_switch + self.rotation + self.rotation_level * f64::from(levels)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Small parameters.
    pub(crate) fn parameters() -> TfheParameters {
        let decomposition = Decomposition { base_log: 8, levels: 2 };
        TfheParameters {
            lwe_dimension: 24,
            lwe_noise_bits: 30,
            glwe_dimension: 1,
            polynomial_size: 512,
            glwe_noise_bits: 4,
            key_switch: decomposition,
            bootstrap: decomposition,
            sum_bootstrap: decomposition,
            boxes: 15,
            sum_bits: 16,
            rows_per_block: 4,
            squash: Squash {
                glwe_dimension: 1,
                polynomial_size: 512,
                glwe_noise_bits: 20,
                bootstrap: decomposition,
            },
            security_bits: 0,
        }
    }

    #[test]
    fn pieces_hold_every_bit_once() {
        for sum_bits in 1..=24 {
            let mut next = 0;
            for piece in (TfheParameters { sum_bits, ..parameters() }).pieces() {
                assert_eq!(piece.shift, next);
                assert!(piece.bits <= PIECE_BITS && piece.last == (piece.shift + piece.bits + 1 == sum_bits));
                next += piece.bits;
            }
            // The sign of the last is the highest.
            assert_eq!(next + 1, sum_bits);
        }
    }
}
