//! Words and units of axes, from the descriptions in the schema.

use hq_dsl::{AggregateKind, Binary, ClearId, ClearOp, Column, Domain, Output, Query, RowId, RowOp, Unary};

/// Longest description that an axis carries, in characters.
const LONGEST: usize = 76;

/// A column as an axis: `age (years)`, or `arm, 0 zidovudine, 1 with didanosine`.
pub(super) fn of_column(column: &Column) -> String {
    match column.unit() {
        Some(unit) => format!("{} ({unit})", column.name),
        None if column.description.is_empty() => column.name.clone(),
        None => shortened(&format!("{}: {}", column.name, column.description), LONGEST),
    }
}

/// A text of at most so many characters.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A key as an axis.
pub(super) fn of_key(query: &Query, index: usize) -> String {
    let Some(key) = query.by.get(index) else { return String::new() };
    if let RowOp::Column(id) = query.rows.get(key.value).op
        && let Some(column) = query.dataset.columns.get(id.index())
        && column.name == key.name
    {
        return of_column(column);
    }
    // A key under another name than its column's keeps it.
    key.name.clone()
}

/// The column that lists of counts go along: the one number or date that each of them compares.
pub(super) fn compared<'a>(query: &'a Query, counts: &[Output]) -> Option<&'a Column> {
    let mut common: Option<Vec<usize>> = None;
    for count in counts {
        let Output::Scalar(id) = count else { return None };
        let mut columns = Vec::new();
        for aggregate in aggregates(query, *id) {
            let value = query.aggregates.get(aggregate)?.value;
            columns.extend(comparisons(query, value));
        }
        common = Some(match common {
            Some(common) => common.into_iter().filter(|column| columns.contains(column)).collect(),
            None => columns,
        });
    }
    let mut common = common?;
    common.sort_unstable();
    common.dedup();
    match common.as_slice() {
        [one] => query.dataset.columns.get(*one),
        _ => None,
    }
}

/// The aggregates that a clear value is computed from.
fn aggregates(query: &Query, id: ClearId) -> Vec<usize> {
    let (mut open, mut seen, mut found) = (vec![id], Vec::new(), Vec::new());
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        match query.clears.get(id) {
            ClearOp::Aggregate(index) => found.push(*index),
            ClearOp::Unary(_, arg) => open.push(*arg),
            ClearOp::Binary(_, left, right) => open.extend([*left, *right]),
            ClearOp::Distribution(_, arguments) | ClearOp::Function(_, arguments) => open.extend(arguments),
            ClearOp::Solve { matrix, right, .. } => open.extend(matrix.iter().chain(right)),
            ClearOp::Case { arms, otherwise } => {
                open.extend(arms.iter().flat_map(|(condition, value)| [*condition, *value]));
                open.push(*otherwise);
            }
            ClearOp::Key(_)
            | ClearOp::Cell(_)
            | ClearOp::Present(_)
            | ClearOp::Number(_)
            | ClearOp::Real(_)
            | ClearOp::Bool(_)
            | ClearOp::Text(_) => {}
        }
    }
    found
}

/// Numbers and dates that a condition compares with constants.
fn comparisons(query: &Query, value: RowId) -> Vec<usize> {
    let (mut open, mut found) = (vec![value], Vec::new());
    while let Some(id) = open.pop() {
        let op = &query.rows.get(id).op;
        if let RowOp::Member { arg, .. } = op
            && let RowOp::Column(column) = query.rows.get(*arg).op
            && let Some(Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. }) =
                query.dataset.columns.get(column.index()).map(|column| &column.domain)
        {
            found.push(column.index());
        }
        open.extend(op.operands());
    }
    found
}

/// The unit of a clear value with its power in halves; `None` where it is not known.
#[derive(Clone, Debug, PartialEq)]
struct Unit {
    /// Empty for a pure number.
    symbol: String,
    halves: i32,
}

const PURE: Unit = Unit { symbol: String::new(), halves: 0 };

/// A result as an axis, with its unit where it has one: `mean (mmHg)`.
pub(super) fn of_value(query: &Query, name: &str, id: Option<ClearId>) -> String {
    match id.and_then(|id| unit(query, id)) {
        Some(Unit { symbol, halves: 2 }) => format!("{name} ({symbol})"),
        _ => name.to_owned(),
    }
}

