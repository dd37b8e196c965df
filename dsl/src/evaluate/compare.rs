//! Comparisons and `in`. A comparison with a constant becomes membership of a set; what the domain
//! decides is reported, unless it stands in a function or a comprehension.

use std::rc::Rc;

use super::Evaluator;
use super::value::{At, ClearKind, Kind, RowValue, Value};
use crate::ast::{CompareOp, Expr, ExprKind};
use crate::clear::{Binary, ClearOp, Unary};
use crate::diagnostic::{Code, Diagnostic};
use crate::number::{Decimal, power_of_ten};
use crate::rows::{RowId, RowOp};
use crate::source::Span;

impl<'a> Evaluator<'a> {
    /// Evaluates an expression beside a value of the given kind: a bare word or text beside a level is
    /// looked up among the levels.
    pub(super) fn operand(&mut self, expr: &'a Expr, beside: &Kind, owner: Span) -> Value {
        let Kind::Levels(levels) = beside else { return self.eval(expr) };
        let Some(word) = self.level_word(expr) else { return self.eval(expr) };
        if !levels.contains(&word)
            && matches!(expr.kind, ExprKind::Name(_))
            && let Some(value) = self.lookup(&word, expr.span)
        {
            return value;
        }
        match self.level(levels, &word, expr.span, owner) {
            Some(code) => Value::Level(Rc::clone(levels), code),
            None => Value::Poison,
        }
    }

    pub(super) fn kind_of(&self, value: &Value) -> Option<Kind> {
        match value {
            Value::Clear(..) if self.preparing => self.cell_kind(value),
            Value::Row(row) => Some(row.kind.clone()),
            Value::Level(levels, _) => Some(Kind::Levels(Rc::clone(levels))),
            _ => None,
        }
    }

    /// Both sides of an equality, with levels looked up in the domain of the other side.
    fn sides(&mut self, left: &'a Expr, right: &'a Expr) -> (At, At) {
        let bare = |this: &Self, expr: &Expr| this.level_word(expr).is_some();
        let unknown = |this: &mut Self, expr: &Expr| match &expr.kind {
            ExprKind::Text(_) => true,
            ExprKind::Name(_) => {
                this.level_word(expr).is_some_and(|word| this.lookup(&word, expr.span).is_none())
            }
            _ => false,
        };
        // `female == sex` is read from the right.
        if bare(self, left) && unknown(self, left) && !unknown(self, right) {
            let right_at = self.at(right);
            let value = match self.kind_of(&right_at.value) {
                Some(kind) => self.operand(left, &kind, right.span),
                None => self.eval(left),
            };
            return (At { value, span: left.span }, right_at);
        }
        let left_at = self.at(left);
        let value = match self.kind_of(&left_at.value) {
            Some(kind) => self.operand(right, &kind, left.span),
            // Nothing to say of the other side when this one is a mistake already.
            None if left_at.value.is_poison() && bare(self, right) => Value::Poison,
            None => self.eval(right),
        };
        (left_at, At { value, span: right.span })
    }

    pub(super) fn comparison(&mut self, op: CompareOp, left: &'a Expr, right: &'a Expr, span: Span) -> Value {
        for (missing, other) in [(left, right), (right, left)] {
            if matches!(missing.kind, ExprKind::Missing) {
                let other = self.text(other.span);
                let not = if op == CompareOp::NotEqual { "" } else { "not " };
                let message = "Nothing equals `missing`.";
                return self.fail(
                    Code::EqualsMissing,
                    span,
                    message,
                    format!("Write `{not}known({other})`."),
                );
            }
        }
        let (left, right) = self.sides(left, right);
        self.compare(op, &left, &right, span)
    }

