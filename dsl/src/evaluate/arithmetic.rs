//! `+ - * / % ^` and the functions of numbers, on constants, row values, clear values, and lists of them.

use super::table::MAX_ENTRIES;
use super::value::{At, ClearKind, Kind, RowValue, Value};
use super::{Evaluator, Place};
use crate::ast::ArithmeticOp;
use crate::clear::{Binary, ClearOp, Unary};
use crate::diagnostic::Code;
use crate::number::{Decimal, MAX_DECIMALS, power_of_ten};
use crate::rows::{RowId, RowOp};
use crate::source::Span;

impl Evaluator<'_> {
    pub(super) fn arithmetic(&mut self, op: ArithmeticOp, left: &At, right: &At, span: Span) -> Value {
        self.broadcast(left, right, span, &mut |this, left, right| {
            this.arithmetic_scalar(op, left, right, span)
        })
    }

    /// Applies an operation to two values, element by element where one or both are lists.
    pub(super) fn broadcast(
        &mut self,
        left: &At,
        right: &At,
        span: Span,
        apply: &mut dyn FnMut(&mut Self, &At, &At) -> Value,
    ) -> Value {
        if !self.step(span) {
            return Value::Poison;
        }
        let (a, b) = (self.expand(&left.value, left.span), self.expand(&right.value, right.span));
        match (&a, &b) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::List(x), Value::List(y)) if x.len() != y.len() => self.lengths(x.len(), y.len(), span),
            (Value::List(_), _) | (_, Value::List(_)) => {
                let length = if let Value::List(x) = &a {
                    x.len()
                } else if let Value::List(y) = &b {
                    y.len()
                } else {
                    0
                };
                let item = |value: &Value, index: usize| match value {
                    Value::List(items) => items.get(index).cloned().unwrap_or(Value::Poison),
                    other => other.clone(),
                };
                let mut results = Vec::with_capacity(length);
                for index in 0..length {
                    let x = At { value: item(&a, index), span: left.span };
                    let y = At { value: item(&b, index), span: right.span };
                    results.push(self.broadcast(&x, &y, span, apply));
                }
                Value::List(results.into())
            }
            _ => apply(self, left, right),
        }
    }

    pub(super) fn lengths(&mut self, left: usize, right: usize, span: Span) -> Value {
        let message = format!("Lists of {left} and {right} values stand together.");
        self.fail(
            Code::ListLength,
            span,
            message,
            "Lists are combined element by element, so they must be of one length.",
        )
    }

    fn arithmetic_scalar(&mut self, op: ArithmeticOp, left: &At, right: &At, span: Span) -> Value {
        match (&left.value, &right.value) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::Row(_) | Value::Table(_), Value::Clear(..)) => self.mixed(left, right, span),
            (Value::Clear(..), Value::Row(_) | Value::Table(_)) => self.mixed(right, left, span),
            (Value::Table(_), _) | (_, Value::Table(_)) => self.table_arithmetic(op, left, right, span),
            (Value::Row(_), _) | (_, Value::Row(_))
                if matches!(op, ArithmeticOp::Div | ArithmeticOp::Rem) =>
            {
                self.table_arithmetic(op, left, right, span)
            }
            (Value::Row(_), _) | (_, Value::Row(_)) => self.arithmetic_rows(op, left, right, span),
            (Value::Clear(..), _) | (_, Value::Clear(..)) => {
                let op = match op {
                    ArithmeticOp::Add => Binary::Add,
                    ArithmeticOp::Sub => Binary::Sub,
                    ArithmeticOp::Mul => Binary::Mul,
                    ArithmeticOp::Div => Binary::Div,
                    ArithmeticOp::Rem => Binary::Rem,
                };
                self.clear_binary(op, left, right)
            }
            (Value::Date(a), Value::Date(b)) if op == ArithmeticOp::Sub => {
                Value::Number(Decimal::integer(a - b))
            }
            (Value::Date(days), other) | (other, Value::Date(days))
                if matches!(op, ArithmeticOp::Add | ArithmeticOp::Sub) =>
            {
                let shift =
                    other.number().and_then(Decimal::to_integer).and_then(|days| i64::try_from(days).ok());
                let sum = shift.and_then(|shift| {
                    if op == ArithmeticOp::Add { days.checked_add(shift) } else { days.checked_sub(shift) }
                });
                match sum {
                    Some(days) if op == ArithmeticOp::Add || matches!(left.value, Value::Date(_)) => {
                        Value::Date(days)
                    }
                    _ => self.not_number(right),
                }
            }
            _ => self.arithmetic_constants(op, left, right, span),
        }
    }

    pub(super) fn not_number(&mut self, at: &At) -> Value {
        let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
        self.fail(Code::TypeMismatch, at.span, message, "A number is needed here.")
    }

    pub(super) fn clear_binary(&mut self, op: Binary, left: &At, right: &At) -> Value {
        let mut ids = Vec::with_capacity(2);
        for at in [left, right] {
            match self.clear_operand(at) {
                Some((_, ClearKind::Text)) | None => return self.not_number(at),
                Some((id, ClearKind::Number | ClearKind::Bool)) => ids.push(id),
            }
        }
        match ids.as_slice() {
            [a, b] => self.clear(ClearOp::Binary(op, *a, *b), ClearKind::Number),
            _ => Value::Poison,
        }
    }

    fn arithmetic_constants(&mut self, op: ArithmeticOp, left: &At, right: &At, span: Span) -> Value {
        for at in [left, right] {
            if at.value.real().is_none() {
                return self.not_number(at);
            }
        }
        let (x, y) = (left.value.real().unwrap_or(f64::NAN), right.value.real().unwrap_or(f64::NAN));
        if matches!(op, ArithmeticOp::Div | ArithmeticOp::Rem) && y == 0.0 {
            let message = format!("`{}` divides by zero.", self.text(span));
            return self.fail(Code::TypeMismatch, right.span, message, "Divide by another number.");
        }
        if let (Some(a), Some(b)) = (left.value.number(), right.value.number()) {
            let exact = match op {
                ArithmeticOp::Add => a.checked_add(b),
                ArithmeticOp::Sub => a.checked_sub(b),
                ArithmeticOp::Mul => a.checked_mul(b).map(Decimal::normalized),
                ArithmeticOp::Div => exact_quotient(a, b),
                ArithmeticOp::Rem => remainder(a, b),
            };
            if let Some(exact) = exact.filter(|exact| exact.decimals <= MAX_DECIMALS) {
                return Value::Number(exact);
            }
        }
        Value::Real(match op {
            ArithmeticOp::Add => x + y,
            ArithmeticOp::Sub => x - y,
            ArithmeticOp::Mul => x * y,
            ArithmeticOp::Div => x / y,
            ArithmeticOp::Rem => x - y * (x / y).floor(),
        })
    }

    fn arithmetic_rows(&mut self, op: ArithmeticOp, left: &At, right: &At, span: Span) -> Value {
        let ((Some((a, x)), Some((b, y))), units) =
            ((self.row_operand(left), self.row_operand(right)), (left, right))
        else {
            return Value::Poison;
        };
        if op != ArithmeticOp::Mul
            && let (Value::Row(p), Value::Row(q)) = (&units.0.value, &units.1.value)
        {
            let (p, q) = (p.clone(), q.clone());
            let verb = if op == ArithmeticOp::Add { "added" } else { "subtracted" };
            self.check_units(&p, left.span, &q, right.span, span, verb);
        }
        let kind = match (op, &x, &y) {
            (_, Kind::Bool | Kind::Number, Kind::Bool | Kind::Number)
            | (ArithmeticOp::Sub, Kind::Date, Kind::Date) => Kind::Number,
            (ArithmeticOp::Add, Kind::Date, Kind::Bool | Kind::Number)
            | (ArithmeticOp::Add, Kind::Bool | Kind::Number, Kind::Date)
            | (ArithmeticOp::Sub, Kind::Date, Kind::Bool | Kind::Number) => Kind::Date,
            (_, Kind::Levels(_) | Kind::Date, _) => return self.not_number(left),
            _ => return self.not_number(right),
        };
        if kind == Kind::Date && (self.decimals_of(a) > 0 || self.decimals_of(b) > 0) {
            return self.not_number(if x == Kind::Date { right } else { left });
        }
        let id = match op {
            ArithmeticOp::Add => self.add(a, b, span),
            ArithmeticOp::Sub => self.sub(a, b, span),
            ArithmeticOp::Mul | ArithmeticOp::Div | ArithmeticOp::Rem => self.mul(a, b, span),
        };
        let unit = match (op, &left.value, &right.value) {
            (ArithmeticOp::Add | ArithmeticOp::Sub, Value::Row(row), _)
            | (ArithmeticOp::Add | ArithmeticOp::Sub, _, Value::Row(row)) => row.unit.clone(),
            _ => None,
        };
        match id {
            Some(id) => {
                Value::Row(RowValue { id, kind, unit, missing: std::rc::Rc::default(), column: None })
            }
            None => Value::Poison,
        }
    }

    /// HQ030, of values whose joint domain is too large for a table.
    pub(super) fn row_division(&mut self, span: Span) -> Value {
        let text = self.text(span);
        let report = if self.place == Place::Report { "" } else { " in `report`" };
        self.fail(
            Code::RowDivision,
            span,
            format!("`{text}` would divide encrypted values with too many combinations for a table."),
            format!(
                "(1) Multiply out: `a / b >= c` is `a >= c * b` for b > 0; (2) ask the owner for a prepared column; \
                 (3) divide totals{report}."
            ),
        )
    }

    pub(super) fn negate(&mut self, arg: &At, span: Span) -> Value {
        let zero = At { value: Value::Number(Decimal::integer(0)), span };
        match &arg.value {
            Value::Number(number) => match number.checked_neg() {
                Some(number) => Value::Number(number),
                None => self.not_number(arg),
            },
            Value::Real(value) => Value::Real(-value),
            _ => self.arithmetic(ArithmeticOp::Sub, &zero, arg, span),
        }
    }

    pub(super) fn power(&mut self, base: &At, exponent: &At, span: Span) -> Value {
        self.broadcast(base, exponent, span, &mut |this, base, exponent| {
            this.power_scalar(base, exponent, span)
        })
    }

    fn power_scalar(&mut self, base: &At, exponent: &At, span: Span) -> Value {
        let whole =
            exponent.value.number().and_then(Decimal::to_integer).filter(|times| (0..=16).contains(times));
        match (&base.value, &exponent.value) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::Row(_) | Value::Table(_), Value::Clear(..)) => self.mixed(base, exponent, span),
            (Value::Clear(..), Value::Row(_) | Value::Table(_)) => self.mixed(exponent, base, span),
            (Value::Table(_), _) | (_, Value::Row(_) | Value::Table(_)) => {
                self.table_power(base, exponent, span)
            }
            (Value::Row(_), _) => match whole.filter(|&times| times >= 1) {
                // A whole power is a product, which the ranges bound exactly.
                Some(times) => {
                    let mut product = base.clone();
                    for _ in 1..times {
                        product.value = self.arithmetic_scalar(ArithmeticOp::Mul, &product, base, span);
                    }
                    product.value
                }
                None => self.table_power(base, exponent, span),
            },
            (Value::Clear(..), _) | (_, Value::Clear(..)) => self.clear_binary(Binary::Pow, base, exponent),
            (a, b) => {
                if let (Some(number), Some(times)) = (a.number(), whole) {
                    let product =
                        (0..times).try_fold(Decimal::integer(1), |product, _| product.checked_mul(number));
                    if let Some(product) = product.filter(|product| product.decimals <= MAX_DECIMALS) {
                        return Value::Number(product);
                    }
                }
                match (a.real(), b.real()) {
                    (Some(x), Some(y)) => Value::Real(x.powf(y)),
                    (None, _) => self.not_number(base),
                    _ => self.not_number(exponent),
                }
            }
        }
    }

    /// HQ031, as HQ030.
    pub(super) fn row_function(&mut self, function: &str, span: Span) -> Value {
        let text = self.text(span);
        self.fail(
            Code::RowFunction,
            span,
            format!(
                "`{text}` would take `{function}` of encrypted values with too many combinations for a table."
            ),
            format!(
                "(1) Ask the owner for a prepared column; (2) apply `{function}` to totals in `report`; \
                 (3) use coarser values: a table has at most {} entries.",
                crate::number::with_commas(MAX_ENTRIES as u128)
            ),
        )
    }

    /// `sqrt`, `log`, `exp`, `abs`, `floor` of one value, or of each value of a list.
    pub(super) fn unary(&mut self, function: Unary, name: &str, arg: &At, span: Span) -> Value {
        match &arg.value {
            Value::Poison => Value::Poison,
            Value::List(items) => {
                let items: Vec<Value> = items
                    .iter()
                    .map(|item| self.unary(function, name, &At { value: item.clone(), span: arg.span }, span))
                    .collect();
                Value::List(items.into())
            }
            Value::Row(row) if function == Unary::Abs => {
                let unit = row.unit.clone();
                self.abs_row(arg, span, unit)
            }
            Value::Row(_) if function == Unary::Floor && self.is_whole(&arg.value) => arg.value.clone(),
            Value::Row(_) | Value::Table(_) if function == Unary::Floor => self.table_floor(arg, span),
            Value::Row(_) | Value::Table(_) => self.table_unary(function, name, arg, span),
            Value::Clear(id, ClearKind::Number | ClearKind::Bool) => {
                let id = *id;
                self.clear(ClearOp::Unary(function, id), ClearKind::Number)
            }
            Value::Number(number) if function == Unary::Abs => {
                Value::Number(Decimal { value: number.value.saturating_abs(), decimals: number.decimals })
            }
            other => match other.real() {
                Some(x) => {
                    let y = match function {
                        Unary::Sqrt => x.sqrt(),
                        Unary::Log => x.ln(),
                        Unary::Log10 => x.log10(),
                        Unary::Exp => x.exp(),
                        Unary::Abs => x.abs(),
                        Unary::Floor => x.floor(),
                        Unary::Negate | Unary::Not => -x,
                    };
                    if y.is_finite() {
                        return Value::Real(y);
                    }
                    let message = format!("`{}` is not a number.", self.text(span));
                    self.fail(
                        Code::TypeMismatch,
                        span,
                        message,
                        "Use an argument for which the function is defined.",
                    )
                }
                None => self.not_number(arg),
            },
        }
    }

    /// `round(x, digits)`, half away from zero; 0 digits where none are given.
    pub(super) fn round(&mut self, arg: &At, digits: Option<&At>, span: Span) -> Value {
        let digits = match digits {
            None => Some(0),
            Some(at) => at
                .value
                .number()
                .and_then(Decimal::to_integer)
                .and_then(|digits| u8::try_from(digits).ok())
                .filter(|&digits| digits <= MAX_DECIMALS / 2),
        };
        let Some(digits) = digits else {
            let message = format!("`{}` does not say how many decimals to keep.", self.text(span));
            return self.fail(
                Code::NotConstant,
                span,
                message,
                "Write a whole number from 0 to 9, as in `round(x, 1)`.",
            );
        };
        match &arg.value {
            Value::Poison => Value::Poison,
            Value::List(items) => {
                let items: Vec<Value> = items
                    .iter()
                    .map(|item| self.round_scalar(&At { value: item.clone(), span: arg.span }, digits, span))
                    .collect();
                Value::List(items.into())
            }
            _ => self.round_scalar(arg, digits, span),
        }
    }

    fn round_scalar(&mut self, arg: &At, digits: u8, span: Span) -> Value {
        match &arg.value {
            Value::Poison => Value::Poison,
            Value::Row(row) if self.decimals_of(row.id) <= digits => arg.value.clone(),
            Value::Row(_) | Value::Table(_) => self.table_round(arg, digits, span),
            Value::Clear(..) => {
                let digits = At { value: Value::Number(Decimal::integer(i64::from(digits))), span };
                self.clear_binary(Binary::Round, arg, &digits)
            }
            other => match (other.number(), other.real()) {
                (Some(number), _) => number.rounded(digits).map_or(Value::Poison, Value::Number),
                (None, Some(real)) => {
                    let unit = 10_f64.powi(i32::from(digits));
                    Value::Real((real * unit).round() / unit)
                }
                (None, None) => self.not_number(arg),
            },
        }
    }

    /// Whether a row value has no decimals.
    fn is_whole(&self, value: &Value) -> bool {
        matches!(value, Value::Row(row) if self.decimals_of(row.id) == 0)
    }

    fn abs_row(&mut self, arg: &At, span: Span, unit: Option<std::rc::Rc<str>>) -> Value {
        let Some((id, Kind::Number | Kind::Bool)) = self.row_operand(arg) else { return Value::Poison };
        let (lo, hi) = self.range_of(id);
        if lo >= 0 {
            return arg.value.clone();
        }
        let decimals = self.decimals_of(id);
        let zero = self.constant(0, decimals, span);
        let Some(negative) = self.sub(zero, id, span) else { return Value::Poison };
        let below = self.member(id, &[(i64::MIN, -1)], span);
        let largest = lo.saturating_neg().max(hi);
        let smallest = if hi < 0 { hi.saturating_neg() } else { 0 };
        let id = if hi < 0 {
            negative
        } else {
            let op = RowOp::Case { arms: vec![(below, negative)], otherwise: id };
            self.push(op, (smallest, largest), decimals, span)
        };
        Value::Row(RowValue { id, kind: Kind::Number, unit, missing: std::rc::Rc::default(), column: None })
    }

    /// `min` and `max` of two values.
    pub(super) fn extreme(&mut self, op: Binary, left: &At, right: &At, span: Span) -> Value {
        self.broadcast(left, right, span, &mut |this, left, right| this.extreme_scalar(op, left, right, span))
    }

    fn extreme_scalar(&mut self, op: Binary, left: &At, right: &At, span: Span) -> Value {
        match (&left.value, &right.value) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::Row(_) | Value::Table(_), Value::Clear(..)) => self.mixed(left, right, span),
            (Value::Clear(..), Value::Row(_) | Value::Table(_)) => self.mixed(right, left, span),
            (Value::Table(_), _) | (_, Value::Table(_)) => self.table_extreme(op, left, right, span),
            (Value::Row(_), _) | (_, Value::Row(_)) => {
                if let (Value::Row(p), Value::Row(q)) = (&left.value, &right.value) {
                    let (p, q) = (p.clone(), q.clone());
                    self.check_units(&p, left.span, &q, right.span, span, "compared");
                }
                let (Some((a, x)), Some((b, y))) = (self.row_operand(left), self.row_operand(right)) else {
                    return Value::Poison;
                };
                let Some(kind) = self.unify(&x, &y, left, right) else { return Value::Poison };
                if matches!(kind, Kind::Levels(_)) {
                    return self.not_number(left);
                }
                let Some((a, b, _)) = self.common_scale(a, b, span) else { return Value::Poison };
                let id = self.extreme_rows(op, a, b, span);
                Self::row_value(id, kind)
            }
            (Value::Clear(..), _) | (_, Value::Clear(..)) => self.clear_binary(op, left, right),
            (a, b) => match (a.number(), b.number()) {
                (Some(x), Some(y)) => {
                    let first = x.compare(y).is_lt() == (op == Binary::Min);
                    Value::Number(if first { x } else { y })
                }
                _ => match (a.real(), b.real()) {
                    (Some(x), Some(y)) => Value::Real(if op == Binary::Min { x.min(y) } else { x.max(y) }),
                    (None, _) => self.not_number(left),
                    _ => self.not_number(right),
                },
            },
        }
    }

    fn extreme_rows(&mut self, op: Binary, a: RowId, b: RowId, span: Span) -> RowId {
        let less = self.less_row(a, b, span);
        let (first, second) = if op == Binary::Min { (a, b) } else { (b, a) };
        if let Some(value) = self.as_constant(less) {
            return if value == 1 { first } else { second };
        }
        let ((a_lo, a_hi), (b_lo, b_hi)) = (self.range_of(a), self.range_of(b));
        let range = if op == Binary::Min {
            (a_lo.min(b_lo), a_hi.min(b_hi))
        } else {
            (a_lo.max(b_lo), a_hi.max(b_hi))
        };
        let decimals = self.decimals_of(a);
        self.push(RowOp::Case { arms: vec![(less, first)], otherwise: second }, range, decimals, span)
    }

    /// A row value and an aggregate stand together: HQ032 in the report, HQ033 elsewhere. A key of the
    /// groups is one value per group, and so may stand beside aggregates.
    pub(super) fn mixed(&mut self, row: &At, clear: &At, span: Span) -> Value {
        if self.place == Place::Report {
            return self.row_in_report(row, span);
        }
        self.aggregate_in_row(clear.span)
    }

    /// HQ032
    pub(super) fn row_in_report(&mut self, row: &At, span: Span) -> Value {
        let name = self.text(row.span);
        let whole = self.binding.unwrap_or(span);
        let boolean = matches!(&row.value, Value::Row(row) if row.kind == Kind::Bool);
        let function = if boolean { "count" } else { "sum" };
        let wrapped = {
            let text = self.program.sources.text(span.file);
            let before =
                text.get(span.start_index()..row.span.start_index().max(span.start_index())).unwrap_or("");
            let after = text.get(row.span.end_index().min(span.end_index())..span.end_index()).unwrap_or("");
            // `(a and b)` has its brackets already.
            let bracketed = name.starts_with('(') && name.ends_with(')') && name.matches('(').count() == 1;
            let text = if bracketed {
                format!("{before}{function}{name}{after}")
            } else {
                format!("{before}{function}({name}){after}")
            };
            crate::schema::one_line(&text)
        };
        let text = self.text(whole);
        self.fail(
            Code::RowInReport,
            row.span,
            format!("`{text}`: `{name}` is one value per patient and stays encrypted."),
            format!("Did you mean `{wrapped}`?"),
        )
    }

    /// HQ033
    pub(super) fn aggregate_in_row(&mut self, span: Span) -> Value {
        let text = self.text(self.calls.first().map_or(span, |call| call.span));
        let place = match self.place {
            Place::Row(clause) => format!("in `{clause}`"),
            Place::Aggregate => "inside `count` or `sum`".to_owned(),
            Place::Report => "beside row values".to_owned(),
        };
        self.fail(
            Code::AggregateInRow,
            span,
            format!("`{text}` {place}: it is known only after decryption."),
            "Run it first and pass it as `param`.",
        )
    }
}

fn exact_quotient(a: Decimal, b: Decimal) -> Option<Decimal> {
    (0..=6).find_map(|decimals| {
        let numerator =
            a.value.checked_mul(power_of_ten(decimals)?)?.checked_mul(power_of_ten(b.decimals)?)?;
        let denominator = b.value.checked_mul(power_of_ten(a.decimals)?)?;
        (denominator != 0 && numerator % denominator == 0)
            .then(|| Decimal { value: numerator / denominator, decimals })
    })
}

fn remainder(a: Decimal, b: Decimal) -> Option<Decimal> {
    let decimals = a.decimals.max(b.decimals);
    let (a, b) = (a.rescale(decimals)?, b.rescale(decimals)?);
    (b > 0).then(|| Decimal { value: a.rem_euclid(b), decimals })
}
