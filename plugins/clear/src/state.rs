//! The state of a session between two blocks. Payload: version (1 byte), digest of plan and rows per block
//! (32), and each sum as 16 bytes, little-endian.

use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::plan::Plan;

use crate::format::payload;

/// Version of the layout.
const VERSION: u8 = 1;

/// A sum that no table reaches, of 2^58 rows of 2^62 each: sums up to it never overflow when they are added.
const MAX_SUM: u128 = 1 << 120;

/// Which plan, for which blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(blake3::Hash);

impl Identity {
    /// Of a plan for blocks of at most so many rows.
    pub(crate) fn new(plan: &Plan, rows_per_block: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&rows_per_block.to_le_bytes()).update(plan.to_string().as_bytes());
        Self(hasher.finalize())
    }
}

/// The frame of a state.
pub(crate) fn seal(identity: Identity, sums: &[i128]) -> Vec<u8> {
    let mut payload = vec![VERSION];
    payload.extend_from_slice(identity.0.as_bytes());
    sums.iter().for_each(|sum| payload.extend_from_slice(&sum.to_le_bytes()));
    frame::seal(Kind::State, KeyId::default(), &payload)
}

/// The sums of a state.
///
/// # Errors
/// `Fault::Input` for anything but an intact state of this very plan with `count` sums.
pub(crate) fn open(bytes: &[u8], identity: Identity, count: usize) -> Result<Vec<i128>, BackendError> {
    let refuse = |reason: String| BackendError::new(Fault::Input, format!("the state {reason}"));
    let payload = payload(bytes, Kind::State, Fault::Input)
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let (version, rest) = payload.split_first().ok_or_else(|| refuse("is empty".to_owned()))?;
    if *version != VERSION {
        return Err(refuse(format!("has version {version}, this backend reads {VERSION}")));
    }
    let (digest, sums) = rest.split_first_chunk().ok_or_else(|| refuse("is cut short".to_owned()))?;
    if Identity(blake3::Hash::from_bytes(*digest)) != identity {
        return Err(refuse("is of another plan".to_owned()));
    }
    let (sums, rest) = sums.as_chunks();
    if sums.len() != count || !rest.is_empty() {
        return Err(refuse(format!("has {} sums where the plan has {count}", sums.len())));
    }
    let sums: Vec<i128> = sums.iter().map(|bytes| i128::from_le_bytes(*bytes)).collect();
    if sums.iter().any(|sum| sum.unsigned_abs() > MAX_SUM) {
        return Err(refuse("has a sum that no table reaches".to_owned()));
    }
    Ok(sums)
}
