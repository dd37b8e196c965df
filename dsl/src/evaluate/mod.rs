//! Evaluation at compile time: expressions become constants, row expressions, or clear expressions over
//! aggregates, according to what stands in them. Functions are inlined and comprehensions unrolled.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operation names the kinds of values it takes; any other kind is the user's mistake"
)]

mod aggregate;
mod arithmetic;
mod beneath;
mod call;
mod case;
mod cell;
mod clauses;
mod compare;
mod external;
mod fact;
mod intervals;
mod list;
mod logic;
mod membership;
mod mixture;
mod names;
mod prepare;
mod presence;
mod query;
mod row;
mod settle;
mod system;
mod table;
mod value;

pub(crate) use call::BUILTINS;
pub(crate) use fact::{Facts, short_domain};
pub(crate) use prepare::prepare;
pub(crate) use query::{check_over, check_query, check_query_noting};
pub(crate) use value::unit;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::ast::{Expr, ExprKind};
use crate::clear::{ClearId, ClearOp, Clears};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::{Domain, quote_level};
use crate::program::Program;
use crate::rows::{ColumnId, Rows};
use crate::schema::one_line;
use crate::source::{Loader, Span};
use crate::typed::{Aggregate, Column, Dataset};
use value::{At, ClearKind, RowValue, Value};

/// Most evaluation steps per query, as a guard against runaway comprehensions.
const MAX_STEPS: usize = 4_000_000;
/// Deepest nesting of expressions, through function calls.
const MAX_DEPTH: usize = 160;
/// Most aggregates per query.
const MAX_AGGREGATES: usize = 20_000;
/// Deepest nesting of function calls.
const MAX_CALLS: usize = 24;

/// Where an expression stands, which decides whether aggregates may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In `where`, `derive` or `by`.
    Row(&'static str),
    /// In the parentheses of `count` or `sum`.
    Aggregate,
    /// In `report`, outside them.
    Report,
}

struct Call {
    name: String,
    span: Span,
}

/// Evaluates the expressions of one query.
struct Evaluator<'a> {
    program: &'a Program,
    /// Has the functions of plugins.
    loader: &'a dyn Loader,
    dataset: Dataset,
    /// Columns of the table; secret parameters stand behind them.
    table_columns: usize,
    units: Vec<Option<Rc<str>>>,
    diagnostics: Vec<Diagnostic>,
    reported: HashSet<(Code, Span, String)>,
    rows: Rows,
    /// Of each row expression.
    presences: Vec<presence::Presence>,
    /// Of each row expression, whether it multiplies values.
    products: Vec<bool>,
    clears: Clears,
    aggregates: Vec<Aggregate>,
    aggregate_ids: HashMap<(crate::typed::AggregateKind, crate::rows::RowId), usize>,
    /// Columns known to be present where we stand.
    known: BTreeSet<ColumnId>,
    /// Derived values and report results.
    names: HashMap<String, Value>,
    /// Locals of the function or comprehension we are in, innermost last.
    locals: Vec<(String, Value)>,
    /// Variables of comprehensions with the words for their values, for the names of aggregates.
    variables: Vec<(String, String)>,
    calls: Vec<Call>,
    place: Place,
    /// Row values that are keys of the groups.
    keys: Vec<(crate::rows::RowId, Domain)>,
    /// Sets that the filter confines row values to; labels of bands and tables take them into account.
    confined: HashMap<crate::rows::RowId, Vec<(i64, i64)>>,
    /// Sets that the conditions around us confine row values to.
    within: Vec<(crate::rows::RowId, Vec<(i64, i64)>)>,
    /// Name of the report binding that is being evaluated.
    binding: Option<Span>,
    /// Expressions being evaluated, one inside the other.
    depth: usize,
    steps: usize,
    stopped: bool,
    /// Whether cells are clear: the expression of a prepared column is checked.
    preparing: bool,
    /// What the query's own expressions are, for editors; `None` where nobody asks.
    noted: Option<Facts>,
}

impl<'a> Evaluator<'a> {
    fn new(program: &'a Program, loader: &'a dyn Loader, dataset: Dataset) -> Self {
        let units = dataset.columns.iter().map(|column| value::unit(&column.description)).collect();
        Self {
            program,
            loader,
            table_columns: dataset.columns.len(),
            dataset,
            units,
            diagnostics: Vec::new(),
            reported: HashSet::new(),
            rows: Rows::default(),
            presences: Vec::new(),
            products: Vec::new(),
            clears: Clears::default(),
            aggregates: Vec::new(),
            aggregate_ids: HashMap::new(),
            known: BTreeSet::new(),
            names: HashMap::new(),
            locals: Vec::new(),
            variables: Vec::new(),
            calls: Vec::new(),
            place: Place::Row("where"),
            keys: Vec::new(),
            confined: HashMap::new(),
            within: Vec::new(),
            binding: None,
            depth: 0,
            steps: 0,
            stopped: false,
            preparing: false,
            noted: None,
        }
    }

