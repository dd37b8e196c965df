//! A plan with its keys, ready to be run: each rotation with its argument as a combination of digits, and its tables as a
//! polynomial.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::{InputId, NodeId, Op, Origin, Plan};
use hq_plugin_sdk::rotations::{Rotation, Rotations};
use hq_plugin_sdk::verify::{ranges, verify};

use crate::error::Error;
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::params::Params;
use crate::tables::Template;

/// Where a digit or a share comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// The row's digit of an input.
    Input(InputId),
    /// The output of a table.
    Table(NodeId),
}

/// `constant + sum of coefficient * source`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Combination {
    pub(crate) constant: i64,
    pub(crate) terms: Vec<(i64, Source)>,
}

/// A rotation to be done in every row.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) rotation: Rotation,
    /// The argument, counted from the first value of the tables.
    pub(crate) arg: Combination,
    pub(crate) template: Template,
}

/// What a session and its forks share.
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) key: EvaluationKey,
    pub(crate) steps: Vec<Step>,
    /// The sums as combinations of shares.
    pub(crate) sums: Vec<Combination>,
    /// Which inputs are entries of tables.
    pub(crate) entries: Vec<bool>,
    /// Tables whose outputs are shares, with the constant of their outputs in half units.
    pub(crate) shares: BTreeMap<NodeId, i64>,
    /// Digest of the plan.
    pub(crate) digest: [u8; 32],
    /// Blocks that the plan's rows fill.
    pub(crate) most_blocks: u64,
}

impl Prepared {
    /// Checks a plan and reads what it needs of the keys.
    pub(crate) fn from_frame(plan: &Plan, evaluation_key: &[u8]) -> Result<Self, Error> {
        verify(plan)?;
        let Some(Parameters::Tfhe(parameters)) = &plan.parameters else { return Err(Error::PlanParameters) };
        let rotations = Rotations::of(plan, &ranges(plan)?, parameters)?;
        let needs = |params: &Params| {
            if params.tfhe() != parameters {
                return Err(Error::PlanParameters);
            }
            Ok(Needs::All)
        };
        let key = EvaluationKey::from_frame(evaluation_key, needs)?;
        let mut combinations = Combinations { plan, known: BTreeMap::new() };
        let mut steps = Vec::with_capacity(rotations.rotations.len());
        let mut shares = BTreeMap::new();
        for rotation in rotations.rotations {
            let mut arg = combinations.of(rotation.arg)?;
            arg.constant = arg.constant.saturating_sub(rotation.range.lo());
            let template = Template::new(plan, &rotation, key.params())?;
            if rotation.role == hq_plugin_sdk::rotations::Use::Share {
                shares.extend(rotation.lookups.iter().copied().zip(template.halves.iter().copied()));
            }
            steps.push(Step { rotation, arg, template });
        }
        let sums = plan.sums.iter().map(|sum| combinations.of(sum.node)).collect::<Result<Vec<_>, _>>()?;
        let entries = (0..plan.inputs.len())
            .map(|index| InputId::from_index(index).is_some_and(|input| plan.is_entry(input)))
            .collect();
        let rows = u64::from(parameters.rows_per_block);
        Ok(Self {
            key,
            steps,
            sums,
            entries,
            shares,
            digest: *blake3::hash(plan.to_string().as_bytes()).as_bytes(),
            most_blocks: plan.rows.div_ceil(rows.max(1)).max(1),
            plan: plan.clone(),
        })
    }

    /// Whether an input is one value for all rows.
    pub(crate) fn is_parameter(&self, index: usize) -> bool {
        InputId::from_index(index).is_some_and(|input| self.plan.origin(input) == Origin::Parameter)
    }
}

/// Linear nodes, flat.
struct Combinations<'a> {
    plan: &'a Plan,
    known: BTreeMap<NodeId, Combination>,
}

impl Combinations<'_> {
    fn of(&mut self, node: NodeId) -> Result<Combination, Error> {
        if let Some(known) = self.known.get(&node) {
            return Ok(known.clone());
        }
        let made = match self.plan.op(node) {
            Some(Op::Input { input, .. }) => {
                Combination { constant: 0, terms: vec![(1, Source::Input(*input))] }
            }
            Some(Op::Lookup { .. }) => Combination { constant: 0, terms: vec![(1, Source::Table(node))] },
            Some(Op::Linear(linear)) => {
                let mut constant = linear.constant();
                let mut terms: BTreeMap<Source, i64> = BTreeMap::new();
                for &(coefficient, term) in linear.terms() {
                    let inner = self.of(term)?;
                    constant = constant.wrapping_add(inner.constant.wrapping_mul(coefficient));
                    for (factor, source) in inner.terms {
                        let total = terms.entry(source).or_default();
                        *total = total.wrapping_add(factor.wrapping_mul(coefficient));
                    }
                }
                let terms = terms.into_iter().map(|(source, coefficient)| (coefficient, source)).collect();
                Combination { constant, terms }
            }
            _ => return Err(Error::Internal("an operation that the plan's verification excludes")),
        };
        self.known.insert(node, made.clone());
        Ok(made)
    }
}
