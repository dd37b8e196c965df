//! A scheme that computes by bootstraps, as data: what fixes its keys and ciphertexts, and what it costs.
//!
//! A value v of a row is a *digit*: an LWE ciphertext of `v / (2 E)` on the torus, where E is the number of boxes.
//! Sums of multiples of digits are digits. A *rotation* switches a digit to the small key and rotates tables by it;
//! tables of one digit share it. What it gives is a digit again, or a *share*: a ciphertext of `v / 2^w`, which is only
//! added up over the rows. So a sum is known modulo `2^w`, and nothing is bootstrapped for adding up.

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
    /// Classical security in bits.
    pub security_bits: u32,
}

impl TfheParameters {
    /// `2^w`.
    #[must_use]
    pub fn sum_modulus(&self) -> u64 {
        1 << self.sum_bits.min(62)
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
    /// Releasing a sum.
    pub release: f64,
    /// Expanding the evaluation keys, once in a session.
    pub setup: f64,
}

impl BootstrapCosts {
    /// Every cost.
    #[must_use]
    pub fn all(self) -> [f64; 7] {
        let Self { load, linear_term, key_switch, rotation, rotation_level, release, setup } = self;
        [load, linear_term, key_switch, rotation, rotation_level, release, setup]
    }

    /// A bootstrap with so many levels, key switch included.
    #[must_use]
    pub fn bootstrap(self, levels: u32) -> f64 {
        self.key_switch + self.rotation + self.rotation_level * f64::from(levels)
    }
}