    /// Makes the secret parameters of the program known, as columns of one value for all rows.
    fn add_secrets(&mut self) {
        for param in self.program.params.iter().filter(|param| param.secret) {
            if self.dataset.columns.iter().any(|column| column.name == param.name) {
                let message = format!(
                    "`{}` is a secret parameter and a column of `{}`.",
                    param.name, self.dataset.name
                );
                self.fail(Code::DuplicateName, param.span, message, "Give the parameter another name.");
                continue;
            }
            self.units.push(None);
            self.dataset.columns.push(Column {
                name: param.name.clone(),
                domain: param.domain.clone(),
                optional: false,
                description: String::new(),
                prepared: None,
                span: param.span,
            });
        }
    }

    /// Reports; inside a function the call in the query's own text is the main place.
    fn emit(&mut self, mut diagnostic: Diagnostic) {
        if let Some(call) = self.calls.first() {
            let words = format!("in this call of `{}`", call.name);
            diagnostic.labels.insert(0, (call.span, words));
        }
        let key = (diagnostic.code, diagnostic.span(), diagnostic.message.clone());
        if self.reported.insert(key) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn fail(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) -> Value {
        self.emit(Diagnostic::error(code, span, message, help));
        Value::Poison
    }

    /// Source text on one line, cut where it is long.
    fn text(&self, span: Span) -> String {
        let text = one_line(self.program.sources.slice(span));
        if text.chars().count() <= 70 { text } else { text.chars().take(67).collect::<String>() + "…" }
    }

    /// Counts a step; false when the query has become too large.
    fn step(&mut self, span: Span) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS && !self.stopped {
            self.stopped = true;
            self.fail(
                Code::TooComplex,
                span,
                "This query unrolls to more operations than can be planned.",
                "Use shorter comprehensions.",
            );
        }
        !self.stopped
    }

    /// Whether the text is the query's own, not that of a function or a comprehension, whose conditions
    /// may well be constant for some values.
    fn is_literal_place(&self) -> bool {
        self.calls.is_empty() && self.variables.is_empty()
    }

    fn clear(&mut self, op: ClearOp, kind: ClearKind) -> Value {
        Value::Clear(self.clears.push(op), kind)
    }

    fn at(&mut self, expr: &'a Expr) -> At {
        At { value: self.eval(expr), span: expr.span }
    }

    /// The value of an expression; `Poison` after a mistake, which has been reported.
    fn eval(&mut self, expr: &'a Expr) -> Value {
        if !self.step(expr.span) {
            return Value::Poison;
        }
        if self.depth >= MAX_DEPTH {
            return self.fail(
                Code::TooComplex,
                expr.span,
                format!("This expression, with the functions in it, is nested more than {MAX_DEPTH} deep."),
                "Name parts with `derive`, or use fewer functions inside each other.",
            );
        }
        self.depth += 1;
        let value = self.eval_inside(expr);
        self.depth -= 1;
        self.note(expr.span, &value);
        value
    }

