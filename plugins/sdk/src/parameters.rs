//! The parameters a plan fixes for its backend, as data that anyone may print; a backend validates them
//! before use.

use serde::{Deserialize, Serialize};

use crate::tfhe::TfheParameters;

/// Parameters of one backend family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Parameters {
    /// Exact 64-bit integers in the clear; a block is a batch of rows.
    Clear {
        /// Rows per block.
        rows_per_block: u32,
    },
    /// Leveled RNS ring learning with errors: a residue number system of word-sized primes.
    Rns(RnsParameters),
    /// Bootstrapped ciphertexts of small values.
    Tfhe(TfheParameters),
}

impl Parameters {
    /// Rows in one block.
    #[must_use]
    pub fn rows_per_block(&self) -> u32 {
        match self {
            Self::Clear { rows_per_block } => *rows_per_block,
            Self::Rns(rns) => rns.ring_degree,
            Self::Tfhe(tfhe) => tfhe.rows_per_block,
        }
    }
}

/// Parameters of an RNS scheme over `Z[X]/(X^N + 1)`; a slot is a row, a block has N rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RnsParameters {
    /// N, a power of two.
    pub ring_degree: u32,
    /// t, a prime with `t = 1 mod 2N`, so that there are N slots.
    pub plaintext_modulus: u64,
    /// The chain of ciphertext primes; level l uses the first l + 1 of them, each `1 mod 2N` and, but for
    /// the first, `1 mod t`, so that modulus switching keeps the plaintext (no correction factor).
    pub moduli: Vec<u64>,
    /// Special primes of hybrid key switching; their product is P.
    pub special_moduli: Vec<u64>,
    /// Ciphertext primes per key-switching digit.
    pub digit_limbs: u32,
    /// By power of the secret from the second, never rising: under how many primes of the chain at most a part
    /// that goes with it can be relinearized. Ciphertexts have at most two parts more than there are entries.
    pub relinearization_limbs: Vec<u32>,
    /// Classical security in bits that `log2(QP)` is checked against; 0 only in tests.
    pub security_bits: u32,
}

impl RnsParameters {
    /// log2 of the ciphertext modulus at `level` (its first `level + 1` primes).
    #[must_use]
    pub fn log2_q(&self, level: usize) -> f64 {
        log2_product(self.moduli.iter().take(level + 1))
    }

    /// log2 of P.
    #[must_use]
    pub fn log2_p(&self) -> f64 {
        log2_product(&self.special_moduli)
    }

    /// Parts of a ciphertext at most.
    #[must_use]
    pub fn most_parts(&self) -> usize {
        self.relinearization_limbs.len() + 2
    }

    /// Primes under which a ciphertext of so many parts can be relinearized at most.
    #[must_use]
    pub fn relinearizes(&self, parts: u8) -> usize {
        let highest =
            usize::from(parts).checked_sub(3).and_then(|index| self.relinearization_limbs.get(index));
        highest.map_or(0, |&limbs| usize::try_from(limbs).unwrap_or(usize::MAX))
    }
}

fn log2_product<'a>(primes: impl IntoIterator<Item = &'a u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a logarithm needs no more than a double holds")]
    primes.into_iter().map(|&prime| (prime as f64).log2()).sum()
}

/// What the planner asks a backend for; the backend answers with [`RnsParameters`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RnsRequest {
    /// N.
    pub ring_degree: u32,
    /// The smallest plaintext modulus that will do; the backend takes the next suitable prime.
    pub min_plaintext_modulus: u64,
    /// Bits of each prime of the chain at least, from the first (level 0) up.
    pub modulus_bits: Vec<u32>,
    /// Bits of each special prime at least.
    pub special_bits: Vec<u32>,
    /// Ciphertext primes per key-switching digit.
    pub digit_limbs: u32,
    /// As in [`RnsParameters`].
    pub relinearization_limbs: Vec<u32>,
    /// 128, 192 or 256; 0 only in tests.
    pub security_bits: u32,
}
