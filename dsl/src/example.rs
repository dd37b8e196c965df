//! Examples: a small table in the program's text, and values that are expected over it. An example becomes a
//! query whose report holds both sides of every `expect`, so that it runs as any query does.

use crate::ast::{
    Binding, Cell, Clause, ClauseKind, CompareOp, DataColumn, DatasetDecl, DatasetItem, ExampleDecl,
    ExamplePart, Expr, ExprKind, Ident, QueryDecl,
};
use crate::clear::Output;
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::{Domain, quote_level};
use crate::evaluate::check_over;
use crate::finish::{Row, Value};
use crate::number::Decimal;
use crate::program::Program;
use crate::schema::{check_dataset, one_line};
use crate::source::{Loader, Span};
use crate::suggest::nearest;
use crate::typed::{Column, Dataset, Query};

/// Largest difference of two numbers, relative to the expected one.
const RELATIVE: f64 = 1e-9;
/// Largest distance from an expected 0.
const FROM_ZERO: f64 = 1e-12;

/// A checked example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it shows: the path of a function, or a plain name.
    pub name: String,
    /// The text behind the name; may be empty.
    pub purpose: String,
    /// Where it stands.
    pub span: Span,
    /// Over a dataset `data` without release rules; two results for each expectation.
    pub query: Query,
    /// A code per column of the dataset for each row; `None` is missing.
    pub rows: Vec<Vec<Option<i64>>>,
    /// In order.
    pub expectations: Vec<Expectation>,
}

/// One `expect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The left side as written, on one line.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// An expectation that was not met, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Which expectation, by index.
    pub expectation: usize,
    /// The part of a list or record that differs, as in `[2].lower`; empty for the whole.
    pub part: String,
    /// What the right side says.
    pub expected: Value,
    /// What the left side is.
    pub found: Value,
}

impl Example {
    /// Compares the sides of every expectation in the result of the example's query. Whole numbers, texts and
    /// truth values must be equal, other numbers within 1e-9 of the expected one (within 1e-12 of 0).
    #[must_use]
    pub fn mismatches(&self, rows: &[Row]) -> Vec<Mismatch> {
        let mut wrong = Vec::new();
        let report = rows.first().map_or(&[][..], |row| row.report.as_slice());
        for index in 0..self.expectations.len() {
            let side = |at: usize| report.get(2 * index + at).map_or(&Value::Undefined, |(_, value)| value);
            compare(index, "", side(0), side(1), &mut wrong);
        }
        wrong
    }
}

fn compare(expectation: usize, part: &str, found: &Value, expected: &Value, wrong: &mut Vec<Mismatch>) {
    match (found, expected) {
        (Value::List(items), Value::List(wanted)) if items.len() == wanted.len() => {
            for (index, (item, wanted)) in items.iter().zip(wanted).enumerate() {
                compare(expectation, &format!("{part}[{}]", index + 1), item, wanted, wrong);
            }
        }
        (Value::Record(fields), Value::Record(wanted)) if fields.len() == wanted.len() => {
            for (name, wanted) in wanted {
                let field = fields.iter().find(|(field, _)| field == name);
                let found = field.map_or(&Value::Undefined, |(_, value)| value);
                compare(expectation, &format!("{part}.{name}"), found, wanted, wrong);
            }
        }
        _ if equal(found, expected) => {}
        _ => wrong.push(Mismatch {
            expectation,
            part: part.to_owned(),
            expected: expected.clone(),
            found: found.clone(),
        }),
    }
}

