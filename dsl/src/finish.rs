//! The clear part of a query: from opened aggregates to the rows of the result.
//!
//! Exact numbers stay exact under `+ - *` and whole powers; what leaves 128 bits, and every division,
//! root, logarithm and exponential, is a double. Whatever is computed from a hidden number is hidden.

use std::cmp::Ordering;

use crate::clear::{Binary, ClearOp, Output, Unary};
use crate::domain::Domain;
use crate::function::FunctionTable;
use crate::linear_system::{solve_exact, solve_real};
use crate::number::{Decimal, power_of_ten};
use crate::typed::{Query, SortColumn};

/// A reported value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A real number.
    Number(f64),
    /// A whole number, exact.
    Integer(i128),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Named values.
    Record(Vec<(String, Value)>),
    /// Hidden by the release rules.
    Hidden,
    /// There is no such number: `0/0`, `log(-1)`.
    Undefined,
}

/// Opened aggregates of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// A code per key.
    pub by: Vec<i64>,
    /// A scaled integer per aggregate; `None` where the release rules hide it.
    pub aggregates: Vec<Option<i128>>,
}

/// A row of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Names of the keys and labels of their values.
    pub by: Vec<(String, String)>,
    /// Names and values of the report.
    pub report: Vec<(String, Value)>,
}

/// Evaluates the report for each group, sorts, and takes the first rows.
#[must_use]
pub fn finish(query: &Query, groups: &[Group]) -> Vec<Row> {
    let mut rows: Vec<(&Group, Row)> =
        groups.iter().map(|group| (group, finish_group(query, group))).collect();
    if !query.sort.is_empty() {
        rows.sort_by(|left, right| compare_rows(query, left, right));
    }
    let shown = query.take.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    rows.into_iter().map(|(_, row)| row).take(shown).collect()
}

fn finish_group(query: &Query, group: &Group) -> Row {
    let mut scalars: Vec<Scalar> = Vec::with_capacity(query.clears.len());
    let leaf = |at: Leaf| leaf(query, group, at);
    for (_, op) in query.clears.iter() {
        let scalar = evaluate(&leaf, &scalars, op);
        scalars.push(scalar);
    }
    let labels = query.by.iter().enumerate().map(|(index, key)| {
        (key.name.clone(), group.by.get(index).map_or_else(String::new, |&code| key.labels.label(code)))
    });
    let report = query.report.iter().map(|column| (column.name.clone(), output(&scalars, &column.value)));
    Row { by: labels.collect(), report: report.collect() }
}

/// A value of the clear part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Exact(Decimal),
    Real(f64),
    Bool(bool),
    Text(String),
    Hidden,
    Undefined,
}

impl Scalar {
    fn real(value: f64) -> Self {
        if value.is_finite() { Self::Real(value) } else { Self::Undefined }
    }

    fn exact(value: Option<Decimal>, otherwise: impl FnOnce() -> f64) -> Self {
        value.map_or_else(|| Self::real(otherwise()), Self::Exact)
    }

    /// Numbers; a truth value counts as 0 or 1.
    pub(crate) fn number(&self) -> Option<Decimal> {
        match self {
            Self::Exact(number) => Some(*number),
            Self::Bool(value) => Some(Decimal::integer(i128::from(*value))),
            Self::Real(_) | Self::Text(_) | Self::Hidden | Self::Undefined => None,
        }
    }

    pub(crate) fn to_f64(&self) -> f64 {
        match self {
            Self::Real(value) => *value,
            Self::Exact(_) | Self::Bool(_) | Self::Text(_) | Self::Hidden | Self::Undefined => {
                self.number().map_or(f64::NAN, Decimal::to_f64)
            }
        }
    }
}

/// What a clear expression reads from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf {
    Aggregate(usize),
    Key(usize),
    Cell(usize),
    Present(usize),
}

/// What stands at the leaves of a report: opened aggregates and keys.
fn leaf(query: &Query, group: &Group, leaf: Leaf) -> Scalar {
    match leaf {
        Leaf::Aggregate(index) => match (group.aggregates.get(index), query.aggregates.get(index)) {
            (Some(Some(value)), Some(aggregate)) => {
                Scalar::Exact(Decimal { value: *value, decimals: aggregate.decimals })
            }
            _ => Scalar::Hidden,
        },
        Leaf::Key(index) => match (group.by.get(index), query.by.get(index)) {
            (Some(&code), Some(key)) => key_value(&key.labels, code),
            _ => Scalar::Undefined,
        },
        Leaf::Cell(_) | Leaf::Present(_) => Scalar::Undefined,
    }
}

