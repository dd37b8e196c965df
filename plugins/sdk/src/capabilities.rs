//! A backend described as data: all that the planner knows of it.

use serde::{Deserialize, Serialize};

pub use crate::tfhe::Bootstrapped;

/// What a backend can do and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Short name, as in `--backend NAME`.
    pub name: String,
    /// Version of the plugin; a plan is pinned to it.
    pub version: String,
    /// How rows reach it.
    pub inputs: InputForm,
    /// Operations of the plan language that it runs.
    pub ops: Vec<OpKind>,
    /// Noise, levels and parameter sets; `None` for a backend without noise.
    pub leveled: Option<Leveled>,
    /// Parameter sets and costs of a scheme that computes by bootstraps; `None` for any other.
    #[serde(default)]
    pub bootstrapped: Option<Bootstrapped>,
    /// What decides on its counts, where another backend does; a host puts it here.
    #[serde(skip)]
    pub gates: Option<Bootstrapped>,
    /// Whether what it computes on is encrypted.
    pub encrypted: bool,
}

/// How a table's columns are handed to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputForm {
    /// A column is one number per row (its code) and, if it may be missing, one flag.
    Columns,
    /// A column is its encoded parts (bits, one-hot levels), all zero where the value or the row is absent.
    Parts,
}

/// Operations of the plan language, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpKind {
    /// An input column or part.
    Input,
    /// Membership of a value in a set of constants.
    Member,
    /// `a < b` of two encrypted values.
    Less,
    /// `a == b` of two encrypted values.
    Equal,
    /// A constant plus integer multiples of values.
    Linear,
    /// Product of two values.
    Mul,
    /// Back to two ciphertext parts after a product.
    Relinearize,
    /// Down one level, dividing the noise.
    ModSwitch,
    /// Down to a level by truncation: the noise stays.
    Drop,
    /// The entry of a small value in a table.
    Lookup,
}

/// A leveled RNS scheme: its parameter sets, noise model and costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leveled {
    /// Name of a noise model that the engine knows.
    pub noise_model: String,
    /// Largest `log2(QP)` per ring degree and security level, with the source of the table.
    pub security: Vec<SecurityLimit>,
    /// Where the security table comes from.
    pub security_source: String,
    /// Bits of the widest prime that it computes with.
    pub max_modulus_bits: u32,
    /// Bits of the largest plaintext modulus.
    pub max_plaintext_bits: u32,
    /// Standard deviation of fresh errors.
    pub error_stddev: f64,
    /// Largest power of the secret that relinearization keys can be had for, 2 at least.
    pub max_relinearization_degree: u32,
    /// Certified bound of a fresh value's canonical norm, in units of t sqrt(N (1/12 + stddev^2)); encryption
    /// enforces it.
    pub fresh_norm_factor: f64,
    /// Certified bound of the secret's canonical norm, in units of sqrt(2N/3); key generation enforces it.
    pub secret_norm_factor: f64,
    /// CPU costs, by ring degree.
    pub costs: Vec<KernelCosts>,
}

/// One row of a security table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityLimit {
    /// N.
    pub ring_degree: u32,
    /// Classical security in bits.
    pub security_bits: u32,
    /// Largest log2 of Q times P.
    pub max_log2_qp: u32,
}

/// CPU nanoseconds per slot of the kernels that operations consist of, each over one limb (N residues modulo
/// one prime). The planner counts the kernels of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCosts {
    /// N at which this was measured; the planner takes the nearest.
    pub ring_degree: u32,
    /// Reading a ciphertext's two parts from a file's bytes.
    pub load: f64,
    /// A forward or inverse transform.
    pub transform: f64,
    /// A product of a digit with a key, added to a sum.
    pub key_product: f64,
    /// One source limb of a base conversion to one target.
    pub conversion: f64,
    /// A product of two parts, added to a sum: a ciphertext product of a by b parts is a b of them.
    pub product: f64,
    /// One term of a linear combination of one part.
    pub linear_term: f64,
    /// Flooding and writing a released sample.
    pub release: f64,
    /// Reading and expanding a limb of the evaluation keys, once in a session.
    pub setup: f64,
}

impl KernelCosts {
    /// Of kernels that cost nothing.
    #[must_use]
    pub fn nothing(ring_degree: u32) -> Self {
        Self {
            ring_degree,
            load: 0.0,
            transform: 0.0,
            key_product: 0.0,
            conversion: 0.0,
            product: 0.0,
            linear_term: 0.0,
            release: 0.0,
            setup: 0.0,
        }
    }

    /// Every cost.
    #[must_use]
    pub fn all(self) -> [f64; 8] {
        let Self {
            ring_degree: _,
            load,
            transform,
            key_product,
            conversion,
            product,
            linear_term,
            release,
            setup,
        } = self;
        [load, transform, key_product, conversion, product, linear_term, release, setup]
    }
}
