//! What can go wrong, and whose fault it is.

use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::verify::Invalid;

pub(crate) use hq_plugin_sdk::payload::WireError;

/// Any failure of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Parameters of another scheme.
    #[error("the parameters are not those of a scheme of bootstraps")]
    Scheme,
    /// Parameters that are not among the backend's.
    #[error("the parameters are insecure or impossible: {0}")]
    Parameters(&'static str),
    /// Test parameters in a build or environment that does not allow them.
    #[error("insecure test parameters and seeded keys are refused outside test builds")]
    TestOnly,
    /// A key that does not conform.
    #[error("the key cannot be used: {0}")]
    Key(WireError),
    /// The parameters inside a key do not conform.
    #[error("the key cannot be used: {0}")]
    KeyParameters(Box<Error>),
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
    /// Sums of another scheme that do not conform.
    #[error("the sums of the other scheme cannot be used: {0}")]
    Samples(WireError),
    /// A key between schemes that does not conform.
    #[error("the key between the schemes cannot be used: {0}")]
    BridgeKey(WireError),
    /// What gates let out does not conform.
    #[error("what the gates let out cannot be opened: {0}")]
    Passed(WireError),
    /// It is of another key.
    #[error("what the gates let out cannot be opened: it belongs to key {found}, not to {wanted}")]
    PassedKey {
        /// Key it names.
        found: KeyId,
        /// Key in use.
        wanted: KeyId,
    },
    /// A plan without gates, or other pads than it has.
    #[error("{0}")]
    Gates(&'static str),
    /// Wrong number of inputs.
    #[error("the plan has {wanted} inputs, the block {found}")]
    InputCount {
        /// Given.
        found: usize,
        /// Declared.
        wanted: usize,
    },
    /// More blocks than the plan's rows fill: its sums would not be proved exact.
    #[error("the plan is for at most {allowed} blocks")]
    TooManyBlocks {
        /// Blocks that the plan's rows fill.
        allowed: u64,
    },
    /// More values than rows of a block.
    #[error("{found} values do not fit a block of {rows} rows")]
    TooManyValues {
        /// Values given.
        found: usize,
        /// Rows of a block.
        rows: usize,
    },
    /// A value that no ciphertext of its kind holds.
    #[error("value {value} of row {row} is not within {most} of zero")]
    ValueTooLarge {
        /// Row within the block.
        row: usize,
        /// The value.
        value: i64,
        /// Largest magnitude.
        most: u64,
    },
    /// A saved state that does not conform.
    #[error("the saved state cannot be used: {0}")]
    State(WireError),
    /// A state or a session of another plan.
    #[error("the saved state is that of another plan")]
    StatePlan,
    /// A state for a session that is at work.
    #[error("a state is for a session that has done no block")]
    StateLate,
    /// The plan breaks an invariant.
    #[error(transparent)]
    Plan(#[from] Invalid),
    /// The plan's parameters are not those of the key.
    #[error("the plan was made for other parameters than the keys'")]
    PlanParameters,
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
            Error::Scheme | Error::Parameters(_) | Error::TestOnly => Fault::Parameters,
            Error::Key(_)
            | Error::KeyParameters(_)
            | Error::BridgeKey(_)
            | Error::SumsKey { .. }
            | Error::PassedKey { .. } => Fault::Key,
            Error::Input { .. }
            | Error::Sums(_)
            | Error::Samples(_)
            | Error::Passed(_)
            | Error::InputCount { .. }
            | Error::TooManyBlocks { .. }
            | Error::TooManyValues { .. }
            | Error::ValueTooLarge { .. }
            | Error::State(_)
            | Error::StatePlan
            | Error::StateLate => Fault::Input,
            Error::Plan(_) | Error::PlanParameters | Error::Gates(_) => Fault::Plan,
            Error::Randomness | Error::Internal(_) => Fault::Internal,
        };
        Self::new(fault, error.to_string())
    }
}
