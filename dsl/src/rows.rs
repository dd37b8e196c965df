//! Row expressions: what is computed per row, on encrypted values. A hash-consed arena in which
//! operands stand before their users; every value is an integer code, a boolean is 0 or 1.

use std::collections::HashMap;

use crate::source::Span;

/// Index of a column in its dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(u32);

/// A row expression in [`Rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(u32);

impl ColumnId {
    /// The id of the `index`-th column.
    #[must_use]
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Position in [`Dataset::columns`](crate::Dataset::columns).
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl RowId {
    /// Position in the arena.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation on integer codes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowOp {
    /// A column's code. Any value stands there where the cell is missing: the checker has made sure that
    /// it then has no influence.
    Column(ColumnId),
    /// 1 where the cell is present.
    Known(ColumnId),
    /// A constant.
    Const(i64),
    /// Sum; operands have been brought to the decimals of the result.
    Add(RowId, RowId),
    /// Difference; operands have been brought to the decimals of the result.
    Sub(RowId, RowId),
    /// Product; decimals add up.
    Mul(RowId, RowId),
    /// 1 where `arg` lies in a union of closed intervals, which are sorted, disjoint and not adjacent.
    /// Every comparison with a constant is one of these.
    Member {
        /// The value.
        arg: RowId,
        /// The intervals, inside the range of `arg`.
        set: Vec<(i64, i64)>,
    },
    /// 1 where `left < right`, at equal decimals.
    Less {
        /// Smaller side.
        left: RowId,
        /// Larger side.
        right: RowId,
    },
    /// 1 where `left == right`, at equal decimals.
    Equal {
        /// One side.
        left: RowId,
        /// Other side.
        right: RowId,
    },
    /// Negation of a boolean.
    Not(RowId),
    /// Conjunction of booleans.
    And(RowId, RowId),
    /// Disjunction of booleans.
    Or(RowId, RowId),
    /// The value of the first arm whose condition is 1.
    Case {
        /// Conditions and values, in order.
        arms: Vec<(RowId, RowId)>,
        /// The value if no condition holds.
        otherwise: RowId,
    },
}

impl RowOp {
    /// The expressions it reads, in order.
    #[must_use]
    pub fn operands(&self) -> Vec<RowId> {
        match self {
            Self::Column(_) | Self::Known(_) | Self::Const(_) => Vec::new(),
            Self::Member { arg, .. } | Self::Not(arg) => vec![*arg],
            Self::Add(left, right)
            | Self::Sub(left, right)
            | Self::Mul(left, right)
            | Self::And(left, right)
            | Self::Or(left, right)
            | Self::Less { left, right }
            | Self::Equal { left, right } => vec![*left, *right],
            Self::Case { arms, otherwise } => {
                arms.iter().flat_map(|&(condition, value)| [condition, value]).chain([*otherwise]).collect()
            }
        }
    }
}

/// An operation with what is known of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowNode {
    /// The operation.
    pub op: RowOp,
    /// Smallest and largest value, exact for the ranges of the operands.
    pub range: (i64, i64),
    /// Digits after the point: the value stands for itself divided by `10^decimals`.
    pub decimals: u8,
    /// Where it was written first.
    pub span: Span,
}

/// The arena; equal operations have equal ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    nodes: Vec<RowNode>,
    ids: HashMap<(RowOp, u8), RowId>,
}

impl Rows {
    /// The node of an id of this arena.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "ids are made by `push` of the same arena only")]
    pub fn get(&self, id: RowId) -> &RowNode {
        &self.nodes[id.index()]
    }

    /// All nodes, operands before their users.
    pub fn iter(&self) -> impl Iterator<Item = (RowId, &RowNode)> {
        (0_u32..).map(RowId).zip(&self.nodes)
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a node unless an equal one is there.
    pub fn push(&mut self, node: RowNode) -> RowId {
        let next = RowId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry((node.op.clone(), node.decimals)).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }
}