fn unit(query: &Query, id: ClearId) -> Option<Unit> {
    match query.clears.get(id) {
        ClearOp::Aggregate(index) => {
            let aggregate = query.aggregates.get(*index)?;
            if aggregate.kind == AggregateKind::Count { Some(PURE) } else { row_unit(query, aggregate.value) }
        }
        ClearOp::Number(_) | ClearOp::Real(_) | ClearOp::Distribution(..) => Some(PURE),
        ClearOp::Unary(function, arg) => {
            let of_arg = unit(query, *arg)?;
            match function {
                Unary::Negate | Unary::Abs | Unary::Floor => Some(of_arg),
                Unary::Sqrt if of_arg.halves % 2 == 0 => Some(Unit { halves: of_arg.halves / 2, ..of_arg }),
                Unary::Log | Unary::Log10 | Unary::Exp if of_arg == PURE => Some(PURE),
                Unary::Not | Unary::Sqrt | Unary::Log | Unary::Log10 | Unary::Exp => None,
            }
        }
        ClearOp::Binary(function, left, right) => {
            // A factor such as 1000 makes another unit.
            let scaled = [left, right].iter().any(|id| constant(query, **id));
            let (left, right) = (unit(query, *left)?, unit(query, *right)?);
            let carries = left != PURE || right != PURE;
            match function {
                Binary::Add | Binary::Sub | Binary::Min | Binary::Max => (left == right).then_some(left),
                Binary::Mul | Binary::Div if scaled && carries => None,
                Binary::Round => Some(left),
                Binary::Mul => product(left, right, 1),
                Binary::Div => product(left, right, -1),
                Binary::Rem
                | Binary::Pow
                | Binary::Equal
                | Binary::Less
                | Binary::LessEqual
                | Binary::And
                | Binary::Or => None,
            }
        }
        ClearOp::Case { arms, otherwise } => {
            let first = unit(query, *otherwise)?;
            arms.iter().all(|(_, value)| unit(query, *value).as_ref() == Some(&first)).then_some(first)
        }
        ClearOp::Key(_)
        | ClearOp::Cell(_)
        | ClearOp::Present(_)
        | ClearOp::Bool(_)
        | ClearOp::Text(_)
        | ClearOp::Function(..)
        | ClearOp::Solve { .. } => None,
    }
}

fn constant(query: &Query, id: ClearId) -> bool {
    matches!(query.clears.get(id), ClearOp::Number(_) | ClearOp::Real(_))
}

fn product(left: Unit, right: Unit, sign: i32) -> Option<Unit> {
    let halves = left.halves + sign * right.halves;
    match (left == PURE, right == PURE) {
        _ if halves == 0 && (left.symbol == right.symbol || left == PURE && right == PURE) => Some(PURE),
        (_, true) => Some(left),
        (true, false) => Some(Unit { halves, ..right }),
        (false, false) => (left.symbol == right.symbol).then_some(Unit { halves, ..left }),
    }
}

/// The unit of what a row adds to a sum; conditions are pure numbers.
fn row_unit(query: &Query, id: RowId) -> Option<Unit> {
    match &query.rows.get(id).op {
        RowOp::Column(column) => {
            let column = query.dataset.columns.get(column.index())?;
            match column.unit() {
                Some(symbol) => Some(Unit { symbol, halves: 2 }),
                None => matches!(column.domain, Domain::Bool).then_some(PURE),
            }
        }
        RowOp::Add(left, right) | RowOp::Sub(left, right) => {
            let (left, right) = (row_unit(query, *left)?, row_unit(query, *right)?);
            (left == right).then_some(left)
        }
        RowOp::Mul(left, right) => product(row_unit(query, *left)?, row_unit(query, *right)?, 1),
        RowOp::Case { arms, otherwise } => {
            let first = row_unit(query, *otherwise)?;
            arms.iter().all(|(_, value)| row_unit(query, *value).as_ref() == Some(&first)).then_some(first)
        }
        RowOp::Const(_) => None,
        RowOp::Known(_)
        | RowOp::Member { .. }
        | RowOp::Less { .. }
        | RowOp::Equal { .. }
        | RowOp::Not(_)
        | RowOp::And(..)
        | RowOp::Or(..) => Some(PURE),
    }
}
