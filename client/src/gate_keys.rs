//! Keys of a dataset whose small counts stay encrypted: a pair of the backend that decides on them, and the key that leads to
//! it from the pair under which tables are encrypted. All secrets are one file, and all that whoever computes needs is one
//! file: frames, one after the other, bound to each other by digests.

use hq_engine::dataset::{GateBinding, hex_digest};
use hq_engine::gate_keys::GatePublic;
use hq_engine::gates;
use hq_plugin_sdk::backend::{BackendError, Fault, KeyPair};
use hq_plugin_sdk::frame::{self, FrameError};
use hq_plugin_sdk::host::PluginKey;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::tfhe::TfheParameters;
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::error::{ClientError, Result, refused};

/// What a custodian makes beside a pair.
pub(crate) struct GatePair {
    parameters: TfheParameters,
    /// The frame of its secret key.
    pub(crate) secret: Zeroizing<Vec<u8>>,
    /// What goes to whoever computes.
    pub(crate) public: GatePublic,
}

impl GatePair {
    /// For the pair of a backend.
    pub(crate) fn make(backend: &Backend, parameters: &Parameters, pair: &KeyPair) -> Result<Self> {
        let deciding = backend.gates()?;
        let security = match parameters {
            Parameters::Rns(rns) => rns.security_bits,
            Parameters::Tfhe(tfhe) => tfhe.security_bits,
            Parameters::Clear { .. } => 0,
        };
        let offered = backend.evaluator.capabilities().gates.as_ref();
        let chosen = offered.and_then(|offered| gates::parameters(offered, security));
        let chosen = chosen.ok_or_else(|| ClientError::NoGates { backend: backend.name.clone() })?;
        let made = deciding.custody.keygen(&Parameters::Tfhe(chosen.clone()), None);
        let KeyPair { secret, evaluation } = made.map_err(refused("key generation"))?;
        let own = backend.custody.load_key(&pair.secret).map_err(refused("the secret key"))?;
        let other = frame::split(&pair.evaluation).map(|(frame, _)| frame.key);
        let wrong = |error: FrameError| BackendError::new(Fault::Key, error.to_string());
        let other = other.map_err(wrong).map_err(refused("the evaluation keys"))?;
        let ternary = own.ternary().map_err(refused("the secret key"))?;
        let key = deciding.custody.load_key(&secret).map_err(refused("the secret key"))?;
        let bridge = key.bridge(other, &ternary).map_err(refused("the key between two pairs"))?;
        Ok(Self { parameters: chosen.clone(), secret, public: GatePublic { evaluation, bridge } })
    }

    /// What keys and datasets are bound to it by.
    pub(crate) fn binding(&self) -> GateBinding {
        let GatePublic { evaluation, bridge } = &self.public;
        GateBinding {
            key_id: self.public.key_id(),
            parameters: self.parameters.clone(),
            evaluation: hex_digest(evaluation),
            bridge: hex_digest(bridge),
        }
    }

    /// Both pairs as one: first frames first.
    pub(crate) fn beside(&self, pair: &KeyPair) -> KeyPair {
        let GatePublic { evaluation, bridge } = &self.public;
        // Of the size that it has, so that no copy is left behind by growth.
        let mut secret = Zeroizing::new(Vec::with_capacity(pair.secret.len() + self.secret.len()));
        secret.extend_from_slice(&pair.secret);
        secret.extend_from_slice(&self.secret);
        KeyPair { secret, evaluation: [pair.evaluation.as_slice(), evaluation, bridge].concat() }
    }
}

/// Opens the aggregates of a plan: what rests on a closed cell is `None`.
pub(crate) fn open_aggregates(
    plan: &hq_plugin_sdk::plan::Plan,
    (key, sums): (&PluginKey, &[u8]),
    gates: Option<(&PluginKey, &[u8])>,
    place: &str,
) -> Result<Vec<Option<i128>>> {
    let opened = key.decrypt(sums).map_err(refused(place))?;
    let aggregates = match (&plan.gates, gates) {
        (None, _) => hq_engine::open::aggregates(plan, &opened)
            .map(|aggregates| aggregates.into_iter().map(Some).collect::<Vec<_>>()),
        (Some(_), None) => return Err(ClientError::NothingPassed { place: place.to_owned() }),
        (Some(_), Some((key, passed))) => {
            let pads = key.open_gates(plan, sums, passed).map_err(refused(place))?;
            hq_engine::open::gated_aggregates(plan, &opened, &pads)
        }
    };
    aggregates.map_err(|source| ClientError::Open { place: place.to_owned(), source })
}
