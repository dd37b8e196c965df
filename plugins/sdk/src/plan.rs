//! The plan: a hash-consed graph of row operations whose outputs are sums over all rows.
//!
//! One type serves every stage. A *circuit* has no parameters and logical inputs; a *placed plan* has
//! parameters and an explicit level for each input. Levels, ranges and noise are not stored: they are
//! functions of the plan (see `verify` and the engine).

use std::collections::BTreeMap;
use std::fmt;

use foldhash::HashMap;

use crate::capabilities::OpKind;
use crate::cells::Gates;
use crate::parameters::Parameters;
use crate::range::{Range, RangeSet};
use crate::table::Table;

/// A node of the graph; printed `%3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// A declared input; printed by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(u32);

/// A released number: the sum of one node over all rows; printed `s3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SumId(u32);

/// An integer that a query asked for; printed `a3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AggregateId(u32);

/// A level of the modulus chain: level l has l + 1 primes; printed `@3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(pub u8);

macro_rules! id {
    ($name:ident, $sigil:literal) => {
        impl $name {
            /// The id of the `index`-th item; `None` past 32 bits.
            #[must_use]
            pub fn from_index(index: usize) -> Option<Self> {
                u32::try_from(index).ok().map(Self)
            }

            /// Position of the item.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sigil, "{}"), self.0)
            }
        }
    };
}
id!(NodeId, "%");
id!(InputId, "i");
id!(SumId, "s");
id!(AggregateId, "a");

impl Level {
    /// Primes at this level.
    #[must_use]
    pub fn limbs(self) -> usize {
        usize::from(self.0) + 1
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// A column or a part of one, as the backend receives it. Names hold no white space: `age`,
/// `age.known`, `age.bit3`, `sex.is0`, `rows.present`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Unique name.
    pub name: String,
    /// Values that may occur.
    pub range: Range,
    /// What its values have to do with those of other inputs.
    pub family: Option<Family>,
    /// Whose values they are.
    pub origin: Origin,
}

/// Flags that belong together, under a name without white space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Inputs with the same name exclude each other: in a row at most one of them is not zero.
    OneOf(String),
    /// Flags with the same name hold in order: where that of a rank is 1, so are those of all lower ranks.
    Nested(String, u32),
}

/// Where the values of an input come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The table: a value in each row, 0 in absent rows.
    #[default]
    Table,
    /// A secret parameter of the query: one value for all rows, absent ones too, encrypted under the public key.
    Parameter,
}

/// `constant + sum of coefficient * node`: the one linear operation. Terms are sorted by node, no
/// coefficient is zero, no node occurs twice. Without terms it is a constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Linear {
    constant: i64,
    terms: Vec<(i64, NodeId)>,
}

impl Linear {
    /// Sorts and merges; `None` where a coefficient leaves 64 bits.
    #[must_use]
    pub fn new(constant: i64, terms: impl IntoIterator<Item = (i64, NodeId)>) -> Option<Self> {
        let mut sorted: Vec<(i64, NodeId)> = terms.into_iter().collect();
        sorted.sort_unstable_by_key(|&(_, node)| node);
        let mut merged: Vec<(i64, NodeId)> = Vec::with_capacity(sorted.len());
        for (coefficient, node) in sorted {
            match merged.last_mut() {
                Some((sum, last)) if *last == node => *sum = sum.checked_add(coefficient)?,
                _ => merged.push((coefficient, node)),
            }
        }
        merged.retain(|&(coefficient, _)| coefficient != 0);
        Some(Self { constant, terms: merged })
    }

    /// A constant.
    #[must_use]
    pub fn constant_of(value: i64) -> Self {
        Self { constant: value, terms: Vec::new() }
    }

    /// The constant term.
    #[must_use]
    pub fn constant(&self) -> i64 {
        self.constant
    }

    /// Coefficients and nodes, in rising order of nodes.
    #[must_use]
    pub fn terms(&self) -> &[(i64, NodeId)] {
        &self.terms
    }
}

