//! From a circuit to a certified plan for one backend: the cheapest parameters that certify, found from
//! the backend's description alone.

use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::capabilities::{Bootstrapped, Capabilities, InputForm, Leveled};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::tfhe::TfheParameters;
use hq_plugin_sdk::verify::{self, Invalid};

use crate::algebra::Result as Rebuilt;
use crate::bootstraps::{BootstrapCertificate, Tables};
use crate::certificate::{self, Certificate, Uncertified, certify};
use crate::chain::Chain;
use crate::claims::{self, FalseClaim};
use crate::gates::{self, GatesCertificate};
use crate::passes::{self, Depths, Encodings, Values};

/// Rows per block of a backend that has no slots.
const CLEAR_BLOCK_ROWS: u32 = 65_536;

/// Most limbs of a sum. More would cost more than any other modulus could save.
const MAX_LIMBS: usize = 64;

/// What a plan is made for.
#[derive(Clone, Debug)]
pub enum Target {
    /// The cheapest parameters of at least this security.
    Cheapest {
        /// 128, 192 or 256.
        security_bits: u32,
        /// Most bits of a chain, where ciphertexts may not take more.
        max_log2_q: Option<u32>,
    },
    /// The parameters of keys that exist.
    Fixed(RnsParameters),
    /// The same, of a scheme of bootstraps.
    Bootstrapped(TfheParameters),
}

/// A plan with what was found on the way.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Every pass that ran, by name, with its result.
    pub passes: Vec<(&'static str, Plan)>,
    /// The plan to run.
    pub plan: Plan,
    /// Its certificate, of a plan on levels; `None` where nothing is encrypted.
    pub certificate: Option<Certificate>,
    /// Its certificate, of a plan of bootstraps.
    pub bootstraps: Option<BootstrapCertificate>,
    /// That of its gates, where small counts stay encrypted.
    pub gates: Option<GatesCertificate>,
    /// Estimated CPU nanoseconds over all blocks, at the backend's own prices.
    pub cost_ns: f64,
}

/// What a certificate promises, of any scheme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// log2 of the probability that any released number is wrong.
    pub failure_log2: f64,
    /// Security of the parameters in bits.
    pub security_bits: u32,
    /// log2 of the statistical distance between a released ciphertext and one that depends on nothing but its number.
    pub release_distance_log2: i32,
}

