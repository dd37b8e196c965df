//! The noise model of bootstrapped ciphertexts: variances on the torus, and the probability that a value falls out of its
//! box or a sum is rounded wrongly.
//!
//! Outputs of rotations are taken as independent and normal, as the parameter sets of the library are made; outputs that
//! share a rotation, and what depends on one of them, are added up as if they were the same.
//!
//! Sources: Bergerat, Boudi, Bourgerie, Chillotti, Ligier, Orfila, Tap, "Parameter optimization and larger precision for
//! (T)FHE" (Journal of Cryptology 2023, ePrint 2022/704), for key switch, rotation and modulus switch; the term of double
//! precision transforms and that of the centred modulus switch are those of tfhe-rs 1.8, `core_crypto::commons::noise_formulas`,
//! which gives 2^-129.6 for its set with 16 boxes, as these functions do.

use std::collections::BTreeMap;

use hq_plugin_sdk::plan::{NodeId, Op, Origin, Plan};
use hq_plugin_sdk::rotations::{Rotation, Use};
use hq_plugin_sdk::tfhe::{Decomposition, Piece, Squash, TfheParameters};

use crate::noise::FAILURE_BITS;

/// Bits of ciphertexts' coefficients.
pub(crate) const MODULUS_BITS: f64 = 64.0;

/// Bits of the coefficients of released ones.
const RELEASED_BITS: f64 = 128.0;

/// Bits of a double's mantissa.
const MANTISSA_BITS: f64 = 53.0;

/// Transforms modulo 2^128 are on pairs of doubles.
const PAIR_BITS: f64 = 2.0 * MANTISSA_BITS;

/// What the formulas need.
#[derive(Clone, Copy, Debug)]
pub struct TorusNoise<'a> {
    parameters: &'a TfheParameters,
}

impl<'a> TorusNoise<'a> {
    /// Of parameters.
    #[must_use]
    pub fn new(parameters: &'a TfheParameters) -> Self {
        Self { parameters }
    }

    /// Coefficients of the ring key.
    fn big(&self) -> f64 {
        f64::from(self.parameters.glwe_dimension) * self.size()
    }

    fn size(&self) -> f64 {
        f64::from(self.parameters.polynomial_size)
    }

    /// Of a fresh digit, under the ring key.
    #[must_use]
    pub fn fresh(&self) -> f64 {
        uniform(self.parameters.glwe_noise_bits, MODULUS_BITS)
    }

    /// Of a digit under the public key: errors times binary secrets, of either side, and one error more.
    #[must_use]
    pub fn public(&self) -> f64 {
        self.fresh() * (2.0 * self.big() + 1.0)
    }

    /// What a key switch adds.
    #[must_use]
    pub fn key_switch(&self) -> f64 {
        let Decomposition { base_log, levels } = self.parameters.key_switch;
        let products = f64::from(levels) * self.big() * uniform(self.parameters.lwe_noise_bits, MODULUS_BITS);
        products * digit(base_log) + self.big() * rounding(base_log, levels, MODULUS_BITS)
    }

    /// What the switch to the modulus 2N adds, its mean taken off.
    #[must_use]
    pub fn modulus_switch(&self) -> f64 {
        self.switched_to(self.size())
    }

    fn switched_to(&self, size: f64) -> f64 {
        let dimension = f64::from(self.parameters.lwe_dimension);
        dimension * ((2.0 * size).powi(-2) / 48.0 + (-2.0 * MODULUS_BITS).exp2() / 24.0)
    }

    /// Of what a rotation gives.
    #[must_use]
    pub fn rotation(&self, role: Use) -> f64 {
        let bootstrap = match role {
            Use::Digit => self.parameters.bootstrap,
            Use::Share => self.parameters.sum_bootstrap,
        };
        let ring = Ring {
            modulus_bits: MODULUS_BITS,
            mantissa_bits: MANTISSA_BITS,
            dimension: f64::from(self.parameters.glwe_dimension),
            size: self.size(),
            noise_bits: self.parameters.glwe_noise_bits,
        };
        f64::from(self.parameters.lwe_dimension) * ring.product(bootstrap)
    }

    fn released_ring(&self) -> Ring {
        let Squash { glwe_dimension, polynomial_size, glwe_noise_bits, .. } = self.parameters.squash;
        Ring {
            modulus_bits: RELEASED_BITS,
            mantissa_bits: PAIR_BITS,
            dimension: f64::from(glwe_dimension),
            size: f64::from(polynomial_size),
            noise_bits: glwe_noise_bits,
        }
    }

