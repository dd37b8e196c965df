//! Cuts a plan into pieces that compile in bounded time: its live operations become small steps, runs of
//! steps become segments (one function each), and what a later segment reads is kept in scratch columns.

use std::ops::Range as Indices;

use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::plan::{NodeId, Op, Plan};
use hq_plugin_sdk::range::{Range, RangeSet};
use hq_plugin_sdk::verify::{range_of, ranges};

/// Most instructions of a segment, roughly: compilation time grows faster than length.
const SEGMENT_WEIGHT: usize = 2000;

/// Most terms of one linear step; a longer combination becomes a chain.
const STEP_TERMS: usize = 64;

/// Most rows per call.
const MAX_TILE_ROWS: usize = 4096;

/// Rows per call below which scratch columns are not shortened further for the cache's sake.
const MIN_TILE_ROWS: usize = 8;

/// Numbers in all scratch columns together that stay in a core's second-level cache (256 KiB).
const SCRATCH_NUMBERS: usize = 1 << 15;

/// Position in [`Schedule::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StepId(pub(crate) usize);

/// One operation on a row's values. All arithmetic is modulo 2^64; `verify` proves that results fit.
#[derive(Debug)]
pub(crate) enum Step {
    /// The value of an input.
    Column(usize),
    /// The same in every row.
    Constant(i64),
    /// `starts_in` flipped once per bound that is not above the value, which lies in `domain`.
    Member { arg: StepId, domain: Range, starts_in: bool, bounds: Vec<i64> },
    /// 1 where the value is outside the range, whatever the value.
    Outside { arg: StepId, range: Range },
    /// 1 where `left < right`.
    Less { left: StepId, right: StepId },
    /// 1 where `left == right`.
    Equal { left: StepId, right: StepId },
    /// `constant + sum of coefficient * step`, of one term at least.
    Linear { constant: i64, terms: Vec<(i64, StepId)> },
    /// Product of two booleans.
    And { left: StepId, right: StepId },
    /// Product.
    Mul { left: StepId, right: StepId },
}

impl Step {
    /// Whether it is cheaper to make again than to keep.
    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self, Self::Column(_) | Self::Constant(_))
    }

    fn operands(&self) -> Vec<StepId> {
        match self {
            Self::Column(_) | Self::Constant(_) => Vec::new(),
            Self::Member { arg, .. } | Self::Outside { arg, .. } => vec![*arg],
            Self::Less { left, right }
            | Self::Equal { left, right }
            | Self::And { left, right }
            | Self::Mul { left, right } => vec![*left, *right],
            Self::Linear { terms, .. } => terms.iter().map(|&(_, term)| term).collect(),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Column(_) | Self::Constant(_) => 1,
            Self::Member { bounds, .. } => 4 + 4 * bounds.len().ilog2_or_zero(),
            Self::Less { .. } | Self::Equal { .. } | Self::And { .. } | Self::Mul { .. } => 2,
            Self::Outside { .. } => 3,
            Self::Linear { terms, .. } => 1 + 2 * terms.len(),
        }
    }
}

trait Ilog2 {
    fn ilog2_or_zero(self) -> usize;
}

impl Ilog2 for usize {
    fn ilog2_or_zero(self) -> usize {
        self.checked_ilog2().map_or(0, |log| log as usize)
    }
}

/// What a plan says of a node, from `in LO..HI` behind it or behind its `sum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) node: NodeId,
    pub(crate) range: Range,
}

/// The steps of a plan in order, and how they are cut.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Operands before users.
    pub(crate) steps: Vec<Step>,
    /// Ranges that the plan claims of nodes and interval arithmetic does not show. Behind the plan's sums
    /// stands one more per claim: how many rows break it.
    pub(crate) claims: Vec<Claim>,
    /// Per step, the sums that it goes into.
    pub(crate) sums: Vec<Vec<usize>>,
    /// Runs of steps that compile to one function each.
    pub(crate) segments: Vec<Indices<usize>>,
    /// Per step, the scratch column that keeps it for later segments.
    pub(crate) slots: Vec<Option<usize>>,
    /// Number of scratch columns.
    pub(crate) slot_count: usize,
    /// Most rows per call: so few that no sum over them leaves 64 bits.
    pub(crate) tile_rows: usize,
}

