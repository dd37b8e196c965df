//! Plans of bootstraps: the cheapest that certifies, from the backend's description alone.
//!
//! A certificate of such a plan holds for the whole table: no argument of any row leaves its box and no sum is rounded
//! wrongly, but with a probability of 2^-128 in all.

use hq_plugin_sdk::capabilities::Bootstrapped;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::{Op, Plan};
use hq_plugin_sdk::rotations::{Rotations, Use};
use hq_plugin_sdk::tfhe::TfheParameters;
use hq_plugin_sdk::verify::{Invalid, ranges};

use crate::certificate::blocks;
use crate::noise::{FAILURE_BITS, FLOODING_BITS, ceil, float};
use crate::passes::{self, Encodings, Shared, Values};
use crate::planner::{Pipeline, PlanError, Planned};
use crate::torus::{TorusNoise, bound, tail_log2};

/// Most limbs of a sum.
const MAX_LIMBS: usize = 64;

/// Proves what a plan of bootstraps promises. Recomputed from the plan whenever it is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapCertificate {
    /// log2 of the probability that any number of the table's is wrong.
    pub failure_log2: f64,
    /// Security of the parameters in bits.
    pub security_bits: u32,
    /// Bootstraps of a row that give digits, and those that give shares.
    pub bootstraps: (usize, usize),
    /// Per rotation: log2 of the probability that a row takes a wrong entry.
    pub rotations_log2: Vec<f64>,
    /// Per sum: log2 of the probability that a piece of it is released wrongly, or all of it rounded wrongly when it is
    /// opened.
    pub sums_log2: Vec<f64>,
    /// log2 of the statistical distance between a released ciphertext and one that depends on nothing but its number.
    pub release_distance_log2: i32,
}

/// Certifies a plan of bootstraps.
///
/// # Errors
/// The plan is malformed, or promises too little.
pub fn certify(plan: &Plan) -> Result<BootstrapCertificate, PlanError> {
    let invalid = |source| PlanError::Pass { pass: "certify", source };
    let not_placed =
        || Invalid { place: "parameters".to_owned(), reason: "the plan is none of bootstraps".to_owned() };
    let Some(Parameters::Tfhe(parameters)) = &plan.parameters else { return Err(invalid(not_placed())) };
    let rotations = rotations(plan, parameters).map_err(invalid)?;
    let noise = TorusNoise::new(parameters);
    // Rows that a block lacks are computed as well.
    let rows = float(blocks(plan.rows, parameters.rows_per_block)) * f64::from(parameters.rows_per_block);
    let rotations_log2: Vec<f64> =
        rotations.rotations.iter().map(|rotation| noise.failure_log2(plan, rotation)).collect();
    let opened = noise.squashed() + noise.randomized();
    let flood = (f64::from(parameters.flood_bits()) - 128.0).exp2();
    let half = (-f64::from(parameters.sum_bits) - 1.0).exp2();
    let rounded = tail_log2(half - flood, opened).exp2();
    let sums_log2: Vec<f64> = plan
        .sums
        .iter()
        .map(|sum| {
            let pieces = noise.pieces_failure_log2(noise.sum(plan, sum.node, rows));
            (pieces.exp2() + rounded).log2()
        })
        .collect();
    // Uniform noise hides a shift by as much as the shift is of its width.
    let distance_log2 = (bound(opened) / (2.0 * flood)).log2();
    if distance_log2 > -f64::from(FLOODING_BITS) {
        return Err(PlanError::Shown { distance_log2 });
    }
    let of_rows: f64 = rotations_log2.iter().map(|failure| failure.exp2()).sum::<f64>() * rows;
    let failure_log2 = (of_rows + sums_log2.iter().map(|failure| failure.exp2()).sum::<f64>()).log2();
    if failure_log2 > -FAILURE_BITS {
        return Err(PlanError::Unsure { failure_log2 });
    }
    let count = |role| rotations.rotations.iter().filter(|rotation| rotation.role == role).count();
    Ok(BootstrapCertificate {
        failure_log2,
        security_bits: parameters.security_bits,
        bootstraps: (count(Use::Digit), count(Use::Share)),
        rotations_log2,
        sums_log2,
        // In whole bits, and not more than there are.
        release_distance_log2: -i32::try_from(ceil((-distance_log2).floor(), 0..=128)).unwrap_or(0),
    })
}

/// The rotations of a verified plan.
///
/// # Errors
/// What does not hold of the plan.
pub fn rotations(plan: &Plan, parameters: &TfheParameters) -> Result<Rotations, Invalid> {
    Rotations::of(plan, &ranges(plan)?, parameters)
}

