//! What can go wrong, and whose fault it is.

use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::verify::Invalid;

pub use hq_plugin_sdk::payload::WireError;

/// Failures of the parameters: inconsistent, insecure, or not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// The parameters are of another scheme.
    #[error("the parameters are not those of an RNS scheme")]
    Scheme,
    /// Not a power of two in range.
    #[error("ring degree {0} is not a power of two from 64 to 65536")]
    Degree(u32),
    /// The plaintext modulus does not give N slots.
    #[error("plaintext modulus {0} is not a prime below 2^26 that is 1 mod 2N")]
    Plaintext(u64),
    /// A prime that cannot be used.
    #[error("prime {prime} cannot be used: {reason}")]
    Prime {
        /// The number.
        prime: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Too many or too few primes.
    #[error("{0}")]
    Count(&'static str),
    /// The security level is not in the table.
    #[error("no limit is known for ring degree {degree} at {security_bits}-bit security")]
    NoLimit {
        /// N.
        degree: u32,
        /// Bits asked for.
        security_bits: u32,
    },
    /// The modulus is too large for the ring.
    #[error(
        "insecure: log2(QP) is above {limit}, the limit for ring degree {degree} at {security_bits}-bit security"
    )]
    Insecure {
        /// N.
        degree: u32,
        /// Bits asked for.
        security_bits: u32,
        /// Largest log2(QP).
        limit: u32,
    },
    /// Test parameters in a build or environment that does not allow them.
    #[error("insecure test parameters and seeded keys are refused outside test builds")]
    TestOnly,
    /// No prime satisfies the request.
    #[error("there is no suitable prime of at least {bits} bits below 2^{max_bits}")]
    NoPrime {
        /// Bits asked for.
        bits: u32,
        /// Upper limit.
        max_bits: u32,
    },
}

/// Any failure of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// See [`ParamsError`].
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// A key that does not conform.
    #[error("the key cannot be used: {0}")]
    Key(WireError),
    /// The parameters inside a key do not conform.
    #[error("the key cannot be used: {0}")]
    KeyParams(ParamsError),
    /// A secret key whose coefficients break the bound that certificates rest on.
    #[error("the secret key is not one that key generation makes")]
    KeyNorm,
    /// An input block that does not conform.
    #[error("input {index} ({name}) cannot be used: {cause}")]
    Input {
        /// Position among the plan's inputs.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        cause: WireError,
    },
    /// A result that does not conform.
    #[error("the encrypted sums cannot be opened: {0}")]
    Sums(WireError),
    /// A result for another key.
    #[error("the encrypted sums cannot be opened: they belong to key {found}, not to {wanted}")]
    SumsKey {
        /// Key it names.
        found: KeyId,
        /// Key in use.
        wanted: KeyId,
    },
    /// Wrong number of inputs.
    #[error("the plan has {wanted} inputs, the block {found}")]
    InputCount {
        /// Blocks given.
        found: usize,
        /// Inputs declared.
        wanted: usize,
    },
    /// More blocks than the plan's rows fill: its sums would not be proved exact.
    #[error("the plan is for at most {allowed} blocks")]
    TooManyBlocks {
        /// Blocks that the plan's rows fill.
        allowed: u64,
    },
    /// More values than slots.
    #[error("{found} values do not fit a block of {slots} rows")]
    TooManyValues {
        /// Values given.
        found: usize,
        /// N.
        slots: usize,
    },
    /// A value outside (-t/2, t/2).
    #[error("value {value} of row {row} does not fit the plaintext modulus {modulus}")]
    ValueTooLarge {
        /// Row within the block.
        row: usize,
        /// The value.
        value: i64,
        /// t.
        modulus: u64,
    },
    /// Rows so regular that the norm that certificates rest on was not met.
    #[error(
        "the values of this block, in this order, are too regular for the noise bound of fresh ciphertexts: shuffle the rows"
    )]
    FreshNorm,
    /// A saved state that does not conform.
    #[error("the saved state cannot be used: {0}")]
    State(WireError),
    /// A saved state of another plan.
    #[error("the saved state is that of another plan")]
    StatePlan,
    /// The plan breaks an invariant.
    #[error(transparent)]
    Plan(#[from] Invalid),
    /// The plan's parameters are not those of the key.
    #[error("the plan was placed for other parameters than the keys'")]
    PlanParams,
    /// A session of a plan with gates is to finish without pads, or the other way around, or with other pads.
    #[error("{0}")]
    Gates(&'static str),
    /// The flooding noise leaves no room at the release level.
    #[error("flooding noise of {flood_bits} bits does not fit the modulus of release level {level}")]
    Flooding {
        /// Bits of the flooding noise.
        flood_bits: u32,
        /// Release level.
        level: u8,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gives no random bytes")]
    Randomness,
    /// A bug: state that the plan's verification excludes.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl From<Error> for BackendError {
    fn from(error: Error) -> Self {
        let fault = match &error {
            Error::Params(_) => Fault::Parameters,
            Error::Key(_) | Error::KeyParams(_) | Error::KeyNorm | Error::SumsKey { .. } => Fault::Key,
            Error::Input { .. }
            | Error::Sums(_)
            | Error::InputCount { .. }
            | Error::TooManyBlocks { .. }
            | Error::TooManyValues { .. }
            | Error::ValueTooLarge { .. }
            | Error::FreshNorm
            | Error::State(_)
            | Error::StatePlan => Fault::Input,
            Error::Plan(_) | Error::PlanParams | Error::Gates(_) | Error::Flooding { .. } => Fault::Plan,
            Error::Randomness | Error::Internal(_) => Fault::Internal,
        };
        Self::new(fault, error.to_string())
    }
}
