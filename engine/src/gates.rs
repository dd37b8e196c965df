//! The noise of gates: of a leveled sum on the torus, of the rotations that decide on it, and of what is let out.
//!
//! Shifts are bounds that hold always; variances add up on top of them. Sources: as in [`crate::torus`]; of the key switch
//! the same with a ternary secret, whose coefficients have the mean square 2/3.

use hq_plugin_sdk::gate::{
    BASES, Conversion, FLOOD_BITS, Gate, KEY_SWITCH, LIMB_BITS, SENT_BYTES, multiplier,
};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::Level;
use hq_plugin_sdk::rotations::Use;
use hq_plugin_sdk::tfhe::{BootstrapCosts, Decomposition, Squash, TfheParameters};

use crate::noise::{FAILURE_BITS, FLOODING_BITS, float};
use crate::torus::{MODULUS_BITS, TorusNoise, bound, digit, tail_log2, uniform};

/// Mean square of a coefficient of a ternary secret.
const TERNARY: f64 = 2.0 / 3.0;

/// A leveled sum as it is released, without flooding.
#[derive(Clone, Copy, Debug)]
pub struct Leveled<'a> {
    /// Its parameters.
    pub rns: &'a RnsParameters,
    /// Its level.
    pub level: Level,
    /// Certified bound of message and noise, log2.
    pub bits: f64,
}

/// Proves what a gate promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateCertificate {
    /// log2 of the probability that it decides or lets out anything wrong, for so many numbers behind it.
    pub failure_log2: f64,
    /// log2 of the statistical distance between what is let out and what depends on nothing but the decision and, where that
    /// is to open, on the numbers; the larger of that of the decision and of one pad.
    pub distance_log2: f64,
    /// Bootstraps; there is one more, modulo 2^128.
    pub bootstraps: u32,
}

/// The formulas, of a gate.
#[derive(Clone, Copy, Debug)]
pub struct GateNoise<'a> {
    gate: Gate,
    sum: Leveled<'a>,
    parameters: &'a TfheParameters,
    torus: TorusNoise<'a>,
}

impl<'a> GateNoise<'a> {
    /// Of a gate between two schemes.
    #[must_use]
    pub fn new(gate: Gate, sum: Leveled<'a>, parameters: &'a TfheParameters) -> Self {
        Self { gate, sum, parameters, torus: TorusNoise::new(parameters) }
    }

    /// By how much a conversion is off at most, its variance apart: half of what the factor is off over all counts, and the noise
    /// of the sum times its multiplier.
    #[must_use]
    pub fn shift(&self, conversion: Conversion) -> f64 {
        let Leveled { rns, level, bits } = self.sum;
        let level = usize::from(level.0);
        let times = float(multiplier(rns, level, conversion.factor).unsigned_abs());
        let of_sum = times * (bits - rns.log2_q(level)).exp2() / float(rns.plaintext_modulus);
        self.gate.off(conversion) + of_sum
    }

    /// Variance of a conversion: each coefficient rounded down to 64 bits, and the switch to the ring key, whose digits meet the
    /// key's errors and leave something off.
    #[must_use]
    pub fn conversion(&self) -> f64 {
        let dimension = f64::from(self.sum.rns.ring_degree);
        let Decomposition { base_log, levels } = KEY_SWITCH;
        let rounded = (dimension * TERNARY + 1.0) * (-2.0 * MODULUS_BITS).exp2() / 3.0;
        let products = f64::from(levels)
            * dimension
            * uniform(self.parameters.glwe_noise_bits, MODULUS_BITS)
            * digit(base_log);
        let left_off = dimension * TERNARY * (-2.0 * f64::from(base_log) * f64::from(levels)).exp2() / 12.0;
        rounded + products + left_off
    }

    /// Variance of the argument of a digit's tables: what earlier digits are taken off with, and its own half turn.
    #[must_use]
    pub fn digit(&self, at: u32) -> f64 {
        self.conversion() + f64::from(at + 1) * self.torus.rotation(Use::Digit) + self.rounded()
    }

