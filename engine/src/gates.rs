//! The noise of gates: of a leveled sum on the torus, of the rotations that decide on it, and of what is let out.
//!
//! Shifts are bounds that hold always; variances add up on top of them. Sources: as in [`crate::torus`]; of the key switch
//! the same with a ternary secret, whose coefficients have the mean square 2/3.

use hq_plugin_sdk::cells::PlacedGates;
use hq_plugin_sdk::gate::{
    BASES, Conversion, FLOOD_BITS, Gate, KEY_SWITCH, LIMB_BITS, SENT_BYTES, multiplier,
};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{Level, Plan};
use hq_plugin_sdk::rotations::Use;
use hq_plugin_sdk::tfhe::{BootstrapCosts, Bootstrapped, Decomposition, Squash, TfheParameters};

use crate::certificate::{Certificate, Uncertified};
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

/// The gates of a plan, proved.
#[derive(Clone, Debug, PartialEq)]
pub struct GatesCertificate {
    /// log2 of the probability that any gate decides or lets out anything wrong.
    pub failure_log2: f64,
    /// log2 of the statistical distance of what is let out, the largest of all cells.
    pub distance_log2: f64,
    /// Cells.
    pub cells: u32,
    /// Digits of a count at most.
    pub digits: u32,
    /// Bootstraps of all cells; each has one more, modulo 2^128.
    pub bootstraps: u32,
    /// CPU nanoseconds of all cells, without the expansion of the keys.
    pub cells_ns: f64,
    /// With it.
    pub cost_ns: f64,
}

impl GatesCertificate {
    /// As certificates of other schemes have it.
    #[must_use]
    pub fn release_distance_log2(&self) -> i32 {
        -i32::try_from(crate::noise::ceil(-self.distance_log2 - 1.0, 0..=4096)).unwrap_or(0)
    }
}

/// The parameters of gates beside a scheme of so many bits of security. Which decomposition sums have is all the same, so the
/// first will do.
#[must_use]
pub fn parameters(bootstrapped: &Bootstrapped, security_bits: u32) -> Option<&TfheParameters> {
    bootstrapped.parameters.iter().find(|set| set.security_bits >= security_bits)
}

/// Gates with the widest digits, so that a plan has whatever follows from none.
///
/// # Errors
/// They are of less security than the plan.
pub(crate) fn place_any(plan: &mut Plan, bootstrapped: &Bootstrapped) -> Result<(), Uncertified> {
    let wanted = plan.gated_parameters().map_or(0, |rns| rns.security_bits);
    let parameters = self::parameters(bootstrapped, wanted)
        .ok_or(Uncertified::Gates { reason: "there are no keys for it of that security" })?;
    if let Some(gates) = &mut plan.gates {
        gates.placed = Some(PlacedGates { base: *BASES.end(), parameters: parameters.clone() });
    }
    Ok(())
}

/// Gates of the digits that cost least, of a plan that was certified on levels; `None` where it has none.
///
/// # Errors
/// None can be certified.
pub(crate) fn place_cheapest(
    plan: &mut Plan,
    certificate: &Certificate,
    bootstrapped: &Bootstrapped,
) -> Result<Option<GatesCertificate>, Uncertified> {
    let mut best: Option<(u64, GatesCertificate)> = None;
    for base in BASES.rev() {
        let Some(placed) = plan.gates.as_mut().and_then(|gates| gates.placed.as_mut()) else {
            return Ok(None);
        };
        placed.base = base;
        if let Some(found) = certify(plan, certificate, bootstrapped.costs)
            && best.as_ref().is_none_or(|(_, best)| found.cost_ns < best.cost_ns)
        {
            best = Some((base, found));
        }
    }
    let reason = "no digits of it are told apart with certainty; a lower min_cell or fewer rows may be";
    let (base, found) = best.ok_or(Uncertified::Gates { reason })?;
    if let Some(placed) = plan.gates.as_mut().and_then(|gates| gates.placed.as_mut()) {
        placed.base = base;
    }
    Ok(Some(found))
}

/// Certifies the gates of a placed plan; `None` where it has none, or one that fails or tells too much.
#[must_use]
pub fn certify(plan: &Plan, certificate: &Certificate, costs: BootstrapCosts) -> Option<GatesCertificate> {
    let parameters = &plan.gates.as_ref()?.placed.as_ref()?.parameters;
    let (rns, level) = (plan.gated_parameters()?, plan.release?.level);
    let mut all = GatesCertificate {
        failure_log2: f64::NEG_INFINITY,
        distance_log2: f64::NEG_INFINITY,
        cells: u32::try_from(plan.cells().len()).ok()?,
        digits: 0,
        bootstraps: 0,
        cells_ns: 0.0,
        cost_ns: costs.setup,
    };
    for cell in plan.cells() {
        let gate = plan.gate_of(cell)?;
        let bits = certificate.sums.get(plan.count_of(cell)?.index())?.bits;
        let numbers = plan.sums_behind(cell).len() as u64;
        let of_cell = GateNoise::new(gate, Leveled { rns, level, bits }, parameters).certify(numbers)?;
        all.failure_log2 = (all.failure_log2.exp2() + of_cell.failure_log2.exp2()).log2();
        all.distance_log2 = all.distance_log2.max(of_cell.distance_log2);
        all.digits = all.digits.max(gate.digits());
        all.bootstraps += of_cell.bootstraps;
        all.cells_ns += cost_ns(&gate, parameters, costs);
    }
    all.cost_ns += all.cells_ns;
    // The other half of what may fail is that of levels.
    (all.failure_log2 <= -FAILURE_BITS - 1.0).then_some(all)
}

/// CPU nanoseconds of a gate's bootstraps.
#[must_use]
pub fn cost_ns(gate: &Gate, parameters: &TfheParameters, costs: BootstrapCosts) -> f64 {
    f64::from(bootstraps(gate)) * costs.bootstrap(parameters.bootstrap.levels)
        + costs.key_switch
        + costs.squash
}
