//! Levels, relinearization and modulus switching, as a choice for each product says.
//!
//! A placed plan has *stages* at first: between two of them a switch divides by as many primes as the noise asks
//! for, which is settled later (`passes/chain`). From the sums backwards, every value gets the lowest stage at which
//! it can stand (as late as possible). A value that holds a product is *hot*. Where a product reads one, its
//! [`Cut`] says whether it comes as it is, with all its parts, relinearized, or relinearized and switched down.
//! What is only summed is neither. Fresh columns, and what was switched already, come down further by
//! truncation, which costs nothing.

use foldhash::{HashMap, HashMapExt};
use hq_plugin_sdk::plan::{Builder, Level, Linear, NodeId, Op, Plan, Sum};
use hq_plugin_sdk::verify::{Invalid, Shape, shapes_within};

use crate::algebra::{Result, live_nodes};

/// In what form a product reads a value that holds products itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// As it is: the parts multiply, nothing is transformed.
    Lazy,
    /// Of two parts again, with its noise.
    Relinearize,
    /// Of two parts again and one stage down, its noise divided.
    #[default]
    Switch,
}

/// Stage at which values without products are summed and results are opened.
const RELEASE_STAGE: Level = Level(0);

/// Stage at which products are summed at least; it has primes of its own only if its noise asks for them.
const SUM_STAGE: Level = Level(1);

/// Places a circuit of inputs, linear combinations and products under the cuts of its nodes (those that are not
/// given are [`Cut::Switch`]). The result has no parameters yet; its inputs carry stages.
///
/// # Errors
/// More stages than 255, more than `most_parts` ciphertext parts, or an operation that no leveled backend has.
pub fn place(plan: &Plan, cuts: &[Cut], most_parts: u8) -> Result<Plan> {
    let needs = needs(plan, cuts)?;
    let mut placer = Placer {
        plan,
        needs,
        builder: Builder::like(plan),
        parts: Vec::new(),
        placed: HashMap::new(),
        most_parts,
    };
    // In the order of the circuit, so that the recursion below stays shallow.
    let live = live_nodes(plan);
    for (node, op) in plan.iter() {
        let constant = matches!(op, Op::Linear(linear) if linear.terms().is_empty());
        if live.get(node.index()).copied().unwrap_or(false) && !constant {
            let placed = placer.raw(node)?;
            if let Some(range) = plan.proved(node) {
                placer.builder.prove(placed, range);
            }
        }
    }
    for sum in &plan.sums {
        let node = if placer.need(sum.node).hot {
            placer.raw(sum.node)?
        } else {
            placer.cold_at(sum.node, RELEASE_STAGE)?
        };
        placer.builder.sum(Sum { node, range: sum.range });
    }
    placer.builder.plan_mut().aggregates.clone_from(&plan.aggregates);
    Ok(placer.builder.finish())
}

/// What the users of a node ask of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    /// It holds a product that was not switched down since.
    hot: bool,
    /// Stage at which it is computed; for a hot node, before switching.
    level: u8,
    /// Some product reads it.
    multiplied: bool,
    /// In what form.
    cut: Cut,
}

/// The nodes whose cut matters: products and combinations of such that some product reads.
#[must_use]
pub fn choices(plan: &Plan) -> Vec<NodeId> {
    let live = live_nodes(plan);
    let hot = hot(plan);
    let mut read = vec![false; plan.nodes().len()];
    for (node, op) in plan.iter() {
        if let Op::Mul { left, right } = op
            && live.get(node.index()).copied().unwrap_or(false)
        {
            for factor in [left, right] {
                if let Some(read) = read.get_mut(factor.index()) {
                    *read = true;
                }
            }
        }
    }
    let is = |flags: &[bool], node: NodeId| flags.get(node.index()).copied().unwrap_or(false);
    plan.iter().map(|(node, _)| node).filter(|&node| is(&read, node) && is(&hot, node)).collect()
}