/// An operation on row values. All values are integers; a boolean is 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// One value per row; on a leveled backend, fresh at the given level.
    Input {
        /// Which input.
        input: InputId,
        /// Level at which it enters a placed plan; `None` before placement.
        level: Option<Level>,
    },
    /// 1 where the value lies in the set, else 0.
    Member {
        /// The value.
        arg: NodeId,
        /// The set.
        set: RangeSet,
    },
    /// 1 where `left < right`, else 0.
    Less {
        /// Smaller side.
        left: NodeId,
        /// Larger side.
        right: NodeId,
    },
    /// 1 where `left == right`, else 0.
    Equal {
        /// One side.
        left: NodeId,
        /// Other side.
        right: NodeId,
    },
    /// A constant plus integer multiples of nodes: sums, differences, negation, constants.
    Linear(Linear),
    /// Product; of booleans, their conjunction. `left <= right`.
    Mul {
        /// One factor.
        left: NodeId,
        /// Other factor.
        right: NodeId,
    },
    /// Back to two ciphertext parts.
    Relinearize {
        /// The product.
        arg: NodeId,
    },
    /// Down one level by modulus switching.
    ModSwitch {
        /// The value.
        arg: NodeId,
    },
    /// Down to `to` by truncation of the residue number system; the noise stays as it is.
    Drop {
        /// The value.
        arg: NodeId,
        /// Target level, below the level of `arg`.
        to: Level,
    },
    /// The entry of a small value: one programmable bootstrap, which tables of one value may share.
    Lookup {
        /// The value.
        arg: NodeId,
        /// An entry for each value that it takes.
        table: Table,
    },
}

impl Op {
    /// Its name in the capability list.
    #[must_use]
    pub fn kind(&self) -> OpKind {
        match self {
            Self::Input { .. } => OpKind::Input,
            Self::Member { .. } => OpKind::Member,
            Self::Less { .. } => OpKind::Less,
            Self::Equal { .. } => OpKind::Equal,
            Self::Linear(_) => OpKind::Linear,
            Self::Mul { .. } => OpKind::Mul,
            Self::Relinearize { .. } => OpKind::Relinearize,
            Self::ModSwitch { .. } => OpKind::ModSwitch,
            Self::Drop { .. } => OpKind::Drop,
            Self::Lookup { .. } => OpKind::Lookup,
        }
    }

    /// The nodes it reads.
    #[must_use]
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Input { .. } => Vec::new(),
            Self::Member { arg, .. }
            | Self::Relinearize { arg }
            | Self::ModSwitch { arg }
            | Self::Drop { arg, .. }
            | Self::Lookup { arg, .. } => vec![*arg],
            Self::Less { left, right } | Self::Equal { left, right } | Self::Mul { left, right } => {
                vec![*left, *right]
            }
            Self::Linear(linear) => linear.terms().iter().map(|&(_, node)| node).collect(),
        }
    }
}

/// A released number: a node summed over all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sum {
    /// What is summed.
    pub node: NodeId,
    /// What one row adds at least and at most. It may be narrower than interval arithmetic shows on a
    /// placed plan (a difference of thresholds is 0 or 1): the encoding keeps what the circuit proved.
    pub range: Range,
}

/// An exact integer that a query asked for, as a combination of released sums:
/// `sum of coefficient * sum`. Computed in the clear after opening.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Aggregate {
    /// Coefficients and sums, in rising order of sums.
    pub terms: Vec<(i64, SumId)>,
}

/// How sums leave a leveled backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Level at which results are opened.
    pub level: Level,
    /// Level at which sums of more than two parts are relinearized, at least that above: those that stand higher
    /// are switched down to it first, with all their parts.
    pub relinearize: Level,
    /// The flooding noise is uniform in `t * [-2^bits, 2^bits]`.
    pub flood_bits: u32,
}

/// A graph of row operations with its outputs. See the module for what the stages add.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// Upper bound on the number of rows of the table.
    pub rows: u64,
    /// Parameters of the backend; `None` for a circuit.
    pub parameters: Option<Parameters>,
    /// How sums are released; `None` for a circuit, or where nothing is encrypted.
    pub release: Option<Release>,
    /// Which counts let which aggregates out; `None` where all leave.
    pub gates: Option<Gates>,
    /// What rows consist of.
    pub inputs: Vec<Input>,
    nodes: Vec<Op>,
    /// Ranges that a pass proved and interval arithmetic does not show: disjoint masks add up to 0 or 1.
    proved: BTreeMap<NodeId, Range>,
    /// Nodes summed over all rows and then decrypted: nothing else is ever decryptable.
    pub sums: Vec<Sum>,
    /// The query's aggregates, in its order.
    pub aggregates: Vec<Aggregate>,
}

impl Plan {
    /// The operations, operands before users.
    #[must_use]
    pub fn nodes(&self) -> &[Op] {
        &self.nodes
    }