/// One operation; `leaf` gives what comes from outside.
pub(crate) fn evaluate(leaf: &dyn Fn(Leaf) -> Scalar, scalars: &[Scalar], op: &ClearOp) -> Scalar {
    let at = |id: crate::clear::ClearId| scalars.get(id.index()).unwrap_or(&Scalar::Undefined);
    match op {
        ClearOp::Aggregate(index) => leaf(Leaf::Aggregate(*index)),
        ClearOp::Key(index) => leaf(Leaf::Key(*index)),
        ClearOp::Cell(index) => leaf(Leaf::Cell(*index)),
        ClearOp::Present(index) => leaf(Leaf::Present(*index)),
        ClearOp::Number(number) => Scalar::Exact(*number),
        ClearOp::Real(bits) => Scalar::real(f64::from_bits(*bits)),
        ClearOp::Bool(value) => Scalar::Bool(*value),
        ClearOp::Text(text) => Scalar::Text(text.clone()),
        ClearOp::Unary(function, arg) => unary(*function, at(*arg)),
        ClearOp::Binary(function, left, right) => binary(*function, at(*left), at(*right)),
        ClearOp::Distribution(function, arguments) => {
            let arguments: Vec<&Scalar> = arguments.iter().map(|&id| at(id)).collect();
            numbers(&arguments).map_or_else(|absent| absent, |numbers| Scalar::real(function.value(&numbers)))
        }
        ClearOp::Function(table, arguments) => {
            let arguments: Vec<&Scalar> = arguments.iter().map(|&id| at(id)).collect();
            look_up(table, &arguments)
        }
        ClearOp::Solve { matrix, right, unknown } => {
            let all: Vec<&Scalar> = matrix.iter().chain(right).map(|&id| at(id)).collect();
            solve(&all, right.len(), *unknown)
        }
        ClearOp::Case { arms, otherwise } => {
            for (condition, value) in arms {
                match at(*condition) {
                    Scalar::Bool(true) => return at(*value).clone(),
                    Scalar::Bool(false) => {}
                    Scalar::Hidden => return Scalar::Hidden,
                    Scalar::Exact(_) | Scalar::Real(_) | Scalar::Text(_) | Scalar::Undefined => {
                        return Scalar::Undefined;
                    }
                }
            }
            at(*otherwise).clone()
        }
    }
}

/// The value of a plugin's function; undefined outside its domains.
fn look_up(table: &FunctionTable, arguments: &[&Scalar]) -> Scalar {
    if arguments.contains(&&Scalar::Hidden) {
        return Scalar::Hidden;
    }
    let function = table.function();
    let codes: Option<Vec<i64>> =
        function.parameters.iter().zip(arguments).map(|((_, domain), scalar)| code(domain, scalar)).collect();
    codes
        .and_then(|codes| table.value(&codes))
        .map_or(Scalar::Undefined, |code| key_value(&function.result, code))
}

/// The code of a value in a domain; it may lie outside.
fn code(domain: &Domain, scalar: &Scalar) -> Option<i64> {
    match (domain, scalar) {
        (Domain::Levels(levels), Scalar::Text(text)) => {
            i64::try_from(levels.iter().position(|level| level == text)?).ok()
        }
        (Domain::Levels(_), _) => None,
        (domain, scalar) => i64::try_from(scalar.number()?.rescale(domain.decimals())?).ok(),
    }
}

/// Doubles, or what stands for the result where one of them is no number.
fn numbers(scalars: &[&Scalar]) -> Result<Vec<f64>, Scalar> {
    if scalars.contains(&&Scalar::Hidden) {
        return Err(Scalar::Hidden);
    }
    let numbers: Vec<f64> = scalars.iter().map(|scalar| scalar.to_f64()).collect();
    if numbers.iter().all(|number| number.is_finite()) { Ok(numbers) } else { Err(Scalar::Undefined) }
}