/// Whether each node holds a product.
fn hot(plan: &Plan) -> Vec<bool> {
    let mut hot: Vec<bool> = Vec::with_capacity(plan.nodes().len());
    for op in plan.nodes() {
        let own = if let Op::Linear(linear) = op {
            linear.terms().iter().any(|&(_, term)| hot.get(term.index()).copied().unwrap_or(false))
        } else {
            matches!(op, Op::Mul { .. })
        };
        hot.push(own);
    }
    hot
}

fn needs(plan: &Plan, cuts: &[Cut]) -> Result<Vec<Need>> {
    let cut = |index: usize| cuts.get(index).copied().unwrap_or_default();
    let mut needs: Vec<Need> = hot(plan)
        .into_iter()
        .enumerate()
        .map(|(index, hot)| Need { hot, cut: cut(index), ..Need::default() })
        .collect();
    let above = |level: u8| {
        level.checked_add(1).ok_or_else(|| Invalid {
            place: "levels".to_owned(),
            reason: "more than 255 levels are needed".to_owned(),
        })
    };
    for sum in &plan.sums {
        let hot = get(&needs, sum.node).hot;
        raise(&mut needs, sum.node, if hot { SUM_STAGE.0 } else { RELEASE_STAGE.0 });
    }
    for (node, op) in plan.iter().rev() {
        let level = get(&needs, node).level;
        match op {
            Op::Mul { left, right } => {
                for &factor in [left, right] {
                    let need = get(&needs, factor);
                    let switched = need.hot && need.cut == Cut::Switch;
                    raise(&mut needs, factor, if switched { above(level)? } else { level });
                    if let Some(need) = needs.get_mut(factor.index()) {
                        need.multiplied = true;
                    }
                }
            }
            Op::Linear(linear) => {
                for &(_, term) in linear.terms() {
                    raise(&mut needs, term, level);
                }
            }
            Op::Input { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => {}
        }
    }
    Ok(needs)
}

fn get(needs: &[Need], node: NodeId) -> Need {
    needs.get(node.index()).copied().unwrap_or_default()
}

fn raise(needs: &mut [Need], node: NodeId, level: u8) {
    if let Some(need) = needs.get_mut(node.index()) {
        need.level = need.level.max(level);
    }
}

/// In what form a node of the circuit is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// As computed.
    Raw,
    /// Of two parts, at its own stage.
    Relinearized,
    /// Of two parts, one stage down.
    Switched,
    /// One of the above, truncated to a stage.
    At(u8),
}

struct Placer<'a> {
    plan: &'a Plan,
    needs: Vec<Need>,
    builder: Builder,
    /// Ciphertext parts of the placed nodes.
    parts: Vec<u8>,
    placed: HashMap<(NodeId, Form), NodeId>,
    most_parts: u8,
}

