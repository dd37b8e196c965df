//! What a backend implements, in safe Rust. `Evaluator` is all a service ever loads; `Custody` holds
//! everything that touches a secret key and is loaded by the client alone.

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::capabilities::Capabilities;
use crate::frame::KeyId;
use crate::parameters::{Parameters, RnsParameters, RnsRequest};
use crate::plan::Plan;

/// Whose fault a failure is. The numbers are the ABI's status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The plan is malformed or asks for what the backend cannot do.
    Plan = 1,
    /// An input block is damaged, or for other parameters.
    Input = 2,
    /// A key is damaged, of the wrong kind, or for other parameters.
    Key = 3,
    /// The parameters are insecure, inconsistent or cannot be had.
    Parameters = 4,
    /// The plugin failed of itself.
    Internal = 5,
}

/// A failure with its cause, fit for the operator's eyes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// Whose fault.
    pub fault: Fault,
    /// One sentence of fact.
    pub message: String,
}

impl BackendError {
    /// A failure of the given kind.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }
}

/// Computes on data it cannot read.
pub trait Evaluator: 'static {
    /// One plan at work.
    type Session: Session;

    /// The backend as data.
    fn capabilities() -> Capabilities;

    /// Concrete parameters for what the planner asks for.
    ///
    /// # Errors
    /// `Fault::Parameters` where none exist, or where they would be insecure.
    fn resolve(request: &RnsRequest) -> Result<RnsParameters, BackendError>;

    /// Prepares a verified plan. `evaluation_key` is a frame made by the same backend's key generation.
    ///
    /// # Errors
    /// `Fault::Plan` or `Fault::Key` where one of them does not conform.
    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<Self::Session, BackendError>;

    /// Encrypts a part of a secret parameter, one value for all rows, under the public key that the
    /// evaluation key holds: a researcher does this, who has no secret key. Returns a frame.
    ///
    /// # Errors
    /// `Fault::Key` where the key does not conform, `Fault::Input` where the value is too large.
    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError>;

    /// Decides on the counts of a plan of another backend, and lets the pads out behind those that may be shown. `pads` are
    /// in the order of [`Plan::padded`]. Returns a frame of kind [`Kind::Passed`](crate::frame::Kind::Passed). A backend
    /// that decides on nothing need not have it.
    ///
    /// # Errors
    /// `Fault::Plan`, `Fault::Key` or `Fault::Input` where one of them does not conform.
    fn pass(
        _plan: &Plan,
        _keys: GateKeys<'_>,
        _gated: &Gated,
        _pads: &[u64],
    ) -> Result<Vec<u8>, BackendError> {
        Err(no_gates())
    }
}

/// What decides on the counts of another backend.
#[derive(Clone, Copy, Debug)]
pub struct GateKeys<'a> {
    /// Evaluation keys of the backend that decides.
    pub evaluation: &'a [u8],
    /// The key that leads to it from the other.
    pub bridge: &'a [u8],
}

/// What leaves of a plan with gates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gated {
    /// The counts, cell by cell and each by its conversions, for the backend that decides: a frame of kind
    /// [`Kind::Samples`](crate::frame::Kind::Samples). Nobody else may have it.
    pub samples: Vec<u8>,
    /// The sums, each under its pad.
    pub sums: Vec<u8>,
}

fn no_gates() -> BackendError {
    BackendError::new(Fault::Plan, "there are no gates here")
}

/// A plan over one table, block by block. The blocks may be shared out among forks, on threads of their own;
/// the sums are those of all blocks, in whatever order and by whichever fork they were computed.
pub trait Session: Send + Sized {
    /// Computes one block: `inputs[i]` is the frame of the plan's i-th input for this block's rows; that of a
    /// parameter is the same for every block. The sums go into the session's accumulators.
    ///
    /// # Errors
    /// `Fault::Input` where a frame does not conform; the session is then as before the call.
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError>;

    /// The encrypted sums over all blocks so far, ready for release, as one frame.
    ///
    /// # Errors
    /// `Fault::Internal`, or `Fault::Plan` where a sum is more than the frame can hold.
    fn finish(&mut self) -> Result<Vec<u8>, BackendError>;

    /// The same of a plan with gates: `pads` are the totals of each sum. A backend that has no gates need not have it.
    ///
    /// # Errors
    /// As [`Session::finish`], and `Fault::Plan` where the plan has no gates or other sums.
    fn gated(&mut self, _pads: &[u64]) -> Result<Gated, BackendError> {
        Err(no_gates())
    }

    /// Another session over the same plan and keys: its sums are zero, and it has done no block.
    ///
    /// # Errors
    /// `Fault::Internal`.
    fn fork(&self) -> Result<Self, BackendError>;

    /// Adds the sums and the blocks done of `other`, which comes from the same [`Evaluator::open`] by forks.
    ///
    /// # Errors
    /// `Fault::Plan` where `other` is of another plan, `Fault::Internal`; this session is then as before.
    fn absorb(&mut self, other: Self) -> Result<(), BackendError>;

    /// The state after the blocks done so far, as one frame of kind [`Kind::State`](crate::frame::Kind::State).
    /// The session goes on as if nothing had been asked.
    ///
    /// # Errors
    /// `Fault::Internal`.
    fn save(&self) -> Result<Vec<u8>, BackendError>;

