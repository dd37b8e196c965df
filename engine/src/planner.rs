//! From a circuit to a certified plan for one backend: the cheapest parameters that certify, found from
//! the backend's description alone.

use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::capabilities::{Capabilities, InputForm, Leveled};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Level, Op, Plan, Release};
use hq_plugin_sdk::verify::{self, Invalid, Shape};

use crate::algebra::Result as Rebuilt;
use crate::certificate::{self, Certificate, Uncertified, certify};
use crate::cost::{Census, Ring};
use crate::passes::{self, Depths, Encodings};

/// Results are opened at this level: two primes hold a number, its noise and the flooding.
pub const RELEASE_LEVEL: Level = Level(1);

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
    },
    /// The parameters of keys that exist.
    Fixed(RnsParameters),
}

/// A plan with what was found on the way.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Every pass that ran, by name, with its result.
    pub passes: Vec<(&'static str, Plan)>,
    /// The plan to run.
    pub plan: Plan,
    /// Its certificate; `None` where nothing is encrypted.
    pub certificate: Option<Certificate>,
    /// Estimated CPU nanoseconds over all blocks.
    pub cost_ns: f64,
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
    let mut planner = Pipeline { trail: Vec::new() };
    let circuit = planner.pass("simplify", circuit, passes::prune)?;
    match (&capabilities.leveled, capabilities.inputs) {
        (Some(leveled), InputForm::Parts) => {
            let encoded = planner.pass("encode", &circuit, |plan| passes::encode(plan, encodings))?;
            Search { leveled, resolve, encoded, pipeline: planner }.run(target)
        }
        (Some(_), InputForm::Columns) | (None, _) => {
            let mut plan = circuit;
            plan.parameters = Some(Parameters::Clear { rows_per_block: CLEAR_BLOCK_ROWS });
            Ok(Planned { passes: planner.trail, plan, certificate: None, cost_ns: 0.0 })
        }
    }
}

