//! The backend as data: what the planner works from.

use hq_plugin_sdk::capabilities::{Capabilities, InputForm, Leveled, OpCost, OpKind};

use crate::key::SECRET_NORM_FACTOR;
use crate::modular::MAX_BITS;
use crate::params::{MAX_PLAINTEXT_BITS, SECURITY_SOURCE, security_table};
use crate::sample::ERROR_STDDEV;

/// Operations, parameter sets, noise model and costs.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        name: "bgv".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: InputForm::Parts,
        ops: vec![
            OpKind::Input,
            OpKind::Linear,
            OpKind::Mul,
            OpKind::Relinearize,
            OpKind::ModSwitch,
            OpKind::Drop,
        ],
        leveled: Some(Leveled {
            noise_model: "bgv-canonical".to_owned(),
            security: security_table(),
            security_source: SECURITY_SOURCE.to_owned(),
            max_modulus_bits: MAX_BITS,
            max_plaintext_bits: MAX_PLAINTEXT_BITS,
            error_stddev: ERROR_STDDEV,
            secret_norm_factor: SECRET_NORM_FACTOR,
            costs: costs(),
        }),
        encrypted: true,
    }
}

/// CPU costs on one core with AVX-512 IFMA, measured with `examples/operations.rs` at N = 8192 and 16384.
fn costs() -> Vec<OpCost> {
    [
        (OpKind::Input, 4.0, 0.0),
        (OpKind::Linear, 0.5, 0.0),
        (OpKind::Mul, 1.3, 0.0),
        (OpKind::Relinearize, 3.0, 0.7),
        (OpKind::ModSwitch, 6.0, 0.0),
        (OpKind::Drop, 0.0, 0.0),
    ]
    .into_iter()
    .map(|(op, per_slot_limb, per_slot_limb2)| OpCost { op, per_slot_limb, per_slot_limb2 })
    .collect()
}
