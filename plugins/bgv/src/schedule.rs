//! From a verified plan to steps: what to compute.
//!
//! Three things are decided here. A run of modulus switches, with the relinearization before it, is one
//! division where nothing else reads what lies between. A product or combination whose only use is a sum is
//! added to that sum's accumulator and never stands on its own. A drop, or an input read at several levels, is
//! a view of fewer primes of the same ciphertext.

use hq_plugin_sdk::plan::{NodeId, Op, Plan, Sum};
use hq_plugin_sdk::verify::{self, Invalid, Shape};

/// Constants and coefficients of what is added to sums directly stay below this.
const MAX_COEFFICIENT: u64 = 1 << 31;

/// The first `limbs` primes of the ciphertext that node `root` computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Node index.
    pub root: usize,
    /// Primes.
    pub limbs: usize,
    /// Ciphertext parts.
    pub parts: usize,
}

/// What a step computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Unpacks and expands an input.
    Load {
        /// Input index.
        input: usize,
    },
    /// A linear combination.
    Linear {
        /// Added to every slot.
        constant: i64,
        /// Coefficients and values.
        terms: Vec<(i64, View)>,
    },
    /// A product.
    Product {
        /// Factors.
        factors: [View; 2],
    },
    /// Division by some of the last primes, by P after key switching, or by both at once.
    Switch {
        /// The value.
        arg: View,
        /// Whether it is brought back to two parts.
        relinearize: bool,
        /// Primes of the result.
        kept: usize,
    },
    /// `sum += coefficient * left * right`.
    AddProduct {
        /// Sum index.
        sum: usize,
        /// Integer factor.
        coefficient: i64,
        /// Factors.
        factors: [View; 2],
    },
    /// `sum += constant + combination`.
    AddLinear {
        /// Sum index.
        sum: usize,
        /// Added for every row.
        constant: i64,
        /// Coefficients and values.
        terms: Vec<(i64, View)>,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it computes.
    pub action: Action,
    /// Where its value stands; `None` where it goes into a sum.
    pub out: Option<View>,
}

/// A plan as steps.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// In order.
    pub steps: Vec<Step>,
    /// Primes read of each input; 0 where it is not used.
    pub input_limbs: Vec<usize>,
    /// Primes and parts of each sum.
    pub sums: Vec<(usize, usize)>,
    /// Where each node's value stands.
    pub views: Vec<View>,
    /// Whether every node stands on its own.
    pub mode: Mode,
}

/// Whether nodes may be fused into sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Least work: dead nodes are skipped, runs of switches are one, what is only summed is accumulated directly.
    Fast,
    /// Every node is computed on its own, to be measured.
    EveryNode,
}

impl Schedule {
    /// Schedules a plan.
    ///
    /// # Errors
    /// The plan breaks an invariant of the SDK's verifier.
    pub fn new(plan: &Plan, mode: Mode) -> Result<Self, Invalid> {
        verify::verify(plan)?;
        let shapes = verify::shapes(plan)?;
        let builder = Builder::new(plan, &shapes, mode);
        Ok(builder.build())
    }
}

struct Builder<'a> {
    plan: &'a Plan,
    shapes: &'a [Shape],
    mode: Mode,
    views: Vec<View>,
    input_limbs: Vec<usize>,
    /// Uses of each node by live nodes and sums.
    uses: Vec<usize>,
    /// The sum and coefficient a node goes into, where that is its only use.
    targets: Vec<Option<(usize, i64)>>,
    /// Relinearizations and modulus switches that the next modulus switch computes.
    fused: Vec<bool>,
    done: Vec<bool>,
    /// The sums of each node.
    sums: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

impl<'a> Builder<'a> {
    fn new(plan: &'a Plan, shapes: &'a [Shape], mode: Mode) -> Self {
        let count = plan.nodes().len();
        let mut builder = Self {
            plan,
            shapes,
            mode,
            views: Vec::with_capacity(count),
            input_limbs: vec![0; plan.inputs.len()],
            uses: vec![0; count],
            targets: vec![None; count],
            fused: vec![false; count],
            done: vec![false; count],
            sums: vec![Vec::new(); count],
            steps: Vec::new(),
        };
        builder.count_uses();
        builder.find_views();
        builder.find_targets();
        builder
    }