impl Schedule {
    /// The schedule of a plan that `verify` accepts.
    ///
    /// # Errors
    /// `Fault::Plan` where it has operations of an encrypted backend.
    pub(crate) fn new(plan: &Plan) -> Result<Self, BackendError> {
        let ranges = ranges(plan).map_err(|error| BackendError::new(Fault::Plan, error.to_string()))?;
        let claims = claims(plan, &ranges)?;
        let mut lowering = Lowering { ranges, steps: Vec::new(), of_node: vec![None; plan.nodes().len()] };
        for (node, op) in plan.iter().zip(live(plan)).filter_map(|(item, live)| live.then_some(item)) {
            lowering.lower(node, op)?;
        }
        let broken: Vec<StepId> =
            claims.iter().map(|claim| lowering.broken(*claim)).collect::<Result<_, _>>()?;
        let mut sums = vec![Vec::new(); lowering.steps.len()];
        let mut magnitude = 1;
        for sum in &plan.sums {
            let range = lowering.range(sum.node)?;
            magnitude = magnitude.max(range.lo().unsigned_abs()).max(range.hi().unsigned_abs());
        }
        let summed = plan.sums.iter().map(|sum| lowering.step(sum.node)).chain(broken.into_iter().map(Ok));
        for (index, step) in summed.enumerate() {
            if let Some(sums) = sums.get_mut(step?.0) {
                sums.push(index);
            }
        }
        let segments = segments(&lowering.steps, &sums);
        let (slots, slot_count) = slots(&lowering.steps, &segments);
        let in_cache = (SCRATCH_NUMBERS / slot_count.max(1)).clamp(MIN_TILE_ROWS, MAX_TILE_ROWS);
        let exact = usize::try_from(i64::MAX.unsigned_abs() / magnitude).unwrap_or(usize::MAX);
        let tile_rows = in_cache.min(exact).max(1);
        Ok(Self { steps: lowering.steps, claims, sums, segments, slots, slot_count, tile_rows })
    }
}