/// One unknown of a system: the matrix row by row, then the right side.
fn solve(all: &[&Scalar], size: usize, unknown: usize) -> Scalar {
    let reals = match numbers(all) {
        Ok(reals) => reals,
        Err(absent) => return absent,
    };
    let cut = all.len().saturating_sub(size);
    let exact: Option<Vec<Decimal>> = all.iter().map(|scalar| scalar.number()).collect();
    let solution = match exact.as_deref().and_then(|all| all.split_at_checked(cut)) {
        Some((matrix, right)) => solve_exact(matrix, right),
        None => reals.split_at_checked(cut).and_then(|(matrix, right)| solve_real(matrix, right)),
    };
    solution.and_then(|x| x.get(unknown).copied()).map_or(Scalar::Undefined, Scalar::real)
}

/// A cell as a value: days of dates are numbers.
pub(crate) fn cell_scalar(domain: &Domain, code: i64) -> Scalar {
    if matches!(domain, Domain::Date { .. }) {
        return Scalar::Exact(Decimal::integer(i128::from(code)));
    }
    key_value(domain, code)
}

fn key_value(labels: &Domain, code: i64) -> Scalar {
    match labels {
        Domain::Bool => Scalar::Bool(code != 0),
        Domain::Int { .. } | Domain::Fixed { .. } => {
            Scalar::Exact(Decimal { value: code.into(), decimals: labels.decimals() })
        }
        Domain::Levels(_) | Domain::Date { .. } => Scalar::Text(labels.label(code)),
    }
}

fn unary(function: Unary, arg: &Scalar) -> Scalar {
    if matches!(arg, Scalar::Hidden | Scalar::Undefined) {
        return arg.clone();
    }
    match function {
        Unary::Not => match arg {
            Scalar::Bool(value) => Scalar::Bool(!value),
            Scalar::Exact(_) | Scalar::Real(_) | Scalar::Text(_) | Scalar::Hidden | Scalar::Undefined => {
                Scalar::Undefined
            }
        },
        Unary::Negate => match arg.number() {
            Some(number) => Scalar::exact(number.checked_neg(), || -number.to_f64()),
            None => Scalar::real(-arg.to_f64()),
        },
        Unary::Abs => match arg.number() {
            Some(number) if number.value >= 0 => Scalar::Exact(number),
            Some(number) => Scalar::exact(number.checked_neg(), || -number.to_f64()),
            None => Scalar::real(arg.to_f64().abs()),
        },
        Unary::Sqrt => Scalar::real(arg.to_f64().sqrt()),
        Unary::Log => Scalar::real(arg.to_f64().ln()),
        Unary::Log10 => Scalar::real(arg.to_f64().log10()),
        Unary::Exp => Scalar::real(arg.to_f64().exp()),
        Unary::Floor => {
            match arg.number().and_then(|number| Some((number, power_of_ten(number.decimals)?))) {
                Some((number, unit)) => {
                    Scalar::Exact(Decimal { value: number.value.div_euclid(unit), decimals: 0 })
                }
                None => Scalar::real(arg.to_f64().floor()),
            }
        }
    }
}

fn binary(function: Binary, left: &Scalar, right: &Scalar) -> Scalar {
    for hidden in [left, right] {
        if *hidden == Scalar::Hidden {
            return Scalar::Hidden;
        }
    }
    if *left == Scalar::Undefined || *right == Scalar::Undefined {
        return Scalar::Undefined;
    }
    match function {
        Binary::And | Binary::Or => match (left, right) {
            (Scalar::Bool(left), Scalar::Bool(right)) => {
                Scalar::Bool(if function == Binary::And { *left && *right } else { *left || *right })
            }
            _ => Scalar::Undefined,
        },
        Binary::Equal => compare(left, right).map_or(Scalar::Undefined, |order| Scalar::Bool(order.is_eq())),
        Binary::Less => compare(left, right).map_or(Scalar::Undefined, |order| Scalar::Bool(order.is_lt())),
        Binary::LessEqual => {
            compare(left, right).map_or(Scalar::Undefined, |order| Scalar::Bool(order.is_le()))
        }
        Binary::Min | Binary::Max => compare(left, right).map_or(Scalar::Undefined, |order| {
            let take_left = if function == Binary::Min { order.is_le() } else { order.is_ge() };
            if take_left { left.clone() } else { right.clone() }
        }),
        Binary::Round => rounded(left, right),
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
            arithmetic(function, left, right)
        }
    }
}