    /// Takes up the saved state of a session over the same plan and key. This one was just opened.
    ///
    /// # Errors
    /// `Fault::Input` for anything but an intact state of this very plan, and where blocks were done before;
    /// that or `Fault::Key` for one of another key. The session is then as before.
    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError>;
}

/// A freshly made key pair, as two frames that cannot be confused.
pub struct KeyPair {
    /// For the custodian only; wiped when dropped.
    pub secret: Zeroizing<Vec<u8>>,
    /// For the service: everything it needs to compute and to release, and nothing more.
    pub evaluation: Vec<u8>,
}

/// Everything that needs the secret key.
pub trait Custody: 'static {
    /// A loaded secret key, wiped when dropped.
    type Key: Send + Sync;

    /// Makes a key pair. `seed` makes it reproducible; release builds refuse one.
    ///
    /// # Errors
    /// `Fault::Parameters` where the parameters are not secure or not consistent.
    fn keygen(parameters: &Parameters, seed: Option<[u8; 32]>) -> Result<KeyPair, BackendError>;

    /// Reads a secret-key frame.
    ///
    /// # Errors
    /// `Fault::Key` where it does not conform.
    fn load(secret: &[u8]) -> Result<Self::Key, BackendError>;

    /// Encrypts one block of one input; at most `rows_per_block` values, the rest are absent (zero).
    ///
    /// # Errors
    /// `Fault::Input` where there are too many values or one is too large.
    fn encrypt(key: &Self::Key, values: &[i64]) -> Result<Vec<u8>, BackendError>;

    /// Encrypts one block of one input that stands in tables, as an encrypted entry. A backend whose plans have no such
    /// entries need not have it.
    ///
    /// # Errors
    /// As [`Custody::encrypt`].
    fn encrypt_entries(_key: &Self::Key, _values: &[i64]) -> Result<Vec<u8>, BackendError> {
        Err(BackendError::new(Fault::Input, "there are no encrypted entries of tables here"))
    }

    /// Opens the frame that [`Session::finish`] made: one number per sum of the plan. On an encrypted
    /// backend it is the residue modulo t in `0..t`.
    ///
    /// # Errors
    /// `Fault::Input` where it does not conform, `Fault::Key` where it belongs to another key.
    fn decrypt(key: &Self::Key, result: &[u8]) -> Result<Vec<i64>, BackendError>;

    /// The ternary secret under which [`Session::gated`] gives counts, for [`Custody::bridge`] of the backend that decides on
    /// them. A backend that has no gates need not have it.
    ///
    /// # Errors
    /// `Fault::Key`.
    fn ternary(_key: &Self::Key) -> Result<Zeroizing<Vec<i8>>, BackendError> {
        Err(no_gates())
    }

    /// Makes the key that leads here from another pair, of which `ternary` is the secret. Returns a frame of kind
    /// [`Kind::BridgeKey`](crate::frame::Kind::BridgeKey). A backend that decides on nothing need not have it.
    ///
    /// # Errors
    /// `Fault::Key` where there is no such secret.
    fn bridge(_key: &Self::Key, _other: KeyId, _ternary: &[i8]) -> Result<Vec<u8>, BackendError> {
        Err(no_gates())
    }

    /// Opens what [`Evaluator::pass`] let out of the plan with these sums, in the order of [`Plan::padded`]: pads, and -1
    /// where a cell is closed.
    ///
    /// # Errors
    /// `Fault::Input` where it does not conform, or belongs to another plan or other sums; `Fault::Key` where it does to
    /// another key.
    fn open_gates(
        _key: &Self::Key,
        _plan: &Plan,
        _sums: &[u8],
        _passed: &[u8],
    ) -> Result<Vec<i64>, BackendError> {
        Err(no_gates())
    }

    /// Runs the plan and measures the noise of every node with the secret key.
    ///
    /// # Errors
    /// As [`Evaluator::open`] and [`Session::block`].
    fn measure(
        key: &Self::Key,
        evaluation_key: &[u8],
        plan: &Plan,
        blocks: &[Vec<&[u8]>],
    ) -> Result<Measurement, BackendError>;
}

/// Measured noise: the quantity `v = c0 + c1 s (+ c2 s^2) mod Q`, centred, which decrypts rightly while
/// it stays below Q/2. Empty where nothing is encrypted; minus infinity, `null` in JSON, for no noise at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Per node: log2 of the largest |coefficient| of v over all blocks.
    #[serde(deserialize_with = "bits")]
    pub node_max_bits: Vec<f64>,
    /// Per node: log2 of the standard deviation of v's coefficients.
    #[serde(deserialize_with = "bits")]
    pub node_stddev_bits: Vec<f64>,
    /// Per sum: log2 of |v| of the released sample after flooding.
    #[serde(deserialize_with = "bits")]
    pub sum_bits: Vec<f64>,
    /// Per sum: log2 of |v| of the sample before flooding.
    #[serde(deserialize_with = "bits")]
    pub sum_bits_before_flooding: Vec<f64>,
}

fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let bits = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(bits.into_iter().map(|bits| bits.unwrap_or(f64::NEG_INFINITY)).collect())
}