    fn count_uses(&mut self) {
        for (index, sum) in self.plan.sums.iter().enumerate() {
            self.uses[sum.node.index()] += 1;
            self.sums[sum.node.index()].push(index);
        }
        for (node, op) in self.plan.iter().rev() {
            if self.uses[node.index()] > 0 || self.mode == Mode::EveryNode {
                op.operands().iter().for_each(|operand| self.uses[operand.index()] += 1);
            }
        }
    }

    fn is_live(&self, node: NodeId) -> bool {
        self.mode == Mode::EveryNode || self.uses[node.index()] > 0
    }

    /// Inputs that are read more than once share the ciphertext of their first live node.
    fn find_views(&mut self) {
        let mut first: Vec<Option<usize>> = vec![None; self.plan.inputs.len()];
        for (node, op) in self.plan.iter() {
            let shape = self.shapes[node.index()];
            let limbs = shape.level.limbs();
            let root = match op {
                Op::Drop { arg, .. } => self.views[arg.index()].root,
                Op::Input { input, .. } if self.is_live(node) => {
                    let needed = &mut self.input_limbs[input.index()];
                    *needed = limbs.max(*needed);
                    *first[input.index()].get_or_insert(node.index())
                }
                Op::Input { .. }
                | Op::Member { .. }
                | Op::Less { .. }
                | Op::Equal { .. }
                | Op::Linear(_)
                | Op::Mul { .. }
                | Op::Relinearize { .. }
                | Op::ModSwitch { .. }
                | Op::Lookup { .. } => node.index(),
            };
            self.views.push(View { root, limbs, parts: usize::from(shape.parts) });
        }
    }

    fn find_targets(&mut self) {
        for (node, op) in self.plan.iter() {
            if let Op::ModSwitch { arg } = op
                && self.is_live(node)
                && matches!(self.plan.op(*arg), Some(Op::Relinearize { .. } | Op::ModSwitch { .. }))
            {
                self.fused[arg.index()] = self.uses[arg.index()] == 1;
            }
        }
        if self.mode == Mode::EveryNode {
            return;
        }
        for (sum, node) in self.plan.sums.iter().map(|sum| sum.node).enumerate() {
            if self.can_accumulate(node) {
                self.targets[node.index()] = Some((sum, 1));
            }
        }
        for (node, op) in self.plan.iter().rev() {
            let (Some((sum, factor)), Op::Linear(linear)) = (self.targets[node.index()], op) else {
                continue;
            };
            for &(coefficient, term) in linear.terms() {
                // Below 2^31, so that multiplying out stays within 64 bits.
                if let Some(product) = factor.checked_mul(coefficient)
                    && product.unsigned_abs() < MAX_COEFFICIENT
                    && self.can_accumulate(term)
                {
                    self.targets[term.index()] = Some((sum, product));
                }
            }
        }
    }

    fn can_accumulate(&self, node: NodeId) -> bool {
        let op = self.plan.op(node);
        self.uses[node.index()] == 1
            && match op {
                Some(Op::Mul { .. }) => true,
                // Coefficients that leave 64 bits when multiplied out stay in a value of their own.
                Some(Op::Linear(linear)) => {
                    linear.constant().unsigned_abs() < MAX_COEFFICIENT
                        && linear.terms().iter().all(|&(c, _)| c.unsigned_abs() < MAX_COEFFICIENT)
                }
                _ => false,
            }
    }

    fn build(mut self) -> Schedule {
        for (node, op) in self.plan.iter() {
            if self.is_live(node) {
                self.emit(node, op);
            }
        }
        let shape = |sum: &Sum| {
            let shape = self.shapes[sum.node.index()];
            (shape.level.limbs(), usize::from(shape.parts))
        };
        Schedule {
            sums: self.plan.sums.iter().map(shape).collect(),
            steps: self.steps,
            input_limbs: self.input_limbs,
            views: self.views,
            mode: self.mode,
        }
    }