fn arithmetic(function: Binary, left: &Scalar, right: &Scalar) -> Scalar {
    let (x, y) = (left.to_f64(), right.to_f64());
    if let (Some(a), Some(b)) = (left.number(), right.number()) {
        match function {
            Binary::Add => return Scalar::exact(a.checked_add(b), || x + y),
            Binary::Sub => return Scalar::exact(a.checked_sub(b), || x - y),
            Binary::Mul => return Scalar::exact(a.checked_mul(b), || x * y),
            Binary::Pow => return Scalar::exact(whole_power(a, b), || x.powf(y)),
            Binary::Div
            | Binary::Rem
            | Binary::Round
            | Binary::Min
            | Binary::Max
            | Binary::Equal
            | Binary::Less
            | Binary::LessEqual
            | Binary::And
            | Binary::Or => {}
        }
    }
    match function {
        Binary::Add => Scalar::real(x + y),
        Binary::Sub => Scalar::real(x - y),
        Binary::Mul => Scalar::real(x * y),
        Binary::Div => Scalar::real(x / y),
        Binary::Rem => Scalar::real(x - y * (x / y).floor()),
        Binary::Pow => Scalar::real(x.powf(y)),
        Binary::Round
        | Binary::Min
        | Binary::Max
        | Binary::Equal
        | Binary::Less
        | Binary::LessEqual
        | Binary::And
        | Binary::Or => Scalar::Undefined,
    }
}

/// To that many digits after the point.
fn rounded(number: &Scalar, digits: &Scalar) -> Scalar {
    let digits = digits.number().and_then(|digits| u8::try_from(digits.value).ok()).unwrap_or(0);
    match number.number().and_then(|number| number.rounded(digits)) {
        Some(number) => Scalar::Exact(number.normalized()),
        None => {
            let unit = 10_f64.powi(i32::from(digits));
            Scalar::real((number.to_f64() * unit).round() / unit)
        }
    }
}

/// `base ^ exponent` for a whole exponent from 0 to 64, exactly.
fn whole_power(base: Decimal, exponent: Decimal) -> Option<Decimal> {
    let times = exponent.to_integer().filter(|times| (0..=64).contains(times))?;
    (0..times).try_fold(Decimal::integer(1), |product, _| product.checked_mul(base))
}

fn compare(left: &Scalar, right: &Scalar) -> Option<Ordering> {
    if let (Scalar::Text(left), Scalar::Text(right)) = (left, right) {
        return Some(left.cmp(right));
    }
    match (left.number(), right.number()) {
        (Some(left), Some(right)) => Some(left.compare(right)),
        _ => left.to_f64().partial_cmp(&right.to_f64()),
    }
}

fn output(scalars: &[Scalar], shape: &Output) -> Value {
    match shape {
        Output::Scalar(id) => match scalars.get(id.index()) {
            Some(Scalar::Exact(number)) if number.decimals == 0 => Value::Integer(number.value),
            Some(Scalar::Exact(number)) => Value::Number(number.to_f64()),
            Some(Scalar::Real(value)) => Value::Number(*value),
            Some(Scalar::Bool(value)) => Value::Bool(*value),
            Some(Scalar::Text(text)) => Value::Text(text.clone()),
            Some(Scalar::Hidden) => Value::Hidden,
            Some(Scalar::Undefined) | None => Value::Undefined,
        },
        Output::List(items) => Value::List(items.iter().map(|item| output(scalars, item)).collect()),
        Output::Record(fields) => {
            Value::Record(fields.iter().map(|(name, field)| (name.clone(), output(scalars, field))).collect())
        }
    }
}

fn compare_rows(query: &Query, left: &(&Group, Row), right: &(&Group, Row)) -> Ordering {
    for key in &query.sort {
        let order = match key.column {
            SortColumn::Key(index) => {
                let order = left.0.by.get(index).cmp(&right.0.by.get(index));
                if key.descending { order.reverse() } else { order }
            }
            SortColumn::Report(index) => {
                let value =
                    |row: &Row| row.report.get(index).map_or(Value::Undefined, |(_, value)| value.clone());
                compare_values(&value(&left.1), &value(&right.1), key.descending)
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Numbers and texts in order; everything else after them, in either direction.
fn compare_values(left: &Value, right: &Value, descending: bool) -> Ordering {
    let order = match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => match (sort_number(left), sort_number(right)) {
            (Some(left), Some(right)) => Some(left.total_cmp(&right)),
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => None,
        },
    };
    let order = order.unwrap_or(Ordering::Equal);
    if descending { order.reverse() } else { order }
}

fn sort_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Integer(number) => Some(Decimal::integer(*number).to_f64()),
        Value::Bool(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Record(_)
        | Value::Hidden
        | Value::Undefined => None,
    }
}