    pub(super) fn compare(&mut self, op: CompareOp, left: &At, right: &At, span: Span) -> Value {
        match (&left.value, &right.value) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::List(items), other) | (other, Value::List(items)) => {
                let is_left = matches!(left.value, Value::List(_));
                if let (Value::List(a), Value::List(b)) = (&left.value, &right.value)
                    && a.len() != b.len()
                {
                    return self.lengths(a.len(), b.len(), span);
                }
                let mut results = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let other = match other {
                        Value::List(others) => others.get(index).cloned().unwrap_or(Value::Poison),
                        _ => other.clone(),
                    };
                    let item = At { value: item.clone(), span: if is_left { left.span } else { right.span } };
                    let other = At { value: other, span: if is_left { right.span } else { left.span } };
                    let (a, b) = if is_left { (item, other) } else { (other, item) };
                    results.push(self.compare(op, &a, &b, span));
                }
                Value::List(results.into())
            }
            (Value::Table(_), Value::Clear(..)) => self.mixed(left, right, span),
            (Value::Clear(..), Value::Table(_)) => self.mixed(right, left, span),
            (Value::Table(_), _) | (_, Value::Table(_)) => self.table_compare(op, left, right, span),
            (Value::Row(a), Value::Row(b)) => {
                let (a, b) = (a.clone(), b.clone());
                self.compare_rows(op, (&a, left.span), (&b, right.span), span)
            }
            (Value::Row(_), Value::Clear(..)) => self.mixed(left, right, span),
            (Value::Clear(..), Value::Row(_)) => self.mixed(right, left, span),
            (Value::Row(row), _) => {
                let row = row.clone();
                self.compare_constant(op, (&row, left.span), right, span)
            }
            (_, Value::Row(row)) => {
                let row = row.clone();
                self.compare_constant(op.flipped(), (&row, right.span), left, span)
            }
            (Value::Clear(..), _) | (_, Value::Clear(..)) => self.compare_clear(op, left, right, span),
            _ => self.compare_constants(op, left, right, span),
        }
    }

    fn compare_constants(&mut self, op: CompareOp, left: &At, right: &At, span: Span) -> Value {
        let order = match (&left.value, &right.value) {
            (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Level(x, a), Value::Level(y, b)) if x == y => Some(a.cmp(b)),
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => Some(a.compare(b)),
                _ => a.real().zip(b.real()).and_then(|(a, b)| a.partial_cmp(&b)),
            },
        };
        match order {
            Some(order) => Value::Bool(op.holds(order)),
            None => self.incomparable(left, right, span),
        }
    }

    fn incomparable(&mut self, left: &At, right: &At, span: Span) -> Value {
        let (a, b) = (self.text(left.span), self.text(right.span));
        let message = format!("`{a}` is {}, `{b}` is {}.", left.value.describe(), right.value.describe());
        self.fail(Code::TypeMismatch, span, message, "Compare values of one kind.")
    }

    fn compare_clear(&mut self, op: CompareOp, left: &At, right: &At, span: Span) -> Value {
        let (Some((a, kind)), Some((b, other))) = (self.clear_operand(left), self.clear_operand(right))
        else {
            return self.incomparable(left, right, span);
        };
        let texts = [kind, other].iter().filter(|&&kind| kind == ClearKind::Text).count();
        if texts == 1 {
            return self.incomparable(left, right, span);
        }
        let (op, swapped, negated) = match op {
            CompareOp::Equal => (Binary::Equal, false, false),
            CompareOp::NotEqual => (Binary::Equal, false, true),
            CompareOp::Less => (Binary::Less, false, false),
            CompareOp::LessEqual => (Binary::LessEqual, false, false),
            CompareOp::Greater => (Binary::Less, true, false),
            CompareOp::GreaterEqual => (Binary::LessEqual, true, false),
        };
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let mut id = self.clears.push(ClearOp::Binary(op, a, b));
        if negated {
            id = self.clears.push(ClearOp::Unary(Unary::Not, id));
        }
        Value::Clear(id, ClearKind::Bool)
    }

    fn compare_rows(
        &mut self,
        op: CompareOp,
        (left, left_span): (&RowValue, Span),
        (right, right_span): (&RowValue, Span),
        span: Span,
    ) -> Value {
        let (a, b) = (self.present(left, left_span), self.present(right, right_span));
        let (Some(a), Some(b)) = (a, b) else { return Value::Poison };
        self.check_units(left, left_span, right, right_span, span, "compared");
        let equality = matches!(op, CompareOp::Equal | CompareOp::NotEqual);
        let fits = match (&left.kind, &right.kind) {
            (Kind::Levels(x), Kind::Levels(y)) => x == y && equality,
            (Kind::Date, Kind::Date) | (Kind::Number | Kind::Bool, Kind::Number | Kind::Bool) => true,
            _ => false,
        };
        if !fits {
            let left = At { value: Value::Row(left.clone()), span: left_span };
            let right = At { value: Value::Row(right.clone()), span: right_span };
            return self.incomparable(&left, &right, span);
        }
        let Some((a, b, _)) = self.common_scale(a, b, span) else { return Value::Poison };
        let holds = |values: &[i64]| matches!(values, [a, b] if op.holds(a.cmp(b)));
        if let Some(id) = self.by_cases(&[a, b], holds, span) {
            return Self::row_value(id, Kind::Bool);
        }
        let id = match op {
            CompareOp::Equal => self.equal_row(a, b, span),
            CompareOp::NotEqual => {
                let equal = self.equal_row(a, b, span);
                self.not_row(equal, span)
            }
            CompareOp::Less => self.less_row(a, b, span),
            CompareOp::Greater => self.less_row(b, a, span),
            CompareOp::LessEqual => {
                let greater = self.less_row(b, a, span);
                self.not_row(greater, span)
            }
            CompareOp::GreaterEqual => {
                let less = self.less_row(a, b, span);
                self.not_row(less, span)
            }
        };
        Self::row_value(id, Kind::Bool)
    }

    fn equal_row(&mut self, a: RowId, b: RowId, span: Span) -> RowId {
        let ((a_lo, a_hi), (b_lo, b_hi)) = (self.range_of(a), self.range_of(b));
        if let Some(value) = self.as_constant(b) {
            return self.member(a, &[(value, value)], span);
        }
        if let Some(value) = self.as_constant(a) {
            return self.member(b, &[(value, value)], span);
        }
        if a == b || a_hi < b_lo || b_hi < a_lo {
            return self.constant(i64::from(a == b), 0, span);
        }
        self.push(RowOp::Equal { left: a.min(b), right: a.max(b) }, (0, 1), 0, span)
    }

    /// `a < b`
    pub(super) fn less_row(&mut self, a: RowId, b: RowId, span: Span) -> RowId {
        let ((a_lo, a_hi), (b_lo, b_hi)) = (self.range_of(a), self.range_of(b));
        if let Some(value) = self.as_constant(b) {
            return self.member(a, &[(i64::MIN, value.saturating_sub(1))], span);
        }
        if let Some(value) = self.as_constant(a) {
            return self.member(b, &[(value.saturating_add(1), i64::MAX)], span);
        }
        if a == b || a_lo >= b_hi || a_hi < b_lo {
            return self.constant(i64::from(a_hi < b_lo), 0, span);
        }
        self.push(RowOp::Less { left: a, right: b }, (0, 1), 0, span)
    }

    /// HQ014
    pub(super) fn check_units(
        &mut self,
        left: &RowValue,
        left_span: Span,
        right: &RowValue,
        right_span: Span,
        span: Span,
        verb: &str,
    ) {
        let (Some(a), Some(b)) = (&left.unit, &right.unit) else { return };
        if a == b {
            return;
        }
        let (x, y) = (self.text(left_span), self.text(right_span));
        let message = format!("`{x}` is in {a}, `{y}` in {b}: these cannot be {verb}.");
        let help = "Multiply one by its conversion factor.";
        self.emit(Diagnostic::error(Code::DifferentUnits, span, message, help));
    }

    /// The constant as a scaled integer beside a row value; `None` with a message where it has too many
    /// decimals or is of another kind.
    pub(super) fn constant_beside(
        &mut self,
        op: CompareOp,
        (row, row_span): (&RowValue, Span),
        constant: &At,
        span: Span,
    ) -> Option<i64> {
        let number = match (&row.kind, &constant.value) {
            (Kind::Date, Value::Date(days)) => return Some(*days),
            (Kind::Levels(levels), Value::Level(others, code)) if levels == others => return Some(*code),
            (Kind::Levels(levels), Value::Text(text)) => {
                let levels = Rc::clone(levels);
                return self.level(&levels, text, constant.span, row_span);
            }
            (Kind::Number | Kind::Bool, value) => value.number(),
            _ => None,
        };
        let Some(number) = number else {
            let row = At { value: Value::Row(row.clone()), span: row_span };
            self.incomparable(&row, constant, span);
            return None;
        };
        let decimals = self.decimals_of(row.id);
        if let Some(value) = number.rescale(decimals) {
            // A constant outside 64 bits lies outside every domain on the same side as the nearest one within.
            let limit = if value < 0 { i64::MIN } else { i64::MAX };
            return Some(i64::try_from(value).unwrap_or(limit));
        }
        self.too_many_decimals(op, number, decimals, row_span, constant.span, span);
        None
    }

    /// HQ013
    fn too_many_decimals(
        &mut self,
        op: CompareOp,
        number: Decimal,
        decimals: u8,
        row: Span,
        place: Span,
        span: Span,
    ) {
        let (row, condition) = (self.text(row), self.text(span));
        let has = match decimals {
            0 => "has no decimals".to_owned(),
            1 => "has one decimal".to_owned(),
            2 => "has two decimals".to_owned(),
            more => format!("has {more} decimals"),
        };
        let unit = power_of_ten(number.decimals - decimals).unwrap_or(1);
        let down = Decimal { value: number.value.div_euclid(unit), decimals };
        let up = Decimal { value: down.value + 1, decimals };
        let help = match op {
            CompareOp::GreaterEqual => format!("Use `{row} >= {up}` (the next value)."),
            CompareOp::Less => format!("Use `{row} < {up}` (the next value)."),
            CompareOp::Greater => format!("Use `{row} > {down}` (the value before)."),
            CompareOp::LessEqual => format!("Use `{row} <= {down}` (the value before)."),
            CompareOp::Equal | CompareOp::NotEqual => format!("Use `{down}` or `{up}`."),
        };
        let message = format!("`{row}` {has}; `{condition}` cannot be exact.");
        let diagnostic = Diagnostic::error(Code::TooManyDecimals, place, message, help);
        self.emit(diagnostic);
    }

    fn compare_constant(
        &mut self,
        op: CompareOp,
        row: (&RowValue, Span),
        constant: &At,
        span: Span,
    ) -> Value {
        let Some(id) = self.present(row.0, row.1) else { return Value::Poison };
        let levels = matches!(row.0.kind, Kind::Levels(_));
        if levels && !matches!(op, CompareOp::Equal | CompareOp::NotEqual) {
            let message = format!("`{}` has levels without an order.", self.text(row.1));
            let help = "Compare with `==` or `in`.";
            return self.fail(Code::TypeMismatch, span, message, help);
        }
        let Some(value) = self.constant_beside(op, row, constant, span) else { return Value::Poison };
        let set: &[(i64, i64)] = match op {
            CompareOp::Equal => &[(value, value)],
            CompareOp::NotEqual => {
                &[(i64::MIN, value.saturating_sub(1)), (value.saturating_add(1), i64::MAX)]
            }
            CompareOp::Less => &[(i64::MIN, value.saturating_sub(1))],
            CompareOp::LessEqual => &[(i64::MIN, value)],
            CompareOp::Greater => &[(value.saturating_add(1), i64::MAX)],
            CompareOp::GreaterEqual => &[(value, i64::MAX)],
        };
        let result = self.member(id, set, span);
        self.constant_condition(result, row, &constant.value, span);
        Self::row_value(result, Kind::Bool)
    }

    /// HQ012 and HQ052, for what the query itself says.
    pub(super) fn constant_condition(
        &mut self,
        result: RowId,
        (row, row_span): (&RowValue, Span),
        set: &Value,
        span: Span,
    ) {
        let literal = matches!(set, Value::Number(_) | Value::Date(_) | Value::Range { .. } | Value::List(_));
        let Some(holds) = self.as_constant(result) else { return };
        if !self.is_literal_place() || !literal || self.mentions_param(span) {
            return;
        }
        let (name, condition) = (self.text(row_span), self.text(span));
        let domain = self.domain_of(row).to_string();
        let column = row.column.and_then(|column| self.dataset.columns.get(column.index()));
        let about = column.map_or_else(String::new, |column| column.description.clone());
        if holds == 0 {
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            let message = format!("`{name}` is {domain}{about}, so `{condition}` is never true.");
            let help = "Choose a bound that some of these values meet.";
            self.emit(Diagnostic::error(Code::OutsideDomain, span, message, help));
        } else {
            let unit = row.unit.as_ref().map_or_else(String::new, |unit| format!(" {unit}"));
            let message = format!("`{condition}` is always true ({name} is {domain}{unit}).");
            let help = "Leave it out, or choose a bound that some of these values do not meet.";
            self.emit(Diagnostic::warning(Code::ConstantCondition, span, message, help));
        }
    }

    pub(super) fn mentions_param(&self, span: Span) -> bool {
        let text = self.program.sources.slice(span);
        crate::lexis::scan(text)
            .iter()
            .any(|token| self.program.params.iter().any(|param| param.name == token.text))
    }
}
