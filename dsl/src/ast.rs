//! The syntax tree. Chains of equal operators are flat, so that its depth is bounded by brackets.

use crate::number::Decimal;
use crate::source::Span;

/// A word with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ident {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// An expression with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExprKind {
    Number(Decimal),
    Date(i64),
    Text(String),
    Bool(bool),
    Missing,
    /// `a` or `a.b.c`.
    Name(Vec<Ident>),
    /// `a.b(x, y)`.
    Call {
        name: Vec<Ident>,
        arguments: Vec<Expr>,
        star: Option<Span>,
    },
    List(Vec<Expr>),
    Set(Vec<Expr>),
    Comprehension {
        body: Box<Expr>,
        variable: Ident,
        over: Box<Expr>,
    },
    Record(Vec<(Ident, Expr)>),
    Range {
        lo: Box<Expr>,
        hi: Box<Expr>,
        step: Option<Box<Expr>>,
    },
    Case {
        arms: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Index(Box<Expr>, Box<Expr>),
    Field(Box<Expr>, Ident),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    /// `a + b - c` or `a * b / c`, from the left.
    Arithmetic {
        first: Box<Expr>,
        rest: Vec<(ArithmeticOp, Expr)>,
    },
    Power(Box<Expr>, Box<Expr>),
    /// `a ?? b ?? c`
    Coalesce {
        first: Box<Expr>,
        rest: Vec<Expr>,
    },
    /// One comparison; longer chains are reported when parsed.
    Compare {
        left: Box<Expr>,
        op: CompareOp,
        right: Box<Expr>,
    },
    In {
        value: Box<Expr>,
        set: Box<Expr>,
        negated: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// Stands where a mistake has been reported already.
    Poison,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArithmeticOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl CompareOp {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// Whether it holds of two values in that order.
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }

    /// The same comparison with its sides exchanged.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}

/// `name = expression`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) name: Ident,
    pub(crate) value: Expr,
    pub(crate) span: Span,
}

/// A domain as written; checked when used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DomainExpr {
    pub(crate) kind: DomainKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DomainKind {
    Bool,
    Levels(Vec<Ident>),
    Bounds { lo: Bound, hi: Bound, step: Option<Decimal> },
}

/// A constant in a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: Ident,
    pub(crate) domain: Option<DomainExpr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) value: Expr,
    /// Supplied by a plugin.
    pub(crate) external: Option<External>,
    pub(crate) span: Span,
}

/// What an `extern fn` says behind its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) result: DomainExpr,
    pub(crate) plugin: Ident,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParamDecl {
    pub(crate) name: Ident,
    pub(crate) domain: DomainExpr,
    pub(crate) default: Option<Bound>,
    pub(crate) secret: bool,
}

/// `min_cell 11 encrypted`, and where the word stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReleaseRule {
    pub(crate) name: Ident,
    pub(crate) number: Decimal,
    pub(crate) encrypted: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DatasetItem {
    Rows { limit: Decimal, one_per: Option<Ident>, span: Span },
    Release(Vec<ReleaseRule>, Span),
    Column(Box<ColumnDecl>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnDecl {
    pub(crate) name: Ident,
    pub(crate) domain: DomainExpr,
    pub(crate) optional: bool,
    pub(crate) description: String,
    pub(crate) prepared: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatasetDecl {
    pub(crate) name: Ident,
    pub(crate) title: String,
    pub(crate) items: Vec<DatasetItem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortItem {
    pub(crate) name: Ident,
    pub(crate) descending: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) kind: ClauseKind,
    pub(crate) word: Span,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClauseKind {
    From(Ident),
    Where(Expr),
    Derive(Vec<Binding>),
    By(Vec<(Option<Ident>, Expr)>),
    Report(Vec<Binding>),
    Sort(Vec<SortItem>),
    Take(Decimal, Span),
}

/// A query, or a cohort (which has no report).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryDecl {
    pub(crate) name: Ident,
    pub(crate) purpose: String,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) span: Span,
}

/// A column of an example's table with its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataColumn {
    pub(crate) column: ColumnDecl,
    pub(crate) cells: Vec<Cell>,
    /// The list of cells.
    pub(crate) span: Span,
}

/// A literal of a column's domain; no text for `missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: Option<String>,
    pub(crate) span: Span,
}

/// A part of an example, in the order written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExamplePart {
    Data(Vec<DataColumn>, Span),
    /// `where` or `derive`.
    Clause(Clause),
    /// `expect left == right`; the expression was not checked for that form.
    Expect(Expr, Span),
}

/// `example name "purpose" data { … } where … expect …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExampleDecl {
    pub(crate) name: Ident,
    pub(crate) purpose: String,
    pub(crate) parts: Vec<ExamplePart>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) uses: Vec<Ident>,
    pub(crate) datasets: Vec<DatasetDecl>,
    pub(crate) params: Vec<ParamDecl>,
    pub(crate) cohorts: Vec<QueryDecl>,
    pub(crate) functions: Vec<Function>,
    pub(crate) queries: Vec<QueryDecl>,
    pub(crate) examples: Vec<ExampleDecl>,
    /// Parts that could not be read and were reported.
    pub(crate) damaged: Vec<Span>,
}