impl Placer<'_> {
    fn need(&self, node: NodeId) -> Need {
        get(&self.needs, node)
    }

    fn memo(
        &mut self,
        node: NodeId,
        form: Form,
        make: impl FnOnce(&mut Self) -> Result<Op>,
    ) -> Result<NodeId> {
        if let Some(&placed) = self.placed.get(&(node, form)) {
            return Ok(placed);
        }
        let op = make(self)?;
        let parts = self.parts_of(&op);
        if parts > self.most_parts {
            let reason = format!("a product has {parts} ciphertext parts, more than {}", self.most_parts);
            return Err(Invalid { place: node.to_string(), reason });
        }
        let placed = self.builder.push(op);
        if placed.index() == self.parts.len() {
            self.parts.push(parts);
        }
        self.placed.insert((node, form), placed);
        Ok(placed)
    }

    /// The node at the stage where it is computed.
    fn raw(&mut self, node: NodeId) -> Result<NodeId> {
        let level = self.need(node).level;
        self.memo(node, Form::Raw, |placer| match placer.plan.op(node) {
            Some(Op::Input { input, .. }) => Ok(Op::Input { input: *input, level: Some(Level(level)) }),
            Some(Op::Mul { left, right }) => {
                let (left, right) = (placer.factor(*left, level)?, placer.factor(*right, level)?);
                Ok(Op::Mul { left, right })
            }
            Some(Op::Linear(linear)) => placer.linear(node, linear, level),
            _ => Err(Invalid {
                place: node.to_string(),
                reason: "a comparison or a placed operation cannot be placed".to_owned(),
            }),
        })
    }

    /// A sum of products is relinearized once, at its root, unless its terms are needed relinearized
    /// anyway.
    fn linear(&mut self, node: NodeId, linear: &Linear, level: u8) -> Result<Op> {
        let own = self.need(node);
        let relinearize = own.multiplied
            && own.cut != Cut::Lazy
            && linear.terms().iter().all(|&(_, term)| {
                let need = self.need(term);
                !need.hot || need.multiplied && need.cut != Cut::Lazy || self.raw_parts(term) == 2
            });
        let mut terms = Vec::with_capacity(linear.terms().len());
        for &(coefficient, term) in linear.terms() {
            let need = self.need(term);
            let placed = if !need.hot {
                self.cold_at(term, Level(level))?
            } else if need.level > level {
                self.factor(term, level)?
            } else if relinearize {
                self.relinearized(term)?
            } else {
                self.raw(term)?
            };
            terms.push((coefficient, placed));
        }
        Linear::new(linear.constant(), terms).map(Op::Linear).ok_or_else(|| Invalid {
            place: node.to_string(),
            reason: "a coefficient leaves 62 bits".to_owned(),
        })
    }

    /// Parts of the raw form of a node that was placed before.
    fn raw_parts(&self, node: NodeId) -> u8 {
        self.placed.get(&(node, Form::Raw)).map_or(u8::MAX, |&placed| self.parts(placed))
    }

    /// The value as a product at this stage reads it.
    fn factor(&mut self, node: NodeId, level: u8) -> Result<NodeId> {
        let need = self.need(node);
        if !need.hot {
            return self.cold_at(node, Level(level));
        }
        match need.cut {
            Cut::Lazy => {
                let raw = self.raw(node)?;
                self.truncated(node, raw, need.level, level)
            }
            Cut::Relinearize => {
                let relinearized = self.relinearized(node)?;
                self.truncated(node, relinearized, need.level, level)
            }
            Cut::Switch => {
                let switched = self.switched(node)?;
                self.truncated(node, switched, need.level.saturating_sub(1), level)
            }
        }
    }

    fn relinearized(&mut self, node: NodeId) -> Result<NodeId> {
        let raw = self.raw(node)?;
        if self.parts(raw) == 2 {
            return Ok(raw);
        }
        self.memo(node, Form::Relinearized, |_| Ok(Op::Relinearize { arg: raw }))
    }

    fn switched(&mut self, node: NodeId) -> Result<NodeId> {
        let arg = self.relinearized(node)?;
        self.memo(node, Form::Switched, |_| Ok(Op::ModSwitch { arg }))
    }

    fn cold_at(&mut self, node: NodeId, level: Level) -> Result<NodeId> {
        let raw = self.raw(node)?;
        self.truncated(node, raw, self.need(node).level, level.0)
    }

    fn truncated(&mut self, node: NodeId, placed: NodeId, from: u8, to: u8) -> Result<NodeId> {
        if to >= from {
            return Ok(placed);
        }
        self.memo(node, Form::At(to), |_| Ok(Op::Drop { arg: placed, to: Level(to) }))
    }

    fn parts(&self, placed: NodeId) -> u8 {
        self.parts.get(placed.index()).copied().unwrap_or(2)
    }

    fn parts_of(&self, op: &Op) -> u8 {
        match op {
            Op::Mul { left, right } => self.parts(*left).saturating_add(self.parts(*right)).saturating_sub(1),
            Op::Linear(linear) => linear.terms().iter().map(|&(_, term)| self.parts(term)).max().unwrap_or(2),
            Op::ModSwitch { arg } | Op::Drop { arg, .. } => self.parts(*arg),
            Op::Input { .. }
            | Op::Relinearize { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Lookup { .. } => 2,
        }
    }
}

/// Stage and parts of each node of a placed plan that has no chain yet.
///
/// # Errors
/// The plan is not placed.
pub fn stage_shapes(placed: &Plan) -> Result<Vec<Shape>> {
    shapes_within(placed, usize::MAX, usize::MAX)
}
