//! The file that an interrupted run leaves: what it was a run of, how far it came, and the backend's state.
//!
//! One frame of kind [`Kind::Checkpoint`] around a payload with a header (`headed`); its body is the frame of the state.

use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind};
use hq_plugin_sdk::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::headed::{HeadedError, Layout};
use crate::run::{Saved, SealedParameters, Spent};

const LAYOUT: Layout = Layout { version: 1, max_header_bytes: 1 << 16 };

/// What a run is a run of: with all of it equal, the sums of its blocks are too. Digests are BLAKE3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The key pair.
    pub key: KeyId,
    /// Digest of the plan's text, in hexadecimal.
    pub plan: String,
    /// Digest of the dataset's manifest, which holds that of every file, in hexadecimal.
    pub dataset: String,
    /// Digest of the secret parameters, in hexadecimal.
    pub parameters: String,
}

impl Identity {
    /// Of a run; `dataset` is the digest of the manifest.
    #[must_use]
    pub fn new(key: KeyId, plan: &Plan, dataset: &str, parameters: &SealedParameters) -> Self {
        let mut hasher = blake3::Hasher::new();
        for (name, frame) in parameters {
            for bytes in [name.as_bytes(), frame] {
                hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
            }
        }
        Self {
            key,
            plan: blake3::hash(plan.to_string().as_bytes()).to_hex().to_string(),
            dataset: dataset.to_owned(),
            parameters: hasher.finalize().to_hex().to_string(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    plan: String,
    dataset: String,
    parameters: String,
    done: u64,
    spent: Spent,
}

/// Why bytes are no checkpoint of a run.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not an intact frame of a checkpoint.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Of another version, cut short, or with another header.
    #[error(transparent)]
    Headed(#[from] HeadedError),
    /// Of another run.
    #[error("it is of another {0}")]
    Foreign(&'static str),
}

/// The bytes of a checkpoint.
///
/// # Errors
/// A header that JSON cannot hold.
pub fn write(identity: &Identity, saved: &Saved) -> Result<Vec<u8>, CheckpointError> {
    let Identity { key, plan, dataset, parameters } = identity.clone();
    let header = Header { plan, dataset, parameters, done: saved.done, spent: saved.spent };
    Ok(frame::seal(Kind::Checkpoint, key, &LAYOUT.write(&header, &saved.state)?))
}

/// Reads a checkpoint of the given run. Whether the backend goes on from its state is the backend's to say.
///
/// # Errors
/// See [`CheckpointError`].
pub fn read(bytes: &[u8], identity: &Identity) -> Result<Saved, CheckpointError> {
    let frame = frame::open(bytes, Kind::Checkpoint)?;
    let (header, state): (Header, _) = LAYOUT.read(frame.payload)?;
    let foreign = [
        ("key", frame.key != identity.key),
        ("dataset", header.dataset != identity.dataset),
        ("program, or of the same with other parameters", header.plan != identity.plan),
        ("file of secret parameters", header.parameters != identity.parameters),
    ];
    if let Some((what, _)) = foreign.into_iter().find(|(_, differs)| *differs) {
        return Err(CheckpointError::Foreign(what));
    }
    Ok(Saved { done: header.done, spent: header.spent, state: state.to_vec() })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;
    use hq_plugin_sdk::plan::Builder;

    #[test]
    fn a_checkpoint_is_of_one_run_and_whole() {
        let plan = Builder::new(10).finish();
        let parameters = SealedParameters::from([("cutoff".to_owned(), vec![1, 2])]);
        let identity = Identity::new(KeyId([3; 16]), &plan, "d1", &parameters);
        let spent = Spent { server_cpu_s: 2.5, server_s: 1.25, bytes_read: 7 };
        let saved = Saved { done: 4, spent, state: frame::seal(Kind::State, KeyId([3; 16]), b"sums") };
        let bytes = write(&identity, &saved).unwrap();
        assert_eq!(read(&bytes, &identity).unwrap(), saved);
        let others = [
            ("key", Identity { key: KeyId([4; 16]), ..identity.clone() }),
            ("dataset", Identity { dataset: "d2".to_owned(), ..identity.clone() }),
            ("program", Identity::new(KeyId([3; 16]), &Builder::new(11).finish(), "d1", &parameters)),
            ("secret parameters", Identity::new(KeyId([3; 16]), &plan, "d1", &SealedParameters::new())),
        ];
        for (what, other) in others {
            let refusal = read(&bytes, &other).unwrap_err().to_string();
            assert!(refusal.starts_with("it is of another ") && refusal.contains(what), "{refusal}");
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(read(&bad, &identity).is_err() && read(&bytes[..at], &identity).is_err(), "{at}");
        }
        let opened = frame::open(&bytes, Kind::Checkpoint).unwrap().payload.to_vec();
        for length in 0..24 {
            let cut = frame::seal(Kind::Checkpoint, KeyId([3; 16]), &opened[..length]);
            assert!(read(&cut, &identity).is_err(), "{length}");
        }
    }
}