    fn emit(&mut self, node: NodeId, op: &Op) {
        let index = node.index();
        let action = match op {
            // Loaded before its first use; comparisons are not in a placed plan.
            Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => return,
            Op::Input { .. } => {
                if self.mode == Mode::EveryNode {
                    self.view(node);
                }
                self.emit_sums(node);
                return;
            }
            Op::Drop { .. } => {
                self.emit_sums(node);
                return;
            }
            Op::Linear(linear) => match self.targets[index] {
                Some((sum, factor)) => {
                    let scaled =
                        linear.terms().iter().filter(|(_, term)| self.targets[term.index()].is_none());
                    let terms: Vec<(i64, NodeId)> = scaled.map(|&(c, term)| (c * factor, term)).collect();
                    let terms = terms.into_iter().map(|(c, term)| (c, self.view(term))).collect();
                    Action::AddLinear { sum, constant: linear.constant() * factor, terms }
                }
                None => Action::Linear {
                    constant: linear.constant(),
                    terms: linear.terms().iter().map(|&(c, term)| (c, self.view(term))).collect(),
                },
            },
            Op::Mul { left, right } => {
                let factors = [self.view(*left), self.view(*right)];
                match self.targets[index] {
                    Some((sum, coefficient)) => Action::AddProduct { sum, coefficient, factors },
                    None => Action::Product { factors },
                }
            }
            Op::Relinearize { .. } | Op::ModSwitch { .. } if self.fused[index] && self.mode == Mode::Fast => {
                return;
            }
            Op::Relinearize { .. } | Op::ModSwitch { .. } => self.switch(node),
        };
        let into_sum = self.targets[index].is_some();
        self.steps.push(Step { action, out: (!into_sum).then_some(self.views[index]) });
        if !into_sum {
            self.emit_sums(node);
        }
    }

    /// The division that leads to a node from where its run of switches begins.
    fn switch(&mut self, node: NodeId) -> Action {
        let kept = self.views[node.index()].limbs;
        let mut at = node;
        loop {
            match self.plan.op(at) {
                Some(Op::ModSwitch { arg }) if self.fused[arg.index()] => at = *arg,
                Some(Op::ModSwitch { arg }) => {
                    return Action::Switch { arg: self.view(*arg), relinearize: false, kept };
                }
                Some(Op::Relinearize { arg }) => {
                    return Action::Switch { arg: self.view(*arg), relinearize: true, kept };
                }
                // Only switches are fused.
                _ => return Action::Switch { arg: self.view(at), relinearize: false, kept },
            }
        }
    }

    /// Adds a value that stands on its own to the sums that want it.
    fn emit_sums(&mut self, node: NodeId) {
        for sum in std::mem::take(&mut self.sums[node.index()]) {
            let terms = vec![(1, self.view(node))];
            let action = Action::AddLinear { sum, constant: 0, terms };
            self.steps.push(Step { action, out: None });
        }
    }

    /// The view of a node, loading its input first where that was not done yet.
    fn view(&mut self, node: NodeId) -> View {
        let view = self.views[node.index()];
        if let Some(Op::Input { input, .. }) = self.plan.nodes().get(view.root)
            && !std::mem::replace(&mut self.done[view.root], true)
        {
            let action = Action::Load { input: input.index() };
            let out = View { limbs: self.input_limbs[input.index()], ..view };
            self.steps.push(Step { action, out: Some(out) });
        }
        view
    }
}

impl Action {
    /// The values it reads.
    #[must_use]
    pub fn reads(&self) -> Vec<View> {
        match self {
            Self::Load { .. } => Vec::new(),
            Self::Linear { terms, .. } | Self::AddLinear { terms, .. } => {
                terms.iter().map(|&(_, view)| view).collect()
            }
            Self::Product { factors } | Self::AddProduct { factors, .. } => factors.to_vec(),
            Self::Switch { arg, .. } => vec![*arg],
        }
    }
}
