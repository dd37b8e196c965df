//! Levels, modulus switching and relinearization.
//!
//! From the sums backwards, every product gets the lowest level at which it can stand (as late as
//! possible). A value that holds a product is *hot*: it is relinearized if something multiplies it, then
//! switched down one level, which divides its noise; what is only summed is neither. Fresh columns, and
//! what was switched already, come down further by truncation, which costs nothing.

use foldhash::{HashMap, HashMapExt};
use hq_plugin_sdk::plan::{Builder, Level, Linear, NodeId, Op, Plan};
use hq_plugin_sdk::verify::Invalid;

use crate::algebra::{Result, live_nodes};

/// Places a circuit of inputs, linear combinations and products. Sums are released at `release`. The
/// result has no parameters yet; its inputs carry the levels that a chain must have.
///
/// # Errors
/// More levels than 255, or an operation that no leveled backend has.
pub fn place(plan: &Plan, release: Level) -> Result<Plan> {
    let needs = needs(plan, release)?;
    let mut placer =
        Placer { plan, needs, builder: Builder::like(plan), parts: Vec::new(), placed: HashMap::new() };
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
        let node = if placer.is_hot(sum.node) {
            placer.raw(sum.node)?
        } else {
            placer.cold_at(sum.node, release)?
        };
        placer.builder.sum(hq_plugin_sdk::plan::Sum { node, range: sum.range });
    }
    placer.builder.plan_mut().aggregates.clone_from(&plan.aggregates);
    Ok(placer.builder.finish())
}

/// What the users of a node ask of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    /// It holds a product that was not switched down since.
    hot: bool,
    /// Level at which it is computed; for a hot node, before switching.
    level: u8,
    /// Some product reads it, so it must have two parts.
    multiplied: bool,
}

fn needs(plan: &Plan, release: Level) -> Result<Vec<Need>> {
    let mut needs = vec![Need::default(); plan.nodes().len()];
    for (node, op) in plan.iter() {
        let hot = if let Op::Linear(linear) = op {
            linear.terms().iter().any(|&(_, term)| get(&needs, term).hot)
        } else {
            matches!(op, Op::Mul { .. })
        };
        if let Some(need) = needs.get_mut(node.index()) {
            need.hot = hot;
        }
    }
    let above = |level: u8| {
        level.checked_add(1).ok_or_else(|| Invalid {
            place: "levels".to_owned(),
            reason: "more than 255 levels are needed".to_owned(),
        })
    };
    for sum in &plan.sums {
        let hot = get(&needs, sum.node).hot;
        raise(&mut needs, sum.node, if hot { above(release.0)? } else { release.0 });
    }
    for (node, op) in plan.iter().rev() {
        let level = get(&needs, node).level;
        match op {
            Op::Mul { left, right } => {
                for &factor in [left, right] {
                    let hot = get(&needs, factor).hot;
                    raise(&mut needs, factor, if hot { above(level)? } else { level });
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
            | Op::Drop { .. } => {}
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
    /// As computed: hot, and of three parts if nothing multiplies it.
    Raw,
    /// Two parts, still hot.
    Relinearized,
    /// Switched down one level.
    Switched,
    /// Truncated to a level.
    At(u8),
}

struct Placer<'a> {
    plan: &'a Plan,
    needs: Vec<Need>,
    builder: Builder,
    /// Ciphertext parts of the placed nodes.
    parts: Vec<u8>,
    placed: HashMap<(NodeId, Form), NodeId>,
}

impl Placer<'_> {
    fn is_hot(&self, node: NodeId) -> bool {
        get(&self.needs, node).hot
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
        let placed = self.builder.push(op);
        if placed.index() == self.parts.len() {
            self.parts.push(parts);
        }
        self.placed.insert((node, form), placed);
        Ok(placed)
    }

    /// The node at the level where it is computed.
    fn raw(&mut self, node: NodeId) -> Result<NodeId> {
        let level = get(&self.needs, node).level;
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
        let all_multiplied = linear.terms().iter().all(|&(_, term)| {
            let need = get(&self.needs, term);
            !need.hot || need.multiplied || !self.has_three_parts(term)
        });
        let relinearize = all_multiplied && get(&self.needs, node).multiplied;
        let mut terms = Vec::with_capacity(linear.terms().len());
        for &(coefficient, term) in linear.terms() {
            let need = get(&self.needs, term);
            let placed = if !need.hot {
                self.cold_at(term, Level(level))?
            } else if need.level > level {
                let switched = self.switched(term)?;
                self.truncated(term, switched, need.level - 1, level)?
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

    /// Whether the raw form of a hot node has three parts: it is a product, or holds one as it is.
    fn has_three_parts(&self, node: NodeId) -> bool {
        match self.builder_shape(node) {
            Some(parts) => parts == 3,
            None => matches!(self.plan.op(node), Some(Op::Mul { .. } | Op::Linear(_))),
        }
    }

    /// Parts of the raw form, if it was placed.
    fn builder_shape(&self, node: NodeId) -> Option<u8> {
        let placed = self.placed.get(&(node, Form::Raw))?;
        Some(self.parts(*placed))
    }

    fn factor(&mut self, node: NodeId, level: u8) -> Result<NodeId> {
        let need = get(&self.needs, node);
        if !need.hot {
            return self.cold_at(node, Level(level));
        }
        let switched = self.switched(node)?;
        self.truncated(node, switched, need.level.saturating_sub(1), level)
    }

    fn relinearized(&mut self, node: NodeId) -> Result<NodeId> {
        let raw = self.raw(node)?;
        if self.parts(raw) == 2 {
            return Ok(raw);
        }
        self.memo(node, Form::Relinearized, |_| Ok(Op::Relinearize { arg: raw }))
    }

    /// One level down; relinearized before if some product reads the node.
    fn switched(&mut self, node: NodeId) -> Result<NodeId> {
        let arg = if get(&self.needs, node).multiplied { self.relinearized(node)? } else { self.raw(node)? };
        self.memo(node, Form::Switched, |_| Ok(Op::ModSwitch { arg }))
    }

    fn cold_at(&mut self, node: NodeId, level: Level) -> Result<NodeId> {
        let raw = self.raw(node)?;
        self.truncated(node, raw, get(&self.needs, node).level, level.0)
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
            Op::Mul { .. } => 3,
            Op::Linear(linear) => linear.terms().iter().map(|&(_, term)| self.parts(term)).max().unwrap_or(2),
            Op::ModSwitch { arg } | Op::Drop { arg, .. } => self.parts(*arg),
            Op::Input { .. }
            | Op::Relinearize { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. } => 2,
        }
    }
}