    /// The operations with their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Op)> {
        self.nodes.iter().enumerate().map(|(index, op)| (NodeId(ordinal(index)), op))
    }

    /// The operation of a node; `None` where there is no such node.
    #[must_use]
    pub fn op(&self, node: NodeId) -> Option<&Op> {
        self.nodes.get(node.index())
    }

    /// Where the values of an input come from.
    #[must_use]
    pub fn origin(&self, input: InputId) -> Origin {
        self.inputs.get(input.index()).map_or(Origin::Table, |input| input.origin)
    }

    /// The inputs whose values the table holds, in order.
    pub fn table_inputs(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|input| input.origin == Origin::Table)
    }

    /// Whether an input stands in tables only: it is then encrypted as an entry.
    #[must_use]
    pub fn is_entry(&self, input: InputId) -> bool {
        let in_table =
            |op: &Op| matches!(op, Op::Lookup { table, .. } if table.inputs().any(|own| own == input));
        self.nodes.iter().any(in_table)
    }

    /// The range proved of a node beyond interval arithmetic, if any.
    #[must_use]
    pub fn proved(&self, node: NodeId) -> Option<Range> {
        self.proved.get(&node).copied()
    }
}

fn ordinal(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Builds a plan node by node; equal operations become one node.
#[derive(Debug, Default)]
pub struct Builder {
    plan: Plan,
    known: HashMap<Op, NodeId>,
    input_names: HashMap<String, InputId>,
    sums: HashMap<NodeId, SumId>,
}

impl Builder {
    /// An empty plan with the row bound, parameters, release and gates of `plan`.
    #[must_use]
    pub fn headed(plan: &Plan) -> Self {
        let Plan { rows, release, .. } = *plan;
        let (parameters, gates) = (plan.parameters.clone(), plan.gates.clone());
        Self { plan: Plan { rows, parameters, release, gates, ..Plan::default() }, ..Self::default() }
    }

    /// The same, with its inputs.
    #[must_use]
    pub fn like(plan: &Plan) -> Self {
        let mut builder = Self::headed(plan);
        for input in &plan.inputs {
            builder.declare(input.clone());
        }
        builder
    }

    /// An empty circuit over tables of at most `rows` rows.
    #[must_use]
    pub fn new(rows: u64) -> Self {
        Self { plan: Plan { rows, ..Plan::default() }, ..Self::default() }
    }

    /// Declares an input, once per name.
    pub fn declare(&mut self, input: Input) -> InputId {
        if let Some(&id) = self.input_names.get(&input.name) {
            return id;
        }
        let id = InputId(ordinal(self.plan.inputs.len()));
        self.input_names.insert(input.name.clone(), id);
        self.plan.inputs.push(input);
        id
    }

    /// The node of an operation, the same for equal operations.
    pub fn push(&mut self, op: Op) -> NodeId {
        let op = match op {
            Op::Mul { left, right } if left > right => Op::Mul { left: right, right: left },
            Op::Equal { left, right } if left > right => Op::Equal { left: right, right: left },
            op @ (Op::Input { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Linear(_)
            | Op::Mul { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. }) => op,
        };
        if let Some(&node) = self.known.get(&op) {
            return node;
        }
        let node = NodeId(ordinal(self.plan.nodes.len()));
        self.known.insert(op.clone(), node);
        self.plan.nodes.push(op);
        node
    }

    /// Appends an operation without looking for an equal one (the text form keeps what it reads).
    pub fn push_distinct(&mut self, op: Op) -> NodeId {
        let node = NodeId(ordinal(self.plan.nodes.len()));
        self.known.entry(op.clone()).or_insert(node);
        self.plan.nodes.push(op);
        node
    }

    /// Records that a node's values lie in `range`.
    pub fn prove(&mut self, node: NodeId, range: Range) {
        self.plan.proved.insert(node, range);
    }

    /// The operation of a node that was pushed before.
    #[must_use]
    pub fn op(&self, node: NodeId) -> Option<&Op> {
        self.plan.op(node)
    }

    /// Declares a released number, once per node.
    pub fn sum(&mut self, sum: Sum) -> SumId {
        let next = SumId(ordinal(self.plan.sums.len()));
        let id = *self.sums.entry(sum.node).or_insert(next);
        if id == next {
            self.plan.sums.push(sum);
        }
        id
    }

    /// The plan so far, for functions of a plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, still to be changed in its header.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// The finished plan.
    #[must_use]
    pub fn finish(self) -> Plan {
        self.plan
    }
}