/// Runs passes, verifies after each, and keeps what they made.
#[derive(Clone)]
pub(crate) struct Pipeline {
    trail: Vec<(&'static str, Plan)>,
}

impl Pipeline {
    fn pass(
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
    pub(crate) resolve: &'a Resolve<'a>,
    pub(crate) encoded: Plan,
    pipeline: Pipeline,
}

/// A pass with its name.
type Pass = (&'static str, fn(&Plan) -> Rebuilt<Plan>);

/// The passes between limbs and placement.
const SHAPING: [Pass; 3] =
    [("balance", passes::balance), ("presence", passes::presence), ("prune", passes::prune)];

/// A plan with levels, for parameters that are not chosen yet.
pub(crate) struct Placement {
    pub(crate) plan: Plan,
    pipeline: Pipeline,
    pub(crate) shapes: Vec<Shape>,
    census: Census,
    /// Primes in the chain that it needs.
    pub(crate) levels: usize,
}

impl Search<'_> {
    fn run(&self, target: &Target) -> Result<Planned, PlanError> {
        match target {
            Target::Fixed(parameters) => self.fixed(parameters),
            Target::Cheapest { security_bits } => self.cheapest(*security_bits),
        }
    }

    /// The sums in limbs for a plaintext modulus.
    pub(crate) fn limbs(&self, modulus: u64) -> Result<(Pipeline, Plan), PlanError> {
        let mut pipeline = self.pipeline.clone();
        let plan = pipeline.pass("limbs", &self.encoded, |plan| passes::limbs(plan, modulus, MAX_LIMBS))?;
        Ok((pipeline, plan))
    }

    /// Limbs for a plaintext modulus, then shape and place: as it is, and with factors distributed where
    /// that changes something.
    pub(crate) fn place(&self, modulus: u64) -> Result<Vec<Placement>, PlanError> {
        let (pipeline, plan) = self.limbs(modulus)?;
        Self::place_limbs(pipeline, plan)
    }

    pub(crate) fn place_limbs(whole: Pipeline, plan: Plan) -> Result<Vec<Placement>, PlanError> {
        let mut distributed = whole.clone();
        let other = distributed.pass("distribute", &plan, passes::distribute)?;
        let mut placements = Vec::with_capacity(2);
        if other != plan {
            placements.push(shape_and_place(distributed, other)?);
        }
        placements.push(shape_and_place(whole, plan)?);
        Ok(placements)
    }

    fn fixed(&self, parameters: &RnsParameters) -> Result<Planned, PlanError> {
        let ring = Ring::of(parameters);
        let mut placements = self.place(parameters.plaintext_modulus)?;
        let cost = |placement: &Placement| self.cost_ns(placement, ring);
        placements.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        let allowed = parameters.moduli.len();
        match placements.iter().find(|placement| placement.levels <= allowed) {
            Some(placement) => self.certified(placement, parameters),
            None => Err(too_deep(placements.iter(), allowed)),
        }
    }

    pub(crate) fn certified(
        &self,
        placement: &Placement,
        parameters: &RnsParameters,
    ) -> Result<Planned, PlanError> {
        let mut plan = placement.plan.clone();
        plan.parameters = Some(Parameters::Rns(parameters.clone()));
        plan.release = Some(Release { level: RELEASE_LEVEL, flood_bits: 0 });
        let invalid = |source| PlanError::Pass { pass: "certify", source };
        let flood_bits = certificate::flood_bits(&plan, parameters, self.leveled).map_err(invalid)?;
        plan.release = Some(Release { level: RELEASE_LEVEL, flood_bits });
        let certificate = certify(&plan, self.leveled)?;
        let cost_ns = self.cost_ns(placement, Ring::of(parameters));
        let passes = placement.pipeline.trail.clone();
        Ok(Planned { passes, plan, certificate: Some(certificate), cost_ns })
    }

    pub(crate) fn cost_ns(&self, placement: &Placement, ring: Ring) -> f64 {
        placement.census.nanoseconds(self.leveled, ring, RELEASE_LEVEL)
    }
}

fn shape_and_place(mut pipeline: Pipeline, mut plan: Plan) -> Result<Placement, PlanError> {
    for (name, pass) in SHAPING {
        plan = pipeline.pass(name, &plan, pass)?;
    }
    let plan = pipeline.pass("place", &plan, |plan| passes::place(plan, RELEASE_LEVEL))?;
    let shapes = shapes_of(&plan).map_err(|source| PlanError::Pass { pass: "place", source })?;
    let (census, levels) = (Census::of(&plan, &shapes), levels(&plan));
    Ok(Placement { plan, pipeline, shapes, census, levels })
}

/// Primes in the chain that a placed plan needs.
fn levels(placed: &Plan) -> usize {
    let top = placed
        .nodes()
        .iter()
        .filter_map(
            |op| if let Op::Input { level: Some(level), .. } = op { Some(level.limbs()) } else { None },
        )
        .max();
    top.unwrap_or(1).max(RELEASE_LEVEL.limbs())
}

/// Shapes of a plan whose parameters are not chosen yet.
fn shapes_of(placed: &Plan) -> Result<Vec<Shape>, Invalid> {
    let mut plan = placed.clone();
    plan.parameters = Some(Parameters::Rns(RnsParameters {
        ring_degree: 0,
        plaintext_modulus: 0,
        moduli: vec![0; levels(placed)],
        special_moduli: Vec::new(),
        digit_limbs: 1,
        relinearization_degree: 2,
        security_bits: 0,
    }));
    verify::shapes(&plan)
}

/// Of the placement that needs fewest levels, the number that needs most.
pub(crate) fn too_deep<'a>(placements: impl Iterator<Item = &'a Placement>, allowed: usize) -> PlanError {
    let shallowest = placements.min_by_key(|placement| placement.levels);
    let Some(placement) = shallowest else {
        return PlanError::TooDeep { depth: 0, allowed: 0, aggregate: 0 };
    };
    let (placed, needed) = (&placement.plan, placement.levels);
    let mut depths = Depths::default();
    let deepest = (0..placed.aggregates.len())
        .map(|index| {
            let terms = placed.aggregates.get(index).map_or(&[][..], |aggregate| &aggregate.terms);
            let depth = terms
                .iter()
                .filter_map(|(_, sum)| placed.sums.get(sum.index()))
                .map(|sum| depths.of(placed, sum.node))
                .max();
            (depth.unwrap_or(0), std::cmp::Reverse(index))
        })
        .max();
    let (depth, aggregate) = deepest.map_or((0, 0), |(depth, index)| (depth, index.0));
    let lost = u32::try_from(needed.saturating_sub(allowed)).unwrap_or(u32::MAX);
    PlanError::TooDeep { depth, allowed: depth.saturating_sub(lost.max(1)), aggregate }
}
