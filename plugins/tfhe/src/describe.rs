//! The backend as data.

use hq_plugin_sdk::capabilities::{Capabilities, InputForm, OpKind};
use hq_plugin_sdk::tfhe::{BootstrapCosts, Bootstrapped, Decomposition, Squash, TfheParameters};

/// Most bits of a sum.
const MAX_SUM_BITS: u32 = 24;

/// Rows of a block, if nothing else is said: some ten seconds of work.
const ROWS_PER_BLOCK: u32 = 64;

/// Boxes of a half turn: tables of 16 entries, with a margin for which whole tables of rows are certified.
const BOXES: u32 = 15;

/// Decompositions of rotations that give shares, from cheap to exact.
const SUM_BOOTSTRAPS: [(u32, u32); 4] = [(16, 2), (12, 3), (9, 4), (6, 7)];

/// Operations, parameter sets, noise model and costs.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        name: "tfhe".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: InputForm::Parts,
        ops: vec![OpKind::Input, OpKind::Linear, OpKind::Lookup],
        leveled: None,
        bootstrapped: Some(Bootstrapped {
            noise_model: "tfhe-tuniform".to_owned(),
            parameters: parameter_sets(),
            costs: BootstrapCosts {
                load: 60_000.0,
                linear_term: 1_000.0,
                key_switch: 7_000_000.0,
                rotation: 12_000_000.0,
                rotation_level: 13_000_000.0,
                squash: 530_000_000.0,
                release: 1_000_000.0,
                setup: 12_000_000_000.0,
            },
        }),
        gates: None,
        encrypted: true,
    }
}

/// The parameters `V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` of tfhe-rs, of 132 bits of security by the lattice
/// estimator, each with one decomposition for shares: a decomposition takes nothing from security. Sums are squashed by
/// `V1_8_NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`.
#[must_use]
pub(crate) fn parameter_sets() -> Vec<TfheParameters> {
    let set = |(base_log, levels)| TfheParameters {
        lwe_dimension: 918,
        lwe_noise_bits: 45,
        glwe_dimension: 1,
        polynomial_size: 2048,
        glwe_noise_bits: 17,
        key_switch: Decomposition { base_log: 4, levels: 4 },
        bootstrap: Decomposition { base_log: 23, levels: 1 },
        sum_bootstrap: Decomposition { base_log, levels },
        boxes: BOXES,
        sum_bits: MAX_SUM_BITS,
        rows_per_block: ROWS_PER_BLOCK,
        squash: Squash {
            glwe_dimension: 2,
            polynomial_size: 2048,
            glwe_noise_bits: 30,
            bootstrap: Decomposition { base_log: 24, levels: 3 },
        },
        security_bits: 128,
    };
    SUM_BOOTSTRAPS.into_iter().map(set).collect()
}

/// Small parameters without security, for tests: builds without debug assertions refuse them.
#[must_use]
pub fn test_parameters() -> TfheParameters {
    TfheParameters {
        lwe_dimension: 24,
        lwe_noise_bits: 30,
        glwe_dimension: 1,
        polynomial_size: 512,
        glwe_noise_bits: 4,
        key_switch: Decomposition { base_log: 4, levels: 6 },
        bootstrap: Decomposition { base_log: 15, levels: 2 },
        sum_bootstrap: Decomposition { base_log: 9, levels: 4 },
        boxes: BOXES,
        sum_bits: MAX_SUM_BITS,
        rows_per_block: 16,
        squash: Squash {
            glwe_dimension: 1,
            polynomial_size: 512,
            glwe_noise_bits: 20,
            bootstrap: Decomposition { base_log: 24, levels: 4 },
        },
        security_bits: 0,
    }
}