impl Planned {
    /// What is promised; `None` where nothing is encrypted.
    #[must_use]
    pub fn promise(&self) -> Option<Promise> {
        let gates = self.gates.as_ref();
        let on_levels = self.certificate.as_ref().map(|certificate| Promise {
            failure_log2: gates.map_or(certificate.failure_log2, |gates| {
                (certificate.failure_log2.exp2() + gates.failure_log2.exp2()).log2()
            }),
            security_bits: certificate.security_bits,
            release_distance_log2: gates.map_or(certificate.release_distance_log2, |gates| {
                certificate.release_distance_log2.max(gates.release_distance_log2())
            }),
        });
        on_levels.or_else(|| {
            self.bootstraps.as_ref().map(|certificate| Promise {
                failure_log2: certificate.failure_log2,
                security_bits: certificate.security_bits,
                release_distance_log2: certificate.release_distance_log2,
            })
        })
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlanError {
    /// A pass failed, or left something invalid.
    #[error("{pass}: {source}")]
    Pass {
        /// The pass.
        pass: &'static str,
        /// What is wrong.
        source: Invalid,
    },
    /// No parameters certify the plan.
    #[error("the deepest number needs {depth} multiplications in sequence; the parameters allow {allowed}")]
    TooDeep {
        /// Depth of the deepest sum.
        depth: u32,
        /// Depth that the parameters allow.
        allowed: u32,
        /// The aggregate that needs most.
        aggregate: usize,
    },
    /// The plan does not certify at the keys' parameters for another reason than depth.
    #[error(transparent)]
    Uncertified(#[from] Uncertified),
    /// The plan does not certify at any parameters of a scheme of bootstraps.
    #[error("a number would be wrong with probability 2^{failure_log2:.0}, where 2^-128 is allowed")]
    Unsure {
        /// log2 of the probability that any number is wrong.
        failure_log2: f64,
    },
    /// Noise that is added to a released sum does not hide what the computation left in it.
    #[error("a released sum would show its computation up to 2^{distance_log2:.0}, where 2^-40 is allowed")]
    Shown {
        /// log2 of the statistical distance from a ciphertext that depends on nothing but its number.
        distance_log2: f64,
    },
    /// The backend claims what is not known to hold.
    #[error(transparent)]
    Claims(#[from] FalseClaim),
    /// The backend has no such parameters.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Asks the backend for concrete parameters.
pub type Resolve<'a> = dyn Fn(&RnsRequest) -> Result<RnsParameters, BackendError> + 'a;

/// Plans a circuit for a backend.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(
    circuit: &Plan,
    encodings: &Encodings,
    capabilities: &Capabilities,
    resolve: &Resolve<'_>,
    target: &Target,
) -> Result<Planned, PlanError> {
    claims::check(capabilities)?;
    let mut planner = Pipeline { trail: Vec::new() };
    let circuit = planner.pass("simplify", circuit, passes::prune)?;
    if let Some(bootstrapped) = &capabilities.bootstrapped {
        let tables = Tables { bootstrapped, encodings, pipeline: planner, circuit };
        return match target {
            Target::Cheapest { security_bits, .. } => tables.cheapest(*security_bits),
            Target::Bootstrapped(parameters) => tables.fixed(parameters),
            Target::Fixed(_) => Err(other_scheme()),
        };
    }
    match (&capabilities.leveled, capabilities.inputs) {
        (Some(leveled), InputForm::Parts) => {
            let mut encoded = Vec::with_capacity(3);
            for values in [Values::Whole, Values::Limbs, Values::Flags] {
                let mut pipeline = planner.clone();
                let plan =
                    pipeline.pass("encode", &circuit, |plan| passes::encode(plan, encodings, values))?;
                if encoded.iter().all(|(_, known)| *known != plan) {
                    encoded.push((pipeline, plan));
                }
            }
            let max_log2_q = match target {
                Target::Cheapest { max_log2_q, .. } => *max_log2_q,
                Target::Fixed(_) | Target::Bootstrapped(_) => None,
            };
            let gates = capabilities.gates.as_ref();
            Search { leveled, gates, resolve, encoded, max_log2_q }.run(target)
        }
        (Some(_), InputForm::Columns) | (None, _) => {
            let mut plan = circuit;
            plan.parameters = Some(Parameters::Clear { rows_per_block: CLEAR_BLOCK_ROWS });
            Ok(Planned {
                passes: planner.trail,
                plan,
                certificate: None,
                bootstraps: None,
                gates: None,
                cost_ns: 0.0,
            })
        }
    }
}

/// Keys of one scheme do not serve another.
fn other_scheme() -> PlanError {
    let reason = "they are of another scheme than the backend's".to_owned();
    PlanError::Pass { pass: "parameters", source: Invalid { place: "keys".to_owned(), reason } }
}

/// Runs passes, verifies after each, and keeps what they made.
#[derive(Clone)]
pub(crate) struct Pipeline {
    trail: Vec<(&'static str, Plan)>,
}

impl Pipeline {
    /// What was made.
    pub(crate) fn into_trail(self) -> Vec<(&'static str, Plan)> {
        self.trail
    }

    /// Runs a pass.
    pub(crate) fn pass(
        &mut self,
        name: &'static str,
        plan: &Plan,
        f: impl FnOnce(&Plan) -> Rebuilt<Plan>,
    ) -> Result<Plan, PlanError> {
        let wrong = |source| PlanError::Pass { pass: name, source };
        let after = f(plan).map_err(wrong)?;
        verify::ranges(&after).map_err(wrong)?;
        self.trail.push((name, after.clone()));
        Ok(after)
    }
}

pub(crate) struct Search<'a> {
    pub(crate) leveled: &'a Leveled,
    /// What decides on counts.
    pub(crate) gates: Option<&'a Bootstrapped>,
    pub(crate) resolve: &'a Resolve<'a>,
    /// The circuit over parts, with the values of columns whole and split.
    pub(crate) encoded: Vec<(Pipeline, Plan)>,
    pub(crate) max_log2_q: Option<u32>,
}

/// A pass with its name.
type Pass = (&'static str, fn(&Plan) -> Rebuilt<Plan>);

/// The passes between limbs and placement.
const SHAPING: [Pass; 3] =
    [("balance", passes::balance), ("presence", passes::presence), ("prune", passes::prune)];

/// A circuit in its last shape, before levels.
pub(crate) struct Shaped {
    pub(crate) plan: Plan,
    pipeline: Pipeline,
}

impl Search<'_> {
    fn run(&self, target: &Target) -> Result<Planned, PlanError> {
        match target {
            Target::Fixed(parameters) => self.fixed(parameters),
            Target::Cheapest { security_bits, .. } => self.cheapest(*security_bits),
            Target::Bootstrapped(_) => Err(other_scheme()),
        }
    }

    /// The sums in limbs for a plaintext modulus, for each way in which values enter them; at least one.
    pub(crate) fn limbs(&self, modulus: u64) -> Result<Vec<(Pipeline, Plan)>, PlanError> {
        let mut limbs: Vec<(Pipeline, Plan)> = Vec::with_capacity(self.encoded.len());
        let mut refused = None;
        for (pipeline, encoded) in &self.encoded {
            let mut pipeline = pipeline.clone();
            match pipeline.pass("limbs", encoded, |plan| passes::limbs(plan, modulus, MAX_LIMBS)) {
                Ok(plan) => limbs.push((pipeline, plan)),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if limbs.is_empty() => Err(error),
            _ => Ok(limbs),
        }
    }

    /// A circuit with its sums in limbs, shaped: as it is, and with factors distributed where that changes
    /// something.
    pub(crate) fn shape(whole: Pipeline, plan: Plan) -> Result<Vec<Shaped>, PlanError> {
        let mut distributed = whole.clone();
        let other = distributed.pass("distribute", &plan, passes::distribute)?;
        let mut shaped = Vec::with_capacity(2);
        for (mut pipeline, mut plan) in
            [(other != plan).then_some((distributed, other)), Some((whole, plan))].into_iter().flatten()
        {
            for (name, pass) in SHAPING {
                plan = pipeline.pass(name, &plan, pass)?;
            }
            shaped.push(Shaped { plan, pipeline });
        }
        Ok(shaped)
    }

    /// A placed plan with the levels of a chain, and its certificate.
    pub(crate) fn certified(
        &self,
        shaped: &Shaped,
        placed: &Plan,
        (chain, parameters): (&Chain, &RnsParameters),
        cost_ns: f64,
    ) -> Result<Planned, PlanError> {
        let mut pipeline = shaped.pipeline.clone();
        pipeline.trail.push(("place", placed.clone()));
        let mut plan = pipeline.pass("spread", placed, |plan| chain.spread(plan))?;
        plan.parameters = Some(Parameters::Rns(parameters.clone()));
        plan.release = Some(chain.release(0));
        let invalid = |source| PlanError::Pass { pass: "certify", source };
        let flood_bits = certificate::flood_bits(&plan, parameters, self.leveled).map_err(invalid)?;
        plan.release = Some(chain.release(flood_bits));
        if let (true, Some(gates)) = (plan.gates.is_some(), self.gates) {
            gates::place_any(&mut plan, gates)?;
        }
        let certificate = certify(&plan, self.leveled)?;
        let gates = match self.gates {
            Some(gates) => gates::place_cheapest(&mut plan, &certificate, gates)?,
            None => None,
        };
        Ok(Planned {
            passes: pipeline.trail,
            plan,
            certificate: Some(certificate),
            bootstraps: None,
            cost_ns: cost_ns + gates.as_ref().map_or(0.0, |gates| gates.cost_ns),
            gates,
        })
    }
}

/// The number that needs most products in sequence, where the parameters bear `allowed`.
pub(crate) fn too_deep(plan: &Plan, allowed: u32) -> PlanError {
    let mut depths = Depths::default();
    let deepest = (0..plan.aggregates.len())
        .map(|index| {
            let terms = plan.aggregates.get(index).map_or(&[][..], |aggregate| &aggregate.terms);
            let depth = terms
                .iter()
                .filter_map(|(_, sum)| plan.sums.get(sum.index()))
                .map(|sum| depths.of(plan, sum.node))
                .max();
            (depth.unwrap_or(0), std::cmp::Reverse(index))
        })
        .max();
    let (depth, aggregate) = deepest.map_or((0, 0), |(depth, index)| (depth, index.0));
    PlanError::TooDeep { depth, allowed: allowed.min(depth.saturating_sub(1)), aggregate }
}