fn equal(found: &Value, expected: &Value) -> bool {
    match (number(found), number(expected)) {
        (Some(Ok(found)), Some(Ok(expected))) => found == expected,
        (Some(found), Some(expected)) => {
            let real = |side| match side {
                Ok(whole) => Decimal::integer(whole).to_f64(),
                Err(real) => real,
            };
            let (found, expected): (f64, f64) = (real(found), real(expected));
            let allowed = if expected == 0.0 { FROM_ZERO } else { RELATIVE * expected.abs() };
            (found - expected).abs() <= allowed
        }
        (None, None) => found == expected,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// A whole number, or a double; truth values count 0 and 1.
fn number(value: &Value) -> Option<Result<i128, f64>> {
    match value {
        Value::Integer(whole) => Some(Ok(*whole)),
        Value::Bool(value) => Some(Ok(i128::from(*value))),
        Value::Number(real) => Some(Err(*real)),
        Value::Text(_) | Value::List(_) | Value::Record(_) | Value::Hidden | Value::Undefined => None,
    }
}

/// Checks an example; `None` if it has errors.
pub(crate) fn check_example(
    program: &Program,
    decl: &ExampleDecl,
    loader: &dyn Loader,
) -> (Option<Example>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    check_name(program, decl, &mut diagnostics);
    check_parts(program, decl, &mut diagnostics);
    let columns = decl.parts.iter().find_map(|part| match part {
        ExamplePart::Data(columns, span) => Some((columns.as_slice(), *span)),
        ExamplePart::Clause(_) | ExamplePart::Expect(..) => None,
    });
    let Some((columns, span)) = columns else { return (None, diagnostics) };
    let Some((dataset, rows)) = table(program, columns, span, &mut diagnostics) else {
        return (None, diagnostics);
    };
    let (expectations, bindings) = expectations(program, decl, &mut diagnostics);
    if bindings.is_empty() {
        return (None, diagnostics);
    }
    let mut clauses: Vec<Clause> = decl
        .parts
        .iter()
        .filter_map(|part| match part {
            ExamplePart::Clause(clause) => Some(clause.clone()),
            ExamplePart::Data(..) | ExamplePart::Expect(..) => None,
        })
        .collect();
    let (word, span) = (decl.name.span, decl.span);
    clauses.push(Clause { kind: ClauseKind::Report(bindings), word, span });
    let query = QueryDecl { name: decl.name.clone(), purpose: decl.purpose.clone(), clauses, span };
    let (query, found) = check_over(program, &query, dataset, loader);
    diagnostics.extend(found);
    let Some(query) = query else { return (None, diagnostics) };
    for (pair, expectation) in query.report.chunks_exact(2).zip(&expectations) {
        if let [left, right] = pair {
            check_shapes(&left.value, &right.value, expectation.span, &mut diagnostics);
        }
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return (None, diagnostics);
    }
    let (name, purpose) = (decl.name.text.clone(), decl.purpose.clone());
    (Some(Example { name, purpose, span: decl.span, query, rows, expectations }), diagnostics)
}

/// A name with dots is that of a function.
fn check_name(program: &Program, decl: &ExampleDecl, diagnostics: &mut Vec<Diagnostic>) {
    let name = decl.name.text.as_str();
    let known = program.functions.contains_key(name) || program.is_damaged(name, decl.span);
    if known || !name.contains('.') {
        return;
    }
    let help = match nearest(name, program.functions.keys().map(String::as_str)) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => {
            "Name the function that the example shows, or give the example a name without dots.".to_owned()
        }
    };
    let message = format!("There is no function `{name}`.");
    diagnostics.push(Diagnostic::error(Code::UnknownFunction, decl.name.span, message, help));
}

/// The parts that must be there, once and in order: `data`, then `where` and `derive`, then `expect`.
fn check_parts(program: &Program, decl: &ExampleDecl, diagnostics: &mut Vec<Diagnostic>) {
    let rank = |part: &ExamplePart| match part {
        ExamplePart::Data(_, span) => (0, "data", *span),
        ExamplePart::Clause(clause) => {
            (1, if matches!(clause.kind, ClauseKind::Where(_)) { "where" } else { "derive" }, clause.word)
        }
        ExamplePart::Expect(_, span) => (2, "expect", *span),
    };
    let mut furthest = (0, "data");
    let mut tables = 0;
    for part in &decl.parts {
        let (at, word, span) = rank(part);
        let head = Span { end: span.start.saturating_add(u32::try_from(word.len()).unwrap_or(0)), ..span };
        tables += usize::from(at == 0);
        if at == 0 && tables > 1 {
            let help = "Write one table, or a second example.";
            diagnostics.push(Diagnostic::error(Code::ClauseCount, head, "`data` stands twice.", help));
        } else if at < furthest.0 {
            let message = format!("`{word}` comes before `{}`.", furthest.1);
            let help = "The order in an example is: data, where and derive, expect.";
            diagnostics.push(Diagnostic::error(Code::ClauseOrder, head, message, help));
        } else {
            furthest = (at, word);
        }
    }
    let readable = !program.damaged.iter().any(|damaged| damaged.file == decl.span.file);
    if tables == 0 && readable {
        let message = format!("The example `{}` has no table.", decl.name.text);
        let help = "Write `data { x: 0..9 = [1, 2, missing] }` behind its name.";
        diagnostics.push(Diagnostic::error(Code::ClauseCount, decl.name.span, message, help));
    }
    if !decl.parts.iter().any(|part| matches!(part, ExamplePart::Expect(..))) && readable {
        let message = format!("The example `{}` expects nothing.", decl.name.text);
        let help = "End it with what it shows, as in `expect count() == 3`.";
        diagnostics.push(Diagnostic::error(Code::ClauseCount, decl.name.span, message, help));
    }
}

type Rows = Vec<Vec<Option<i64>>>;

/// The dataset that the columns declare, and its rows.
fn table(
    program: &Program,
    columns: &[DataColumn],
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Dataset, Rows)> {
    let Some(first) = columns.first() else {
        let inside = |damaged: &Span| {
            damaged.file == span.file && damaged.start < span.end && span.start < damaged.end
        };
        if program.damaged.iter().any(inside) {
            return None;
        }
        let help = "Write a column with its cells, as in `x: 0..9 = [1, 2]`.";
        diagnostics.push(Diagnostic::error(Code::ClauseCount, span, "This table has no columns.", help));
        return None;
    };
    let height = first.cells.len();
    let before = diagnostics.len();
    for column in columns.iter().filter(|column| column.cells.len() != height) {
        let count = |cells: usize| format!("{cells} cell{}", if cells == 1 { "" } else { "s" });
        let (name, of_first) = (&column.column.name.text, &first.column.name.text);
        let message =
            format!("`{name}` has {}, `{of_first}` has {}.", count(column.cells.len()), count(height));
        let help = "Every column has a cell for each row; write `missing` where there is no value.";
        diagnostics.push(
            Diagnostic::error(Code::ListLength, column.span, message, help)
                .with_label(first.span, count(height)),
        );
    }
    let limit = Decimal::integer(i128::try_from(height).unwrap_or(i128::MAX).saturating_add(1));
    let mut items = vec![DatasetItem::Rows { limit, one_per: None, span }];
    items.extend(columns.iter().map(|column| DatasetItem::Column(Box::new(column.column.clone()))));
    let decl = DatasetDecl { name: Ident { text: "data".to_owned(), span }, title: String::new(), items };
    let dataset = check_dataset(&decl, &program.damaged, &program.sources, diagnostics);
    if diagnostics.len() > before {
        return None;
    }
    let codes: Vec<Vec<Option<i64>>> = dataset
        .columns
        .iter()
        .zip(columns)
        .map(|(column, data)| data.cells.iter().map(|cell| code(column, cell, diagnostics)).collect())
        .collect();
    if diagnostics.len() > before {
        return None;
    }
    let row = |at: usize| codes.iter().map(|column| column.get(at).copied().flatten()).collect();
    Some((dataset, (0..height).map(row).collect()))
}

/// The code of a cell; `None` for a missing one, and after a mistake.
fn code(column: &Column, cell: &Cell, diagnostics: &mut Vec<Diagnostic>) -> Option<i64> {
    let Column { name, domain, .. } = column;
    let Some(text) = &cell.text else {
        if !column.optional {
            let message = format!("`{name}` is {domain} and is never missing.");
            let help = format!("Write `{name}: {domain} ?` if a cell may be missing.");
            diagnostics.push(Diagnostic::error(Code::DataOutside, cell.span, message, help));
        }
        return None;
    };
    if let Some(code) = domain.parse(text) {
        return Some(code);
    }
    diagnostics.push(match domain {
        Domain::Levels(levels) => {
            let message = format!("`{name}` is {domain}; `{text}` is not one of these.");
            let help = match nearest(text, levels.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean `{}`?", quote_level(near)),
                None => "Write one of its levels.".to_owned(),
            };
            Diagnostic::error(Code::UnknownLevel, cell.span, message, help)
        }
        Domain::Bool | Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => {
            let message = format!("`{name}` is {domain}; `{text}` is outside.");
            let help = "Write a value of the domain, or widen the domain.";
            Diagnostic::error(Code::DataOutside, cell.span, message, help)
        }
    });
    None
}

/// What is expected, and both sides of each as results of a report.
fn expectations(
    program: &Program,
    decl: &ExampleDecl,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Expectation>, Vec<Binding>) {
    let (mut expectations, mut bindings) = (Vec::new(), Vec::new());
    for part in &decl.parts {
        let ExamplePart::Expect(expr, span) = part else { continue };
        let ExprKind::Compare { left, op: CompareOp::Equal, right } = &expr.kind else {
            if expr.kind != ExprKind::Poison {
                let message = "`expect` compares two values with `==`.";
                let help = "Write what is computed on the left and its value on the right, as in `expect count() == 3`.";
                diagnostics.push(Diagnostic::error(Code::Syntax, expr.span, message, help));
            }
            continue;
        };
        let text = one_line(program.sources.slice(left.span));
        // No names that anybody can write, so that none is taken.
        let number = expectations.len() + 1;
        let binding = |name: String, value: Expr| {
            let span = value.span;
            Binding { name: Ident { text: name, span }, value, span }
        };
        bindings.push(binding(format!("{text} ({number})"), (**left).clone()));
        bindings.push(binding(format!("{text} ({number}, expected)"), with_undefined(right)));
        expectations.push(Expectation { text, span: *span });
    }
    (expectations, bindings)
}

/// The right side, in which the word `undefined` stands for a number that does not exist.
#[expect(clippy::wildcard_enum_match_arm, reason = "the word stands in lists and records, else it is a name")]
fn with_undefined(expr: &Expr) -> Expr {
    let kind = match &expr.kind {
        ExprKind::Name(path) if matches!(path.as_slice(), [word] if word.text == "undefined") => {
            let list = |kind: ExprKind| Expr {
                kind: ExprKind::List(vec![Expr { kind, span: expr.span }]),
                span: expr.span,
            };
            // No condition holds, so there is no first value.
            let arguments = vec![list(ExprKind::Number(Decimal::integer(0))), list(ExprKind::Bool(false))];
            let name = vec![Ident { text: "first".to_owned(), span: expr.span }];
            ExprKind::Call { name, arguments, star: None }
        }
        ExprKind::List(items) => ExprKind::List(items.iter().map(with_undefined).collect()),
        ExprKind::Record(fields) => ExprKind::Record(
            fields.iter().map(|(name, value)| (name.clone(), with_undefined(value))).collect(),
        ),
        other => other.clone(),
    };
    Expr { kind, span: expr.span }
}

/// Sides that can never be equal: lists of different lengths, records of different fields.
fn check_shapes(left: &Output, right: &Output, span: Span, diagnostics: &mut Vec<Diagnostic>) {
    let mut fail = |code: Code, message: String, help: &str| {
        diagnostics.push(Diagnostic::error(code, span, message, help));
    };
    match (left, right) {
        (Output::Scalar(_), Output::Scalar(_)) => {}
        (Output::List(left), Output::List(right)) if left.len() == right.len() => {
            for (left, right) in left.iter().zip(right) {
                check_shapes(left, right, span, diagnostics);
            }
        }
        (Output::List(left), Output::List(right)) => {
            let message =
                format!("The left side is a list of {}, the right side one of {}.", left.len(), right.len());
            fail(Code::ListLength, message, "Expect a value for each item.");
        }
        (Output::Record(left), Output::Record(right)) => {
            let lacks = |one: &[(String, Output)], other: &[(String, Output)]| {
                one.iter()
                    .map(|(name, _)| name.clone())
                    .find(|name| other.iter().all(|(other, _)| other != name))
            };
            if let Some(name) = lacks(left, right) {
                let message = format!("The right side has no field `{name}`.");
                let help =
                    "Expect a value for each field, or compare one field, as in `expect f(x).lower == 2`.";
                fail(Code::UnknownField, message, help);
                return;
            }
            if let Some(name) = lacks(right, left) {
                let message = format!("The left side has no field `{name}`.");
                fail(Code::UnknownField, message, "Leave it out.");
                return;
            }
            for (name, left) in left {
                if let Some((_, right)) = right.iter().find(|(other, _)| other == name) {
                    check_shapes(left, right, span, diagnostics);
                }
            }
        }
        (Output::Scalar(_) | Output::List(_) | Output::Record(_), _) => {
            let message = format!("The left side is {}, the right side is {}.", shape(left), shape(right));
            fail(Code::TypeMismatch, message, "Expect a value of the same form.");
        }
    }
}

fn shape(output: &Output) -> &'static str {
    match output {
        Output::Scalar(_) => "a single value",
        Output::List(_) => "a list",
        Output::Record(_) => "a record",
    }
}
