//! The search for the cuts of a circuit: in what form each product is read by the next.
//!
//! Small circuits are searched through: every cut of every node, so that what is found is the optimum of the cost
//! model. In larger ones, nodes that stand alike (equal depth below, above, and of factors) are cut alike first,
//! by descent from several starts, and then one by one as far as the budget goes.

use std::collections::{BTreeMap, HashSet};

use hq_plugin_sdk::plan::{NodeId, Op, Plan};

use crate::passes::{Cut, choices};

const CUTS: [Cut; 3] = [Cut::Lazy, Cut::Relinearize, Cut::Switch];

/// Steps of a search, in nodes that are placed and priced.
const BUDGET: usize = 80_000;

/// Most evaluations of a search that goes through everything.
const MOST_EXHAUSTIVE: usize = 750;

/// Evaluations that every search makes: uniform cuts and staircases.
const SIMPLEST: usize = 6;

/// The best cuts that were found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// By node of the circuit.
    pub cuts: Vec<Cut>,
    /// Price.
    pub cost: f64,
    /// What the evaluation made of them.
    pub made: T,
    /// Whether every choice of cuts was looked at.
    pub exact: bool,
}

/// Finds cuts of least cost. `price` gives the cost of cuts and what it made of them, or nothing where they cannot be
/// had. `starts` are tried first; of at most `most` further evaluations, the simplest are made in any case.
pub fn search<T>(
    plan: &Plan,
    starts: &[Vec<Cut>],
    most: usize,
    price: impl FnMut(&[Cut]) -> Option<(f64, T)>,
) -> Option<Found<T>> {
    let nodes = choices(plan);
    let allowed = (BUDGET / plan.nodes().len().max(1)).min(MOST_EXHAUSTIVE).min(most).max(SIMPLEST);
    let mut search =
        Search { price, seen: HashSet::new(), left: allowed, size: plan.nodes().len(), best: None };
    if power(CUTS.len(), nodes.len()).is_some_and(|all| all <= allowed) {
        search.exhaust(&nodes.iter().map(|&node| vec![node]).collect::<Vec<_>>());
        return search.found(true);
    }
    let classes = classes(plan, &nodes);
    let size = plan.nodes().len();
    for start in starts.iter().filter(|start| start.len() == size) {
        search.look(start);
    }
    for cut in [Cut::Switch, Cut::Lazy, Cut::Relinearize] {
        search.look(&vec![cut; size]);
    }
    for start in staircases(plan, &nodes) {
        search.look(&start);
    }
    if power(CUTS.len(), classes.len()).is_some_and(|all| all <= search.left) {
        search.exhaust(&classes);
    } else {
        search.descend(&classes);
    }
    search.descend(&nodes.iter().map(|&node| vec![node]).collect::<Vec<_>>());
    search.found(false)
}

fn power(base: usize, exponent: usize) -> Option<usize> {
    base.checked_pow(u32::try_from(exponent).ok()?)
}

struct Search<P, T> {
    price: P,
    seen: HashSet<Vec<Cut>>,
    /// Evaluations left.
    left: usize,
    size: usize,
    best: Option<(f64, Vec<Cut>, T)>,
}

impl<T, P: FnMut(&[Cut]) -> Option<(f64, T)>> Search<P, T> {
    /// Whether these cuts are better than all before.
    fn look(&mut self, cuts: &[Cut]) -> bool {
        if self.left == 0 || !self.seen.insert(cuts.to_vec()) {
            return false;
        }
        self.left -= 1;
        match (self.price)(cuts) {
            Some((cost, made)) if self.best.as_ref().is_none_or(|(best, ..)| cost < *best) => {
                self.best = Some((cost, cuts.to_vec(), made));
                true
            }
            _ => false,
        }
    }

    /// Every choice of one cut for each group.
    fn exhaust(&mut self, groups: &[Vec<NodeId>]) {
        let mut digits = vec![0_usize; groups.len()];
        loop {
            let mut cuts = vec![Cut::Switch; self.size];
            for (group, &digit) in groups.iter().zip(&digits) {
                set(&mut cuts, group, CUTS.get(digit).copied().unwrap_or_default());
            }
            self.look(&cuts);
            // The next number in base three.
            let Some(place) = digits.iter().position(|&digit| digit + 1 < CUTS.len()) else { return };
            for digit in digits.iter_mut().take(place) {
                *digit = 0;
            }
            if let Some(digit) = digits.get_mut(place) {
                *digit += 1;
            }
        }
    }