/// Estimated CPU nanoseconds over the whole table.
#[must_use]
pub fn cost_ns(plan: &Plan, parameters: &TfheParameters, bootstrapped: &Bootstrapped) -> f64 {
    let costs = bootstrapped.costs;
    let Ok(rotations) = rotations(plan, parameters) else { return f64::INFINITY };
    let of_rotations: f64 = rotations
        .rotations
        .iter()
        .map(|rotation| {
            costs.bootstrap(match rotation.role {
                Use::Digit => parameters.bootstrap.levels,
                Use::Share => parameters.sum_bootstrap.levels,
            })
        })
        .sum();
    let terms = |op: &Op| if let Op::Linear(linear) = op { linear.terms().len() } else { 0 };
    let terms = plan.nodes().iter().map(terms).sum::<usize>() as u64;
    let row = of_rotations + costs.load * float(plan.inputs.len() as u64) + costs.linear_term * float(terms);
    float(plan.rows) * row + costs.released(parameters) * float(plan.sums.len() as u64) + costs.setup
}

/// Rows of a block, so that as many blocks are full as can be: rows that one lacks are computed as well.
fn filled(rows: u64, most_per_block: u32) -> u32 {
    let each = rows.max(1).div_ceil(blocks(rows, most_per_block));
    u32::try_from(each).map_or(most_per_block, |each| each.min(most_per_block))
}

/// What plans of bootstraps are made from.
pub(crate) struct Tables<'a> {
    pub(crate) bootstrapped: &'a Bootstrapped,
    pub(crate) encodings: &'a Encodings,
    /// The circuit over columns, and the passes before.
    pub(crate) pipeline: Pipeline,
    pub(crate) circuit: Plan,
}

impl Tables<'_> {
    /// The cheapest plan that certifies, over all parameter sets of at least this security.
    pub(crate) fn cheapest(&self, security_bits: u32) -> Result<Planned, PlanError> {
        let mut best: Option<Planned> = None;
        let mut last = None;
        for set in &self.bootstrapped.parameters {
            if set.security_bits < security_bits {
                continue;
            }
            let least = u64::BITS - self.circuit.rows.leading_zeros();
            let rows_per_block = filled(self.circuit.rows, set.rows_per_block);
            for sum_bits in (least.max(1)..=set.sum_bits).rev() {
                match self.fixed(&TfheParameters { sum_bits, rows_per_block, ..set.clone() }) {
                    Ok(planned) => {
                        if best.as_ref().is_none_or(|best| planned.cost_ns < best.cost_ns) {
                            best = Some(planned);
                        }
                        break;
                    }
                    Err(error) => last = Some(error),
                }
            }
        }
        let none = || PlanError::Pass {
            pass: "parameters",
            source: Invalid {
                place: "rows".to_owned(),
                reason: "the backend has no parameters of this security that count so many".to_owned(),
            },
        };
        best.ok_or_else(|| last.unwrap_or_else(none))
    }

    /// The cheapest plan for given parameters.
    pub(crate) fn fixed(&self, parameters: &TfheParameters) -> Result<Planned, PlanError> {
        let mut best: Option<Planned> = None;
        let mut last = None;
        let ways = [Values::Whole, Values::Limbs]
            .into_iter()
            .flat_map(|values| [Shared::LookedUp, Shared::Inlined].map(|shared| (values, shared)));
        for (values, shared) in ways {
            match self.with_values(parameters, values, shared) {
                Ok(planned) => {
                    if best.as_ref().is_none_or(|best| planned.cost_ns < best.cost_ns) {
                        best = Some(planned);
                    }
                }
                // Words are tried first; why digits do not serve says more.
                Err(error) => last = Some(error),
            }
        }
        match (best, last) {
            (Some(best), _) => Ok(best),
            (None, Some(error)) => Err(error),
            (None, None) => Err(PlanError::Unsure { failure_log2: 0.0 }),
        }
    }

    fn with_values(
        &self,
        parameters: &TfheParameters,
        values: Values,
        shared: Shared,
    ) -> Result<Planned, PlanError> {
        let modulus = parameters.sum_modulus();
        let width = (modulus - 1) / self.circuit.rows.max(1);
        let mut pipeline = self.pipeline.clone();
        let mut plan = pipeline
            .pass("encode", &self.circuit, |plan| passes::encode_digits(plan, self.encodings, values))?;
        plan = pipeline.pass("presence", &plan, passes::presence)?;
        plan = pipeline.pass("prune", &plan, passes::prune)?;
        plan = pipeline
            .pass("tables", &plan, |plan| passes::tables(plan, parameters.entries(), width, shared))?;
        plan = pipeline.pass("limbs", &plan, |plan| passes::limbs(plan, modulus, MAX_LIMBS))?;
        plan.parameters = Some(Parameters::Tfhe(parameters.clone()));
        let certificate = certify(&plan)?;
        let cost_ns = cost_ns(&plan, parameters, self.bootstrapped);
        Ok(Planned {
            passes: pipeline.into_trail(),
            plan,
            certificate: None,
            bootstraps: Some(certificate),
            gates: None,
            cost_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn blocks_are_filled() {
        for (rows, wanted) in [(0, 1), (12, 12), (64, 64), (65, 33), (100, 50), (256, 64), (65_536, 64)] {
            assert_eq!(filled(rows, 64), wanted, "{rows} rows");
        }
    }
}
