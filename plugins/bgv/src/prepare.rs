//! A plan made ready for a key: schedule, regions and constants, shared by all sessions of the plan.

use std::sync::Arc;

use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::{Origin, Plan, Release};

use crate::error::Error;
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::execute::Accumulator;
use crate::params::Params;
use crate::region::Program;
use crate::release;
use crate::schedule::{Action, Mode, Schedule};
use crate::tables::Tables;

/// What sessions of one plan share.
#[derive(Debug)]
pub struct Prepared {
    /// The key.
    pub key: Arc<EvaluationKey>,
    /// The steps.
    pub schedule: Schedule,
    /// The steps by regions.
    pub program: Program,
    /// Constants of switches.
    pub tables: Tables,
    /// How sums leave.
    pub release: Release,
    /// Blocks that the plan's rows fill.
    pub allowed: u64,
    /// Whether each sum is brought to the release level as soon as it is whole, since there is but one block.
    pub one_block: bool,
    /// Nodes of the plan.
    pub nodes: usize,
    /// Digest of the plan's text.
    pub digest: [u8; 32],
    /// Of a plan with gates: each cell's count, a sum, and the factors of its conversions.
    pub gates: Option<Vec<(usize, Vec<u64>)>>,
    names: Vec<String>,
    origins: Vec<Origin>,
}

impl Prepared {
    /// Prepares a plan for a key that was read for [`needs`] of its schedule.
    ///
    /// # Errors
    /// The plan is for other parameters, or floods beyond its release modulus.
    pub fn new(plan: &Plan, schedule: Schedule, key: Arc<EvaluationKey>) -> Result<Self, Error> {
        let params = key.params();
        check_parameters(plan, params)?;
        let release = plan.release.ok_or(Error::Internal("a verified plan has a release"))?;
        release::check(params, release)?;
        let slots = u64::try_from(params.degree()).unwrap_or(u64::MAX);
        let (allowed, nodes) = (plan.rows.div_ceil(slots).max(1), plan.nodes().len());
        let one_block = allowed == 1 && schedule.mode == Mode::Fast;
        Ok(Self {
            tables: Tables::new(params, &schedule, release),
            program: if one_block {
                Program::of_one_block(&schedule, nodes, params.degree())
            } else {
                Program::new(&schedule, nodes)
            },
            release,
            allowed,
            one_block,
            nodes,
            digest: *blake3::hash(plan.to_string().as_bytes()).as_bytes(),
            gates: plan.gates.is_some().then(|| conversions(plan)),
            names: plan.inputs.iter().map(|input| input.name.clone()).collect(),
            origins: plan.inputs.iter().map(|input| input.origin).collect(),
            schedule,
            key,
        })
    }

    /// As [`Prepared::new`], reading of a key's frame what the plan needs.
    ///
    /// # Errors
    /// The plan breaks an invariant, the key does not conform, or as [`Prepared::new`].
    pub fn from_frame(plan: &Plan, key: &[u8], mode: Mode) -> Result<Self, Error> {
        let schedule = Schedule::new(plan, mode)?;
        let key = EvaluationKey::for_needs(key, |params| {
            check_parameters(plan, params)?;
            Ok(needs(&schedule, plan))
        })?;
        Self::new(plan, schedule, Arc::new(key))
    }

    /// All sums before the first block.
    #[must_use]
    pub fn sums(&self) -> Vec<Accumulator> {
        let sum = |&shape: &(usize, usize)| {
            let mut sum = Accumulator::unopened(shape);
            if !self.one_block {
                sum.open(self.key.params());
            }
            sum
        };
        self.schedule.sums.iter().map(sum).collect()
    }

    /// How many inputs a block has.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.names.len()
    }

    /// Name and origin of an input.
    #[must_use]
    pub fn input(&self, index: usize) -> (&str, Origin) {
        let name = self.names.get(index).map_or("", String::as_str);
        (name, self.origins.get(index).copied().unwrap_or_default())
    }
}

/// What the plan's cells are decided on. That each has a gate was verified.
fn conversions(plan: &Plan) -> Vec<(usize, Vec<u64>)> {
    let of_cell = |cell| {
        let (count, gate) = (plan.count_of(cell)?, plan.gate_of(cell)?);
        Some((count.index(), (0..gate.digits()).map(|at| gate.conversion(at).factor).collect()))
    };
    plan.cells().iter().filter_map(of_cell).collect()
}

fn check_parameters(plan: &Plan, params: &Params) -> Result<(), Error> {
    match &plan.parameters {
        Some(Parameters::Rns(rns)) if rns == params.rns() => Ok(()),
        _ => Err(Error::PlanParams),
    }
}

/// What a schedule and its release need of the key.
fn needs(schedule: &Schedule, plan: &Plan) -> Needs {
    let mut needs =
        Needs { public: plan.release.map_or(0, |release| release.level.limbs()), powers: Vec::new() };
    for step in &schedule.steps {
        if let Action::Switch { arg, relinearize: true, .. } = &step.action {
            needs.add_relinearization(arg.parts, arg.limbs);
        }
    }
    let middle = plan.release.map_or(usize::MAX, |release| release.relinearize.limbs());
    for &(limbs, parts) in &schedule.sums {
        needs.add_relinearization(parts, limbs.min(middle));
    }
    needs
}