    /// Of a squashed sum, from all its pieces.
    #[must_use]
    pub fn squashed(&self) -> f64 {
        let rotations = self
            .parameters
            .pieces()
            .into_iter()
            .map(|piece| f64::from(piece.bits.min(1)) + if piece.last { 1.0 } else { 0.0 });
        rotations.sum::<f64>() * self.squash_rotation()
    }

    /// Of what a rotation modulo 2^128 gives.
    #[must_use]
    pub fn squash_rotation(&self) -> f64 {
        let product = self.released_ring().product(self.parameters.squash.bootstrap);
        f64::from(self.parameters.lwe_dimension) * product
    }

    /// What the switch for such a rotation adds.
    #[must_use]
    pub fn squash_switch(&self) -> f64 {
        self.switched_to(f64::from(self.parameters.squash.polynomial_size))
    }

    /// Of an encryption of zero under the public key of released sums.
    #[must_use]
    pub fn randomized(&self) -> f64 {
        let ring = self.released_ring();
        uniform(ring.noise_bits, RELEASED_BITS) * (2.0 * ring.dimension * ring.size + 1.0)
    }

    /// Of the argument of a rotation, where it is compared with the boxes.
    #[must_use]
    pub fn argument(&self, plan: &Plan, arg: NodeId) -> f64 {
        self.digit(plan, arg) + self.key_switch() + self.modulus_switch()
    }

    /// Of a digit.
    fn digit(&self, plan: &Plan, node: NodeId) -> f64 {
        let mut fresh = 0.0;
        // By what rotations depend on: their outputs are added up as if they were one.
        let mut outputs: BTreeMap<NodeId, f64> = BTreeMap::new();
        for (coefficient, term) in terms(plan, node) {
            match plan.op(term) {
                Some(Op::Input { input, .. }) => {
                    let variance = match plan.origin(*input) {
                        Origin::Table => self.fresh(),
                        Origin::Parameter => self.public(),
                    };
                    fresh += coefficient * coefficient * variance;
                }
                Some(Op::Lookup { arg, .. }) => *outputs.entry(*arg).or_default() += coefficient.abs(),
                _ => {}
            }
        }
        fresh + outputs.values().map(|norm| norm * norm).sum::<f64>() * self.rotation(Use::Digit)
    }

    /// Of a sum over so many rows.
    #[must_use]
    pub fn sum(&self, plan: &Plan, node: NodeId, rows: f64) -> f64 {
        let mut outputs: BTreeMap<NodeId, f64> = BTreeMap::new();
        for (coefficient, term) in terms(plan, node) {
            if let Some(Op::Lookup { arg, .. }) = plan.op(term) {
                *outputs.entry(*arg).or_default() += coefficient.abs();
            }
        }
        let norm: f64 = outputs.values().map(|norm| norm * norm).sum();
        // Each output, and the entry that it was encrypted as; entries are rounded to 64 bits.
        rows * norm * (self.rotation(Use::Share) + self.fresh() + (-2.0 * MODULUS_BITS).exp2())
    }

    /// log2 of the probability that a piece of a sum of this variance is released wrongly.
    #[must_use]
    pub fn pieces_failure_log2(&self, sum: f64) -> f64 {
        let switched = self.key_switch() + self.modulus_switch().max(self.squash_switch());
        let failure = |(before, piece): (u32, &Piece)| {
            // What was taken off for the pieces before stays as noise.
            let rest = sum + f64::from(before) * self.rotation(Use::Share);
            let stretch = self.parameters.sum_bits - piece.shift - piece.bits - 1;
            let rest = rest * (2.0 * f64::from(stretch)).exp2() + switched;
            let margin = (-f64::from(piece.bits) - 2.0).exp2();
            let sign = tail_log2(margin, rest).exp2();
            let looked_up = tail_log2(margin, rest + self.rotation(Use::Digit)).exp2();
            // Once by the service's own rotation and once by the last: the sign of the last piece, else what is below it.
            if piece.last { 2.0 * sign + looked_up } else { sign + 2.0 * looked_up }
        };
        (0..).zip(&self.parameters.pieces()).map(failure).sum::<f64>().log2()
    }

    /// log2 of the probability that a rotation of a row takes a wrong entry.
    #[must_use]
    pub fn failure_log2(&self, plan: &Plan, rotation: &Rotation) -> f64 {
        let margin = rotation.margin(plan, self.parameters) / (2.0 * self.size());
        tail_log2(margin, self.argument(plan, rotation.arg))
    }
}

/// The combination that a node is, without its constant.
fn terms(plan: &Plan, node: NodeId) -> Vec<(f64, NodeId)> {
    #[expect(clippy::cast_precision_loss, reason = "coefficients are far below 2^53")]
    match plan.op(node) {
        Some(Op::Linear(linear)) => linear
            .terms()
            .iter()
            .flat_map(|&(coefficient, term)| {
                terms(plan, term).into_iter().map(move |(inner, term)| (coefficient as f64 * inner, term))
            })
            .collect(),
        Some(_) => vec![(1.0, node)],
        None => Vec::new(),
    }
}