    fn eval_inside(&mut self, expr: &'a Expr) -> Value {
        match &expr.kind {
            ExprKind::Number(number) => Value::Number(*number),
            ExprKind::Date(days) => Value::Date(*days),
            ExprKind::Text(text) => Value::Text(text.as_str().into()),
            ExprKind::Bool(value) => Value::Bool(*value),
            ExprKind::Missing => self.fail(
                Code::EqualsMissing,
                expr.span,
                "`missing` is not a value.",
                "Write `known(x)` or `not known(x)` in a condition, or `x ?? value`.",
            ),
            ExprKind::Name(path) => self.name(path, expr.span),
            ExprKind::Call { name, arguments, star } => {
                if star.is_some() {
                    return Value::Poison;
                }
                self.call(name, arguments, expr.span)
            }
            ExprKind::List(items) => {
                let items: Vec<Value> = items.iter().map(|item| self.eval(item)).collect();
                if items.iter().any(Value::is_poison) { Value::Poison } else { Value::List(items.into()) }
            }
            ExprKind::Set(_) => self.fail(
                Code::TypeMismatch,
                expr.span,
                "A set in braces stands only after `in`.",
                "Write `x in {a, b}`, or a list in square brackets.",
            ),
            ExprKind::Comprehension { body, variable, over } => self.comprehension(body, variable, over),
            ExprKind::Record(fields) => {
                let fields: Vec<(String, Value)> =
                    fields.iter().map(|(name, value)| (name.text.clone(), self.eval(value))).collect();
                Value::Record(fields.into())
            }
            ExprKind::Range { lo, hi, step } => self.range(lo, hi, step.as_deref(), expr.span),
            ExprKind::Case { arms, otherwise } => self.case(arms, otherwise.as_deref(), expr.span),
            ExprKind::Index(base, index) => self.index(base, index, expr.span),
            ExprKind::Field(base, field) => {
                let value = self.eval(base);
                self.field(value, base.span, field)
            }
            ExprKind::Negate(arg) => {
                let arg = self.at(arg);
                self.negate(&arg, expr.span)
            }
            ExprKind::Not(arg) => self.not(arg, expr.span),
            ExprKind::Arithmetic { first, rest } => {
                let mut left = self.at(first);
                for (op, operand) in rest {
                    let right = self.at(operand);
                    let span = left.span.to(right.span);
                    left = At { value: self.arithmetic(*op, &left, &right, span), span };
                }
                left.value
            }
            ExprKind::Power(base, exponent) => {
                let (base, exponent) = (self.at(base), self.at(exponent));
                self.power(&base, &exponent, expr.span)
            }
            ExprKind::Coalesce { first, rest } => self.coalesce(first, rest),
            ExprKind::Compare { left, op, right } => self.comparison(*op, left, right, expr.span),
            ExprKind::In { value, set, negated } => self.membership(value, set, *negated, expr.span),
            ExprKind::And(parts) => self.and_or(parts, true),
            ExprKind::Or(parts) => self.and_or(parts, false),
            ExprKind::Poison => Value::Poison,
        }
    }

    /// A row value where it is used: it must not be missing.
    fn present(&mut self, row: &RowValue, span: Span) -> Option<crate::rows::RowId> {
        let Some(&column) = row.missing.iter().find(|column| !self.known.contains(column)) else {
            return Some(row.id);
        };
        let column = self.dataset.columns.get(column.index())?;
        let name = column.name.clone();
        let (lo, hi) = column.domain.range();
        let middle = match &column.domain {
            Domain::Levels(levels) => levels.first().map(|level| quote_level(level)).unwrap_or_default(),
            domain => domain.label(lo / 2 + hi / 2),
        };
        self.fail(
            Code::MissingNotHandled,
            span,
            format!("`{name}` may be missing."),
            format!(
                "Say what a missing value means: `where known({name})` leaves such rows out, \
                 `{name} ?? {middle}` puts a value in its place."
            ),
        );
        None
    }

    /// The clear form of a value where one exists: aggregates, constants, keys of the groups.
    fn clear_operand(&mut self, at: &At) -> Option<(ClearId, ClearKind)> {
        Some(match &at.value {
            Value::Clear(id, kind) => (*id, *kind),
            Value::Number(number) => (self.clears.push(ClearOp::Number(*number)), ClearKind::Number),
            Value::Real(value) => (self.clears.push(ClearOp::Real(value.to_bits())), ClearKind::Number),
            Value::Bool(value) => (self.clears.push(ClearOp::Bool(*value)), ClearKind::Bool),
            Value::Text(text) => (self.clears.push(ClearOp::Text(text.to_string())), ClearKind::Text),
            Value::Date(days) if self.preparing => {
                (self.clears.push(ClearOp::Number(crate::number::Decimal::integer(*days))), ClearKind::Number)
            }
            Value::Date(days) => {
                (self.clears.push(ClearOp::Text(crate::number::format_date(*days))), ClearKind::Text)
            }
            Value::Level(levels, code) => {
                let label = usize::try_from(*code).ok().and_then(|code| levels.get(code).cloned());
                (self.clears.push(ClearOp::Text(label.unwrap_or_default())), ClearKind::Text)
            }
            Value::Row(row) => {
                let index = self.keys.iter().position(|(key, _)| *key == row.id)?;
                let kind = match self.keys.get(index).map(|(_, domain)| domain) {
                    Some(Domain::Bool) => ClearKind::Bool,
                    Some(Domain::Int { .. } | Domain::Fixed { .. }) => ClearKind::Number,
                    Some(Domain::Levels(_) | Domain::Date { .. }) | None => ClearKind::Text,
                };
                (self.clears.push(ClearOp::Key(index)), kind)
            }
            Value::Table(_) | Value::Range { .. } | Value::List(_) | Value::Record(_) | Value::Poison => {
                return None;
            }
        })
    }
}
