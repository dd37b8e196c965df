//! The backend's traits, implemented by the modules of this crate.

use std::sync::Arc;

use hq_plugin_sdk::backend::{
    BackendError, Custody, Evaluator, Fault, GateKeys, Gated, KeyPair, Measurement,
};
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{NodeId, Plan};
use tfhe::core_crypto::prelude::{LweCiphertextOwned, decrypt_lwe_ciphertext};

use crate::error::Error;
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::key::{self, SecretKey};
use crate::params::{Params, test_parameters_allowed};
use crate::prepare::Prepared;
use crate::random::Source;
use crate::session::Session;
use crate::{bridge, ciphertext, describe, gates, sums};

/// Bootstrapped TFHE.
#[derive(Clone, Copy, Debug)]
pub struct Tfhe;

impl Evaluator for Tfhe {
    type Session = Session;

    fn capabilities() -> Capabilities {
        describe::capabilities()
    }

    fn resolve(_request: &RnsRequest) -> Result<RnsParameters, BackendError> {
        Err(BackendError::new(
            Fault::Parameters,
            "there are no levels here, so there are no moduli to choose",
        ))
    }

    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<Session, BackendError> {
        Ok(Session::of(Arc::new(Prepared::from_frame(plan, evaluation_key)?)))
    }

    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        let key = EvaluationKey::from_frame(evaluation_key, |_| Ok(Needs::Public))?;
        Ok(ciphertext::encrypt_parameter(&key, value, &mut Source::new()?)?)
    }

    fn pass(plan: &Plan, keys: GateKeys<'_>, gated: &Gated, pads: &[u64]) -> Result<Vec<u8>, BackendError> {
        Ok(gates::pass_plan(plan, keys, gated, pads)?)
    }
}

impl hq_plugin_sdk::backend::Session for Session {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        Ok(self.block(inputs)?)
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        Ok(self.finish()?)
    }

    fn fork(&self) -> Result<Self, BackendError> {
        Ok(self.fork())
    }

    fn absorb(&mut self, other: Self) -> Result<(), BackendError> {
        Ok(self.absorb(&other)?)
    }

    fn save(&self) -> Result<Vec<u8>, BackendError> {
        Ok(self.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError> {
        Ok(self.restore(state)?)
    }
}

impl Custody for Tfhe {
    type Key = SecretKey;

    fn keygen(parameters: &Parameters, seed: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let params = Arc::new(Params::of(parameters)?);
        let mut source = match seed {
            None => Source::new()?,
            Some(seed) if test_parameters_allowed() => Source::seeded(seed),
            Some(_) => return Err(Error::TestOnly.into()),
        };
        let (secret, evaluation) = key::generate(&params, &mut source);
        Ok(KeyPair { secret: secret.to_frame(), evaluation })
    }

    fn load(secret: &[u8]) -> Result<SecretKey, BackendError> {
        Ok(SecretKey::from_frame(secret)?)
    }

    fn encrypt(key: &SecretKey, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        Ok(ciphertext::encrypt(key, values, &mut Source::new()?)?)
    }

    fn encrypt_entries(key: &SecretKey, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        Ok(ciphertext::encrypt_entries(key, values, &mut Source::new()?)?)
    }

    fn decrypt(key: &SecretKey, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        Ok(sums::open(key, result)?.into_iter().map(|(sum, _)| sum).collect())
    }

    fn bridge(key: &SecretKey, other: KeyId, ternary: &[i8]) -> Result<Vec<u8>, BackendError> {
        bridge::make_key(key, other, ternary)
    }

    fn open_gates(
        key: &SecretKey,
        plan: &Plan,
        sums: &[u8],
        passed: &[u8],
    ) -> Result<Vec<i64>, BackendError> {
        let opened = gates::open(key, passed, gates::context(plan, sums))?;
        Ok(gates::in_order(plan, &opened)?)
    }

    /// The noise of a digit is what it is off the nearest digit, in bits of a torus of 64; that of a sum likewise, though it
    /// is released with 128.
    fn measure(
        key: &SecretKey,
        evaluation_key: &[u8],
        plan: &Plan,
        blocks: &[Vec<&[u8]>],
    ) -> Result<Measurement, BackendError> {
        let mut session = Session::of(Arc::new(Prepared::from_frame(plan, evaluation_key)?));
        let mut nodes = vec![Spread::default(); session.prepared().plan.nodes().len()];
        let mut seen = |node: NodeId, digit: &LweCiphertextOwned<u64>| {
            let phase = decrypt_lwe_ciphertext(&key.big(), digit).0;
            if let Some(spread) = nodes.get_mut(node.index()) {
                spread.add(off_digit(phase, key.params().tfhe().boxes));
            }
        };
        for block in blocks {
            session.block_seen(block, &mut seen)?;
        }
        let bits = |sums: Vec<(i64, i128)>| {
            sums.into_iter().map(|(_, off)| wide_float(off).abs().log2() - 64.0).collect::<Vec<f64>>()
        };
        let squashed = session.squashed()?.iter().map(|sample| sums::rounded(key, sample)).collect();
        Ok(Measurement {
            node_max_bits: nodes.iter().map(|spread| spread.most.log2()).collect(),
            node_stddev_bits: nodes.iter().map(|spread| spread.deviation().log2()).collect(),
            sum_bits_before_flooding: bits(squashed),
            sum_bits: bits(sums::open(key, &session.finish()?)?),
        })
    }
}

/// How far values are off.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    most: f64,
    squares: f64,
    count: f64,
}

impl Spread {
    fn add(&mut self, off: f64) {
        self.most = self.most.max(off.abs());
        self.squares += off * off;
        self.count += 1.0;
    }

    fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1.0)).sqrt()
    }
}

/// How far a point of the torus is off the nearest digit.
fn off_digit(phase: u64, boxes: u32) -> f64 {
    let turns = u128::from(phase) * 2 * u128::from(boxes);
    // What is left of the nearest multiple, in digits of 2^-64.
    let rest = u64::try_from(turns & u128::from(u64::MAX)).unwrap_or(0).cast_signed();
    float(rest) / (2.0 * f64::from(boxes))
}

#[expect(clippy::cast_precision_loss, reason = "a logarithm is wanted")]
fn wide_float(value: i128) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "a logarithm is wanted")]
fn float(value: i64) -> f64 {
    value as f64
}