    /// Changes one group at a time while that helps.
    fn descend(&mut self, groups: &[Vec<NodeId>]) {
        loop {
            let mut better = false;
            for group in groups {
                for cut in CUTS {
                    let Some((_, best, _)) = &self.best else { return };
                    let mut cuts = best.clone();
                    set(&mut cuts, group, cut);
                    better |= self.look(&cuts);
                }
            }
            if !better || self.left == 0 {
                return;
            }
        }
    }

    fn found(self, exact: bool) -> Option<Found<T>> {
        self.best.map(|(cost, cuts, made)| Found { cuts, cost, made, exact })
    }
}

fn set(cuts: &mut [Cut], group: &[NodeId], cut: Cut) {
    for node in group {
        if let Some(place) = cuts.get_mut(node.index()) {
            *place = cut;
        }
    }
}

/// Nodes that stand alike: products below, factors below if nothing is cut, products above.
fn classes(plan: &Plan, nodes: &[NodeId]) -> Vec<Vec<NodeId>> {
    let (depths, degrees, heights) = (depths(plan), degrees(plan, |_, degree| degree), heights(plan));
    let mut classes: BTreeMap<(u32, u32, u32), Vec<NodeId>> = BTreeMap::new();
    let at = |list: &[u32], node: NodeId| list.get(node.index()).copied().unwrap_or(0);
    for &node in nodes {
        let key = (at(&depths, node), at(&degrees, node).min(9), at(&heights, node));
        classes.entry(key).or_default().push(node);
    }
    classes.into_values().collect()
}

/// Starts that cut wherever more than so many fresh factors have come together.
fn staircases(plan: &Plan, nodes: &[NodeId]) -> Vec<Vec<Cut>> {
    (2..=4)
        .map(|most| {
            let mut cuts = vec![Cut::Switch; plan.nodes().len()];
            let degrees = degrees(plan, |_, degree| if degree > most { 1 } else { degree });
            for &node in nodes {
                if degrees.get(node.index()).is_some_and(|&degree| degree > 1) {
                    set(&mut cuts, &[node], Cut::Lazy);
                }
            }
            cuts
        })
        .collect()
}

fn depths(plan: &Plan) -> Vec<u32> {
    let mut depths: Vec<u32> = Vec::with_capacity(plan.nodes().len());
    for op in plan.nodes() {
        let below = op.operands().into_iter().filter_map(|arg| depths.get(arg.index())).max().copied();
        depths.push(below.unwrap_or(0) + u32::from(matches!(op, Op::Mul { .. })));
    }
    depths
}

/// Fresh factors that meet in each node; `cut` may reset the number.
fn degrees(plan: &Plan, cut: impl Fn(NodeId, u32) -> u32) -> Vec<u32> {
    let mut degrees: Vec<u32> = Vec::with_capacity(plan.nodes().len());
    for (node, op) in plan.iter() {
        let of = |arg: &NodeId| degrees.get(arg.index()).copied().unwrap_or(1);
        let own = match op {
            Op::Mul { left, right } => cut(node, of(left).saturating_add(of(right))),
            Op::Linear(linear) => linear.terms().iter().map(|(_, term)| of(term)).max().unwrap_or(1),
            Op::Input { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => 1,
        };
        degrees.push(own);
    }
    degrees
}

/// Products above each node, on the longest way to a sum.
fn heights(plan: &Plan) -> Vec<u32> {
    let mut heights = vec![0_u32; plan.nodes().len()];
    for (node, op) in plan.iter().rev() {
        let own = heights.get(node.index()).copied().unwrap_or(0) + u32::from(matches!(op, Op::Mul { .. }));
        for operand in op.operands() {
            if let Some(height) = heights.get_mut(operand.index()) {
                *height = own.max(*height);
            }
        }
    }
    heights
}
