//! Clear expressions: what is computed after decryption, on opened aggregates. A hash-consed arena of
//! scalars; lists and records were taken apart at compile time and stand only in [`Output`].

use std::collections::HashMap;

use crate::distribution::Distribution;
use crate::function::FunctionTable;
use crate::number::Decimal;

/// A clear expression in [`Clears`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClearId(u32);

/// Functions of one number. Arguments outside the domain of a function give an undefined value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `-x`
    Negate,
    /// `not x`
    Not,
    /// `|x|`
    Abs,
    /// Square root.
    Sqrt,
    /// Natural logarithm.
    Log,
    /// Logarithm to base 10.
    Log10,
    /// Exponential.
    Exp,
    /// Largest whole number not above.
    Floor,
}

/// Operations on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`; undefined for b = 0
    Div,
    /// Remainder of the division rounded down; undefined for b = 0
    Rem,
    /// `a ^ b`
    Pow,
    /// a to b digits after the point, half away from zero
    Round,
    /// Smaller of two numbers
    Min,
    /// Larger of two numbers
    Max,
    /// `a == b`
    Equal,
    /// `a < b`
    Less,
    /// `a <= b`
    LessEqual,
    /// `a and b`
    And,
    /// `a or b`
    Or,
}

/// An operation on clear values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClearOp {
    /// The `index`-th aggregate of the query, divided by `10^decimals`.
    Aggregate(usize),
    /// The `index`-th key of the group: a number, or its label.
    Key(usize),
    /// The cell of a column in the row at hand; in prepared columns only.
    Cell(usize),
    /// Whether that cell is present; in prepared columns only.
    Present(usize),
    /// An exact number.
    Number(Decimal),
    /// A double, by its bits.
    Real(u64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A function of one value.
    Unary(Unary, ClearId),
    /// An operation on two values.
    Binary(Binary, ClearId, ClearId),
    /// A distribution function.
    Distribution(Distribution, Vec<ClearId>),
    /// A function of a plugin, looked up; undefined outside its domains.
    Function(FunctionTable, Vec<ClearId>),
    /// One unknown of a system of linear equations; undefined if it has not exactly one solution.
    Solve {
        /// The square matrix, row by row.
        matrix: Vec<ClearId>,
        /// The right side.
        right: Vec<ClearId>,
        /// Which unknown, from 0.
        unknown: usize,
    },
    /// The value of the first arm whose condition holds; nothing else is evaluated.
    Case {
        /// Conditions and values, in order.
        arms: Vec<(ClearId, ClearId)>,
        /// The value if no condition holds.
        otherwise: ClearId,
    },
}

/// The arena; operands stand before their users, equal operations have equal ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clears {
    nodes: Vec<ClearOp>,
    ids: HashMap<ClearOp, ClearId>,
}

impl ClearId {
    /// Position in the arena.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Clears {
    /// The operation of an id of this arena.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "ids are made by `push` of the same arena only")]
    pub fn get(&self, id: ClearId) -> &ClearOp {
        &self.nodes[id.index()]
    }

    /// All operations, operands before their users.
    pub fn iter(&self) -> impl Iterator<Item = (ClearId, &ClearOp)> {
        (0_u32..).map(ClearId).zip(&self.nodes)
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds an operation unless an equal one is there.
    pub fn push(&mut self, op: ClearOp) -> ClearId {
        let next = ClearId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry(op.clone()).or_insert(next);
        if id == next {
            self.nodes.push(op);
        }
        id
    }
}

/// The shape of a reported value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One value.
    Scalar(ClearId),
    /// A list.
    List(Vec<Output>),
    /// Named values, in order.
    Record(Vec<(String, Output)>),
}
