//! The backend as the SDK's traits see it.

use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Fault, KeyPair, Measurement, Session};
use hq_plugin_sdk::capabilities::{Capabilities, InputForm, OpKind};
use hq_plugin_sdk::frame::Kind;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::Plan;
use zeroize::Zeroizing;

use crate::format::{open_key, open_numbers, seal_key, seal_numbers};
use crate::session::ClearSession;

/// Exact 64-bit integers in the clear.
#[derive(Clone, Copy, Debug)]
pub struct Clear;

/// Stands where an encrypted backend has a secret key.
#[derive(Clone, Copy, Debug)]
pub struct ClearKey {
    rows_per_block: u32,
}

impl Evaluator for Clear {
    type Session = ClearSession;

    fn capabilities() -> Capabilities {
        Capabilities {
            name: "clear".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: InputForm::Columns,
            ops: vec![
                OpKind::Input,
                OpKind::Member,
                OpKind::Less,
                OpKind::Equal,
                OpKind::Linear,
                OpKind::Mul,
            ],
            leveled: None,
            bootstrapped: None,
            gates: None,
            encrypted: false,
        }
    }

    fn resolve(_request: &RnsRequest) -> Result<RnsParameters, BackendError> {
        Err(BackendError::new(
            Fault::Parameters,
            "nothing is encrypted here, so there are no moduli to choose",
        ))
    }

    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<ClearSession, BackendError> {
        let rows = open_key(evaluation_key, Kind::EvaluationKey)?;
        match &plan.parameters {
            Some(parameters) if parameters.rows_per_block() != rows => Err(BackendError::new(
                Fault::Key,
                format!("the key is for {rows} rows per block, the plan for {}", parameters.rows_per_block()),
            )),
            Some(_) | None => ClearSession::new(plan, rows),
        }
    }

    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        open_key(evaluation_key, Kind::EvaluationKey)?;
        Ok(seal_numbers(Kind::Parameter, std::iter::once(value)))
    }
}

impl Custody for Clear {
    type Key = ClearKey;

    fn keygen(parameters: &Parameters, _seed: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        match parameters {
            Parameters::Clear { rows_per_block: 0 } => {
                Err(BackendError::new(Fault::Parameters, "a block holds at least one row"))
            }
            Parameters::Clear { rows_per_block } => Ok(KeyPair {
                secret: Zeroizing::new(seal_key(Kind::SecretKey, *rows_per_block)),
                evaluation: seal_key(Kind::EvaluationKey, *rows_per_block),
            }),
            Parameters::Rns(_) | Parameters::Tfhe(_) => {
                Err(BackendError::new(Fault::Parameters, "these are parameters of an encrypted backend"))
            }
        }
    }

    fn load(secret: &[u8]) -> Result<ClearKey, BackendError> {
        open_key(secret, Kind::SecretKey).map(|rows_per_block| ClearKey { rows_per_block })
    }

    fn encrypt(key: &ClearKey, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        if u32::try_from(values.len()).map_or(true, |rows| rows > key.rows_per_block) {
            return Err(BackendError::new(
                Fault::Input,
                format!("{} rows where a block has {}", values.len(), key.rows_per_block),
            ));
        }
        Ok(seal_numbers(Kind::Ciphertext, values.iter().copied()))
    }

    fn decrypt(_key: &ClearKey, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        Ok(open_numbers(result, Kind::Sums)?.iter().copied().map(i64::from_le_bytes).collect())
    }

    fn measure(
        _key: &ClearKey,
        evaluation_key: &[u8],
        plan: &Plan,
        blocks: &[Vec<&[u8]>],
    ) -> Result<Measurement, BackendError> {
        let mut session = Self::open(plan, evaluation_key)?;
        blocks.iter().try_for_each(|block| session.block(block))?;
        Ok(Measurement::default())
    }
}
