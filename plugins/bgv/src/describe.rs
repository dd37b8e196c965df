//! The backend as data: what the planner works from.

use hq_plugin_sdk::capabilities::{Capabilities, InputForm, KernelCosts, Leveled, OpKind};

use crate::encrypt::FRESH_NORM_FACTOR;
use crate::key::SECRET_NORM_FACTOR;
use crate::modular::MAX_BITS;
use crate::params::{MAX_PLAINTEXT_BITS, MAX_RELINEARIZATION_DEGREE, SECURITY_SOURCE, security_table};
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
        bootstrapped: None,
        gates: None,
        leveled: Some(Leveled {
            noise_model: "bgv-canonical".to_owned(),
            security: security_table(),
            security_source: SECURITY_SOURCE.to_owned(),
            max_modulus_bits: MAX_BITS,
            max_plaintext_bits: MAX_PLAINTEXT_BITS,
            error_stddev: ERROR_STDDEV,
            max_relinearization_degree: MAX_RELINEARIZATION_DEGREE,
            fresh_norm_factor: FRESH_NORM_FACTOR,
            secret_norm_factor: SECRET_NORM_FACTOR,
            costs: costs(),
        }),
        encrypted: true,
    }
}

/// CPU costs on one core with AVX-512 IFMA, read off `examples/kernels.rs` and, for `release`,
/// `examples/operations.rs`.
fn costs() -> Vec<KernelCosts> {
    let costs = |ring_degree, [load, transform, key_product, conversion, product, linear_term]: [f64; 6]| {
        KernelCosts {
            ring_degree,
            load,
            transform,
            key_product,
            conversion,
            product,
            linear_term,
            release: 45.0,
            setup: 5.0,
        }
    };
    vec![
        costs(1 << 12, [4.3, 2.8, 0.55, 0.55, 0.50, 0.40]),
        costs(1 << 13, [4.3, 2.9, 0.57, 0.60, 0.55, 0.42]),
        costs(1 << 14, [4.3, 3.0, 0.63, 0.63, 0.60, 0.44]),
        costs(1 << 15, [4.3, 3.3, 0.78, 0.80, 0.75, 0.47]),
    ]
}
