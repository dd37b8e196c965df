//! What whoever computes needs where small counts stay encrypted: the evaluation keys of the backend that decides on them, and
//! the key that leads to it from the pair under which tables are encrypted. They stand behind the frame of that pair, bound to
//! the dataset by digests.

use hq_plugin_sdk::backend::GateKeys;
use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind, split_off};

use crate::dataset::{GateBinding, hex_digest};

/// The backend that decides on the counts of one on levels.
pub const DECIDES: &str = "tfhe";

/// The public half of the keys of gates.
#[derive(Clone, Debug)]
pub struct GatePublic {
    /// Evaluation keys of the pair that decides, a frame.
    pub evaluation: Vec<u8>,
    /// The key that leads to it, a frame.
    pub bridge: Vec<u8>,
}

impl GatePublic {
    /// From what stands behind the frame of a pair; `None` where nothing does.
    ///
    /// # Errors
    /// Frames of other kinds, or cut short.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (_, evaluation, bridge) = split_off(bytes, Kind::EvaluationKey)?;
        frame::open(bridge, Kind::BridgeKey)?;
        Ok(Some(Self { evaluation: evaluation.to_vec(), bridge: bridge.to_vec() }))
    }

    /// Why these are not the keys of a binding; `None` where they are.
    #[must_use]
    pub fn foreign_to(&self, binding: &GateBinding) -> Option<String> {
        let found = self.key_id();
        if found != binding.key_id {
            return Some(format!("key {found} where key {} is named", binding.key_id));
        }
        if hex_digest(&self.evaluation) != binding.evaluation {
            return Some(format!("another content under the name of key {found}"));
        }
        (hex_digest(&self.bridge) != binding.bridge)
            .then(|| "another key between its two pairs: it was altered, or is of other keys".to_owned())
    }

    /// As a run takes it.
    #[must_use]
    pub fn keys(&self) -> GateKeys<'_> {
        GateKeys { evaluation: &self.evaluation, bridge: &self.bridge }
    }

    /// Bytes of both.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.evaluation.len() + self.bridge.len()) as u64
    }

    /// Id of the pair that decides, in hexadecimal.
    #[must_use]
    pub fn key_id(&self) -> String {
        frame::split(&self.evaluation).map_or(KeyId::default(), |(frame, _)| frame.key).to_string()
    }
}
