//! The backend's traits, implemented by the modules of this crate.

use std::sync::Arc;

use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Fault, Gated, KeyPair, Measurement, Session};
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::Plan;
use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use zeroize::Zeroizing;

use crate::error::{Error, ParamsError};
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::execute;
use crate::key::{self, SecretKey};
use crate::params::{self, Params, test_parameters_allowed};
use crate::prepare::Prepared;
use crate::schedule::Mode;
use crate::{bridge, decrypt, describe, encrypt, measure, sample};

/// Leveled RNS-BGV.
#[derive(Clone, Copy, Debug)]
pub struct Bgv;

impl Evaluator for Bgv {
    type Session = execute::Session;

    fn capabilities() -> Capabilities {
        describe::capabilities()
    }

    fn resolve(request: &RnsRequest) -> Result<RnsParameters, BackendError> {
        params::resolve(request).map_err(|error| Error::from(error).into())
    }

    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<Self::Session, BackendError> {
        Ok(execute::Session::of(Arc::new(Prepared::from_frame(plan, evaluation_key, Mode::Fast)?)))
    }

    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        let public = |params: &Params| Ok(Needs { public: params.chain(), powers: Vec::new() });
        let key = EvaluationKey::for_needs(evaluation_key, public)?;
        Ok(encrypt::encrypt_parameter(&key, value, &mut sample::secret_rng()?)?)
    }
}

impl Session for execute::Session {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        Ok(self.block(inputs)?)
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        Ok(self.finish()?)
    }

    fn gated(&mut self, pads: &[u64]) -> Result<Gated, BackendError> {
        Ok(bridge::gated(self, pads)?)
    }

    fn fork(&self) -> Result<Self, BackendError> {
        Ok(self.fork())
    }

    fn absorb(&mut self, other: Self) -> Result<(), BackendError> {
        Ok(self.absorb(other)?)
    }

    fn save(&self) -> Result<Vec<u8>, BackendError> {
        Ok(frame::seal(Kind::State, self.key().id(), &self.save()))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError> {
        if self.done > 0 {
            return Err(BackendError::new(Fault::Input, "a state is for a session that has done no block"));
        }
        let state = frame::open(state, Kind::State).map_err(|error| Error::State(error.into()))?;
        Ok(self.restore(state.payload)?)
    }
}

impl Custody for Bgv {
    type Key = SecretKey;

    fn keygen(parameters: &Parameters, seed: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let params = Params::of(parameters).map_err(Error::from)?;
        let mut rng = match seed {
            None => sample::secret_rng()?,
            Some(seed) if test_parameters_allowed() => ChaCha20Rng::from_seed(seed),
            Some(_) => return Err(Error::from(ParamsError::TestOnly).into()),
        };
        let (secret, evaluation) = key::generate(&params, &mut rng);
        Ok(KeyPair { secret: secret.to_frame(), evaluation })
    }

    fn load(secret: &[u8]) -> Result<Self::Key, BackendError> {
        Ok(SecretKey::from_frame(secret)?)
    }

    fn encrypt(key: &Self::Key, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        Ok(encrypt::encrypt(key, values, key.params().chain(), &mut sample::secret_rng()?)?)
    }

    fn decrypt(key: &Self::Key, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        Ok(decrypt::decrypt(key, result)?)
    }

    fn ternary(key: &Self::Key) -> Result<Zeroizing<Vec<i8>>, BackendError> {
        Ok(Zeroizing::new(key.coefficients().to_vec()))
    }

    fn measure(
        key: &Self::Key,
        evaluation_key: &[u8],
        plan: &Plan,
        blocks: &[Vec<&[u8]>],
    ) -> Result<Measurement, BackendError> {
        let evaluation = EvaluationKey::from_frame(evaluation_key)?;
        Ok(measure::measure(key, Arc::new(evaluation), plan, blocks)?)
    }
}