    /// What every argument has on its way to a rotation.
    fn rounded(&self) -> f64 {
        self.torus.key_switch() + self.torus.modulus_switch()
    }

    /// Half a box of `boxes` in a half turn, less half a coefficient, since boxes are whole coefficients.
    fn margin(&self, boxes: u64) -> f64 {
        1.0 / (4.0 * float(boxes)) - 1.0 / (4.0 * f64::from(self.parameters.polynomial_size))
    }

    /// Certifies the gate with so many numbers behind it; `None` where it fails, or tells, too much.
    #[must_use]
    pub fn certify(&self, numbers: u64) -> Option<GateCertificate> {
        let digits = self.gate.digits();
        let coarse = self.torus.rotation(Use::Digit);
        let mut failure = 0.0;
        for at in 0..digits {
            // Both rotations of a digit, with the larger variance of the two.
            let margin = self.margin(self.gate.base()) - self.shift(self.gate.conversion(at));
            failure += 2.0 * tail_log2(margin.max(0.0), self.digit(at)).exp2();
        }
        let opened = f64::from(digits) * coarse + self.torus.key_switch() + self.torus.squash_switch();
        failure += tail_log2(self.margin(u64::from(digits) + 1), opened).exp2();
        let limbs = f64::from(self.gate.limbs());
        let flood = (-f64::from(FLOOD_BITS)).exp2();
        let sent = tail_log2((-f64::from(LIMB_BITS) - 1.0).exp2() - flood, self.sample());
        failure += (float(numbers) * limbs + 1.0) * sent.exp2();
        let failure_log2 = failure.log2();
        // Uniform noise hides a shift by as much as the shift is of its width.
        let shift = float((1 << LIMB_BITS) - 1) * bound(self.torus.squash_rotation());
        let distance_log2 = (shift / (2.0 * flood)).log2() + limbs.log2();
        let holds = failure_log2 <= -FAILURE_BITS && distance_log2 <= -f64::from(FLOODING_BITS);
        holds.then_some(GateCertificate { failure_log2, distance_log2, bootstraps: bootstraps(&self.gate) })
    }

    /// Of what is sent: a multiple of the decision, made new, and rounded under a binary secret.
    fn sample(&self) -> f64 {
        let times = float((1 << LIMB_BITS) - 1);
        let Squash { glwe_dimension, polynomial_size, .. } = self.parameters.squash;
        let dimension = f64::from(glwe_dimension) * f64::from(polynomial_size);
        let step = (-8.0 * SENT_BYTES as f64).exp2();
        let rounded = (dimension / 2.0 + 1.0) * step * step / 12.0;
        times * times * self.torus.squash_rotation() + self.torus.randomized() + rounded
    }
}

/// Bootstraps of a gate: two for each digit and one for each pair of digits.
#[must_use]
pub fn bootstraps(gate: &Gate) -> u32 {
    let digits = gate.digits();
    2 * digits + digits * (digits - 1) / 2
}

/// The gate of fewest bootstraps that certifies.
#[must_use]
pub fn cheapest(
    (least, most): (u64, u64),
    sum: Leveled<'_>,
    parameters: &TfheParameters,
    numbers: u64,
) -> Option<(Gate, GateCertificate)> {
    BASES
        .rev()
        .filter_map(|base| Gate::new(least, most, sum.rns.plaintext_modulus, base))
        .filter_map(|gate| Some((gate, GateNoise::new(gate, sum, parameters).certify(numbers)?)))
        .min_by_key(|(gate, _)| bootstraps(gate))
}

/// CPU nanoseconds of a gate's bootstraps.
#[must_use]
pub fn cost_ns(gate: &Gate, parameters: &TfheParameters, costs: BootstrapCosts) -> f64 {
    f64::from(bootstraps(gate)) * costs.bootstrap(parameters.bootstrap.levels)
        + costs.key_switch
        + costs.squash
}