/// The claims on live nodes that need a look at every row.
fn claims(plan: &Plan, ranges: &[Range]) -> Result<Vec<Claim>, BackendError> {
    let mut claims: Vec<Claim> = Vec::new();
    for ((node, op), _) in plan.iter().zip(live(plan)).filter(|(_, live)| *live) {
        if let Some(range) = plan.proved(node) {
            let shown = range_of(plan, ranges, node, op);
            let shown = shown.map_err(|error| BackendError::new(Fault::Plan, error.to_string()))?;
            if range.hull(shown) != range {
                claims.push(Claim { node, range });
            }
        }
    }
    for sum in &plan.sums {
        let claim = Claim { node: sum.node, range: sum.range };
        let shown = ranges.get(sum.node.index()).copied().ok_or_else(|| undefined(sum.node))?;
        if sum.range.hull(shown) != sum.range {
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Which nodes some sum depends on.
fn live(plan: &Plan) -> Vec<bool> {
    let mut live = vec![false; plan.nodes().len()];
    let mark = |live: &mut Vec<bool>, node: NodeId| {
        if let Some(flag) = live.get_mut(node.index()) {
            *flag = true;
        }
    };
    for sum in &plan.sums {
        mark(&mut live, sum.node);
    }
    for (node, op) in plan.iter().rev() {
        if live.get(node.index()) == Some(&true) {
            for operand in op.operands() {
                mark(&mut live, operand);
            }
        }
    }
    live
}

struct Lowering {
    ranges: Vec<Range>,
    steps: Vec<Step>,
    of_node: Vec<Option<StepId>>,
}

impl Lowering {
    fn lower(&mut self, node: NodeId, op: &Op) -> Result<(), BackendError> {
        let step = match op {
            Op::Input { input, level: None } => Step::Column(input.index()),
            Op::Member { arg, set } => self.member(*arg, set)?,
            Op::Less { left, right } => Step::Less { left: self.step(*left)?, right: self.step(*right)? },
            Op::Equal { left, right } => Step::Equal { left: self.step(*left)?, right: self.step(*right)? },
            Op::Linear(linear) => {
                let terms = linear.terms().iter().map(|&(factor, term)| Ok((factor, self.step(term)?)));
                let terms = terms.collect::<Result<Vec<_>, _>>()?;
                self.linear(linear.constant(), &terms)
            }
            Op::Mul { left, right } => {
                let both = self.range(*left)?.hull(self.range(*right)?);
                let (left, right) = (self.step(*left)?, self.step(*right)?);
                if both.lo() >= 0 && both.hi() <= 1 {
                    Step::And { left, right }
                } else {
                    Step::Mul { left, right }
                }
            }
            Op::Input { level: Some(_), .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => {
                return Err(BackendError::new(
                    Fault::Plan,
                    format!("{node}: the plan was placed for an encrypted backend"),
                ));
            }
        };
        let step = self.push(step);
        if let Some(place) = self.of_node.get_mut(node.index()) {
            *place = Some(step);
        }
        Ok(())
    }

    fn push(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(self.steps.len() - 1)
    }

    fn step(&self, node: NodeId) -> Result<StepId, BackendError> {
        self.of_node.get(node.index()).copied().flatten().ok_or_else(|| undefined(node))
    }

    fn range(&self, node: NodeId) -> Result<Range, BackendError> {
        self.ranges.get(node.index()).copied().ok_or_else(|| undefined(node))
    }

    /// A set is where it begins and where it ends: inside after an odd number of bounds.
    fn member(&self, arg: NodeId, set: &RangeSet) -> Result<Step, BackendError> {
        let domain = self.range(arg)?;
        let inside = set.intersect(&RangeSet::from_ranges([domain]));
        let (mut starts_in, mut bounds) = (false, Vec::new());
        for range in inside.ranges() {
            if range.lo() == domain.lo() {
                starts_in = true;
            } else {
                bounds.push(range.lo());
            }
            if range.hi() < domain.hi() {
                bounds.push(range.hi() + 1);
            }
        }
        if bounds.is_empty() {
            return Ok(Step::Constant(starts_in.into()));
        }
        Ok(Step::Member { arg: self.step(arg)?, domain, starts_in, bounds })
    }

    /// 1 in the rows that break a claim. This holds for the first broken claim of a row; those after it may
    /// see values that no longer fit.
    fn broken(&mut self, Claim { node, range }: Claim) -> Result<StepId, BackendError> {
        let arg = self.step(node)?;
        Ok(self.push(Step::Outside { arg, range }))
    }

    fn linear(&mut self, constant: i64, terms: &[(i64, StepId)]) -> Step {
        let mut chunks = terms.chunks(STEP_TERMS);
        let Some(first) = chunks.next() else {
            return Step::Constant(constant);
        };
        let mut step = Step::Linear { constant, terms: first.to_vec() };
        for chunk in chunks {
            let so_far = (1, self.push(step));
            step = Step::Linear { constant: 0, terms: [&[so_far], chunk].concat() };
        }
        step
    }
}

fn undefined(node: NodeId) -> BackendError {
    BackendError::new(Fault::Plan, format!("{node} is not defined above its use"))
}

fn segments(steps: &[Step], sums: &[Vec<usize>]) -> Vec<Indices<usize>> {
    let mut segments = Vec::new();
    let (mut start, mut weight) = (0, 0);
    for (index, (step, sums)) in steps.iter().zip(sums).enumerate() {
        let next = step.weight() + 2 * sums.len();
        if weight + next > SEGMENT_WEIGHT && weight > 0 {
            segments.push(start..index);
            (start, weight) = (index, 0);
        }
        weight += next;
    }
    if start < steps.len() {
        segments.push(start..steps.len());
    }
    segments
}

fn slots(steps: &[Step], segments: &[Indices<usize>]) -> (Vec<Option<usize>>, usize) {
    let mut slots = vec![None; steps.len()];
    let mut count = 0;
    for segment in segments {
        for operand in steps.iter().take(segment.end).skip(segment.start).flat_map(Step::operands) {
            let kept = steps.get(operand.0).is_some_and(|step| !step.is_leaf());
            if let Some(slot @ None) = slots.get_mut(operand.0)
                && operand.0 < segment.start
                && kept
            {
                *slot = Some(count);
                count += 1;
            }
        }
    }
    (slots, count)
}