/// A ring of ciphertexts, as far as the noise of a product in it goes.
#[derive(Clone, Copy, Debug)]
struct Ring {
    modulus_bits: f64,
    mantissa_bits: f64,
    /// Polynomials of its key.
    dimension: f64,
    size: f64,
    noise_bits: u32,
}

impl Ring {
    /// What one step of a rotation adds: the product with the key of one bit.
    fn product(&self, Decomposition { base_log, levels }: Decomposition) -> f64 {
        let Self { modulus_bits, mantissa_bits, dimension: k, size: n, noise_bits } = *self;
        let (levels_f, base_log_f) = (f64::from(levels), f64::from(base_log));
        let transforms = 0.00705
            * (2.0 * (modulus_bits - mantissa_bits) + 2.0 * base_log_f - 2.0 * modulus_bits).exp2()
            * levels_f.powf(1.018_27)
            * k.powf(1.220_03)
            * n.powf(2.220_03)
            * (k + 1.0).powf(1.018_27);
        let products = levels_f * n * uniform(noise_bits, modulus_bits) * digit(base_log) * (k + 1.0);
        let rounded = (k * n / 2.0 + 1.0) * rounding(base_log, levels, modulus_bits);
        transforms + products + rounded
    }
}

/// Variance of an error that is uniform in `[-2^b, 2^b]`, half as likely at both ends.
pub(crate) fn uniform(bits: u32, modulus_bits: f64) -> f64 {
    ((f64::from(bits) * 2.0 + 1.0).exp2() + 1.0) / 6.0 * (-2.0 * modulus_bits).exp2()
}

/// Mean square of a digit of a balanced decomposition.
pub(crate) fn digit(base_log: u32) -> f64 {
    (2.0 * f64::from(base_log)).exp2() / 12.0 + 1.0 / 6.0
}

/// What a coefficient's decomposition leaves off, times a binary secret.
fn rounding(base_log: u32, levels: u32, modulus_bits: f64) -> f64 {
    (-2.0 * f64::from(base_log) * f64::from(levels)).exp2() / 24.0 + (-2.0 * modulus_bits).exp2() / 48.0
}

/// log2 of the probability that a normal error of a variance exceeds a margin, on either side.
#[must_use]
pub fn tail_log2(margin: f64, variance: f64) -> f64 {
    // erfc(z) < exp(-z^2) / (z sqrt(pi)).
    let z = margin / (2.0 * variance).sqrt();
    if z < 1.0 {
        return 0.0;
    }
    -z * z * std::f64::consts::LOG2_E - (z * std::f64::consts::PI.sqrt()).log2()
}

/// What a normal error of a variance exceeds with a probability of at most 2^-128.
#[must_use]
pub fn bound(variance: f64) -> f64 {
    (2.0 * variance * FAILURE_BITS * std::f64::consts::LN_2).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 of tfhe-rs, which states 2^-129.581 at a norm of 5.
    #[test]
    fn the_model_gives_what_the_library_states() {
        let decomposition = |base_log, levels| Decomposition { base_log, levels };
        let parameters = TfheParameters {
            lwe_dimension: 918,
            lwe_noise_bits: 45,
            glwe_dimension: 1,
            polynomial_size: 2048,
            glwe_noise_bits: 17,
            key_switch: decomposition(4, 4),
            bootstrap: decomposition(23, 1),
            sum_bootstrap: decomposition(9, 4),
            boxes: 16,
            sum_bits: 16,
            rows_per_block: 64,
            squash: Squash {
                glwe_dimension: 2,
                polynomial_size: 2048,
                glwe_noise_bits: 30,
                bootstrap: decomposition(24, 3),
            },
            security_bits: 128,
        };
        let noise = TorusNoise::new(&parameters);
        let variance = 25.0 * noise.rotation(Use::Digit) + noise.key_switch() + noise.modulus_switch();
        let failure = tail_log2(0.25 / 16.0, variance);
        assert!((failure + 129.581).abs() < 0.1, "{failure}");
        assert!((noise.rotation(Use::Share).log2() / 2.0 + 27.82).abs() < 0.05);
        // Of a rotation modulo 2^128 it is 2^-63.6; a sum of 16 bits takes six.
        assert!((noise.squashed().log2() / 2.0 + 62.33).abs() < 0.05);
        assert!((noise.randomized().log2() / 2.0 + 92.29).abs() < 0.05);
    }
}
