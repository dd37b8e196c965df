//! Building row expressions: constant folding and exact ranges.

use std::rc::Rc;

use super::value::{At, Kind, RowValue, Value};
use super::{Evaluator, intervals};
use crate::diagnostic::Code;
use crate::domain::Domain;
use crate::number::{Decimal, power_of_ten};
use crate::rows::{RowId, RowNode, RowOp};
use crate::source::Span;

impl Evaluator<'_> {
    /// Adds an operation; its range must have been computed.
    pub(super) fn push(&mut self, op: RowOp, range: (i64, i64), decimals: u8, span: Span) -> RowId {
        let (presence, multiplies) = (self.presence_of(&op), self.is_product(&op));
        let id = self.rows.push(RowNode { op, range, decimals, span });
        if id.index() == self.presences.len() {
            self.presences.push(presence);
            self.products.push(multiplies);
        }
        id
    }

    /// Whether a product of two values that are no flags stands in an expression.
    pub(super) fn multiplies(&self, id: RowId) -> bool {
        self.products.get(id.index()).copied().unwrap_or(false)
    }

    fn is_product(&self, op: &RowOp) -> bool {
        let wide = |id: &RowId| {
            let (lo, hi) = self.range_of(*id);
            self.as_constant(*id).is_none() && (lo < 0 || hi > 1)
        };
        let product = matches!(op, RowOp::Mul(left, right) if wide(left) && wide(right));
        product || op.operands().into_iter().any(|operand| self.multiplies(operand))
    }

    pub(super) fn op(&self, id: RowId) -> &RowOp {
        &self.rows.get(id).op
    }

    pub(super) fn range_of(&self, id: RowId) -> (i64, i64) {
        self.rows.get(id).range
    }

    pub(super) fn decimals_of(&self, id: RowId) -> u8 {
        self.rows.get(id).decimals
    }

    pub(super) fn constant(&mut self, value: i64, decimals: u8, span: Span) -> RowId {
        self.push(RowOp::Const(value), (value, value), decimals, span)
    }

    pub(super) fn as_constant(&self, id: RowId) -> Option<i64> {
        if let RowOp::Const(value) = self.op(id) { Some(*value) } else { None }
    }

    /// A value as a row value; constants become row constants. Reports what is not one.
    pub(super) fn row_operand(&mut self, at: &At) -> Option<(RowId, Kind)> {
        let (value, decimals, kind) = match &at.value {
            Value::Row(row) => return self.present(row, at.span).map(|id| (id, row.kind.clone())),
            Value::Number(number) => (number.value, number.decimals, Kind::Number),
            Value::Bool(value) => (i128::from(*value), 0, Kind::Bool),
            Value::Date(days) => (i128::from(*days), 0, Kind::Date),
            Value::Level(levels, code) => (i128::from(*code), 0, Kind::Levels(Rc::clone(levels))),
            Value::Clear(..) => {
                self.aggregate_in_row(at.span);
                return None;
            }
            Value::Table(table) => {
                if let Some(decimals) = table.decimals {
                    let table = Rc::clone(table);
                    return self.settle(&table, decimals, at.span).map(|id| (id, Kind::Number));
                }
                self.inexact(at);
                return None;
            }
            Value::Real(_) => {
                self.fail(
                    Code::NotConstant,
                    at.span,
                    format!("`{}` is not an exact decimal number.", self.text(at.span)),
                    "Per row only exact numbers can be used; write it with the digits that matter.",
                );
                return None;
            }
            Value::Text(_) | Value::Range { .. } | Value::List(_) | Value::Record(_) => {
                let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
                self.fail(Code::TypeMismatch, at.span, message, "A value per row is needed here.");
                return None;
            }
            Value::Poison => return None,
        };
        match i64::try_from(value) {
            Ok(value) => Some((self.constant(value, decimals, at.span), kind)),
            Err(_) => {
                self.overflow(at.span);
                None
            }
        }
    }

    /// As [`Self::row_operand`], for a condition.
    pub(super) fn row_condition(&mut self, at: &At) -> Option<RowId> {
        let (id, kind) = self.row_operand(at)?;
        if kind == Kind::Bool {
            return Some(id);
        }
        let message = format!("`{}` is {}, not a condition.", self.text(at.span), at.value.describe());
        self.fail(Code::TypeMismatch, at.span, message, "Compare it, as in `age >= 65`, or ask `known(x)`.");
        None
    }

    /// A row value that stands for itself: never missing, without unit.
    pub(super) fn row_value(id: RowId, kind: Kind) -> Value {
        Value::Row(RowValue { id, kind, unit: None, missing: Rc::default(), column: None })
    }

    pub(super) fn overflow(&mut self, span: Span) -> Option<RowId> {
        self.fail(
            Code::RowOverflow,
            span,
            format!("`{}` may leave 64 bits.", self.text(span)),
            "Use narrower domains, or ask the owner for a prepared column.",
        );
        None
    }

    /// The same value at more decimals.
    pub(super) fn rescale(&mut self, id: RowId, decimals: u8, span: Span) -> Option<RowId> {
        let now = self.decimals_of(id);
        if decimals <= now {
            return Some(id);
        }
        let Some(factor) = power_of_ten(decimals - now).and_then(|factor| i64::try_from(factor).ok()) else {
            return self.overflow(span);
        };
        if let Some(value) = self.as_constant(id) {
            return match value.checked_mul(factor) {
                Some(value) => Some(self.constant(value, decimals, span)),
                None => self.overflow(span),
            };
        }
        let unit = self.constant(factor, decimals - now, span);
        self.mul(id, unit, span)
    }

    /// Both values at the larger of their decimals.
    pub(super) fn common_scale(
        &mut self,
        left: RowId,
        right: RowId,
        span: Span,
    ) -> Option<(RowId, RowId, u8)> {
        let decimals = self.decimals_of(left).max(self.decimals_of(right));
        Some((self.rescale(left, decimals, span)?, self.rescale(right, decimals, span)?, decimals))
    }

    pub(super) fn add(&mut self, left: RowId, right: RowId, span: Span) -> Option<RowId> {
        let (left, right, decimals) = self.common_scale(left, right, span)?;
        let ((a, b), (c, d)) = (self.range_of(left), self.range_of(right));
        let (Some(lo), Some(hi)) = (a.checked_add(c), b.checked_add(d)) else { return self.overflow(span) };
        Some(match (self.as_constant(left), self.as_constant(right)) {
            (Some(_), Some(_)) => self.constant(lo, decimals, span),
            (Some(0), None) => right,
            (None, Some(0)) => left,
            _ => self.push(RowOp::Add(left, right), (lo, hi), decimals, span),
        })
    }

    pub(super) fn sub(&mut self, left: RowId, right: RowId, span: Span) -> Option<RowId> {
        let (left, right, decimals) = self.common_scale(left, right, span)?;
        if left == right {
            return Some(self.constant(0, decimals, span));
        }
        let ((a, b), (c, d)) = (self.range_of(left), self.range_of(right));
        let (Some(lo), Some(hi)) = (a.checked_sub(d), b.checked_sub(c)) else { return self.overflow(span) };
        Some(match (self.as_constant(left), self.as_constant(right)) {
            (Some(_), Some(_)) => self.constant(lo, decimals, span),
            (None, Some(0)) => left,
            _ => self.push(RowOp::Sub(left, right), (lo, hi), decimals, span),
        })
    }

    pub(super) fn mul(&mut self, left: RowId, right: RowId, span: Span) -> Option<RowId> {
        let decimals = self.decimals_of(left).saturating_add(self.decimals_of(right));
        let ((a, b), (c, d)) = (self.range_of(left), self.range_of(right));
        let corners = [a.checked_mul(c), a.checked_mul(d), b.checked_mul(c), b.checked_mul(d)];
        let Some(corners) = corners.into_iter().collect::<Option<Vec<i64>>>() else {
            return self.overflow(span);
        };
        if decimals > 30 {
            return self.overflow(span);
        }
        let mut lo = corners.iter().copied().min().unwrap_or(0);
        let hi = corners.iter().copied().max().unwrap_or(0);
        if left == right {
            // A square: its smallest value is that of the number nearest to zero.
            let nearest = if a > 0 {
                a
            } else if b < 0 {
                b
            } else {
                0
            };
            lo = nearest.saturating_mul(nearest);
        }
        Some(match (self.as_constant(left), self.as_constant(right)) {
            (Some(_), Some(_)) | (Some(0), _) | (_, Some(0)) => self.constant(lo, decimals, span),
            (Some(1), None) if self.decimals_of(left) == 0 => right,
            (None, Some(1)) if self.decimals_of(right) == 0 => left,
            _ => self.push(RowOp::Mul(left, right), (lo, hi), decimals, span),
        })
    }

    /// Whether a value lies in a union of intervals; folds what the range decides, and looks through
    /// shifts, bands and crossed codes to the columns beneath.
    pub(super) fn member(&mut self, arg: RowId, set: &[(i64, i64)], span: Span) -> RowId {
        let (lo, hi) = self.range_of(arg);
        let merged = intervals::clip(set, (lo, hi));
        if merged.is_empty() || merged == [(lo, hi)] {
            return self.constant(i64::from(!merged.is_empty()), 0, span);
        }
        if (lo, hi) == (0, 1) && self.decimals_of(arg) == 0 && self.is_boolean(arg) {
            return if merged == [(1, 1)] { arg } else { self.not_row(arg, span) };
        }
        if let Some(id) = self.member_beneath(arg, &merged, span) {
            return id;
        }
        let holds = |values: &[i64]| matches!(values, [value] if merged.iter().any(|&(lo, hi)| lo <= *value && *value <= hi));
        if let Some(id) = self.by_cases(&[arg], holds, span) {
            return id;
        }
        self.push(RowOp::Member { arg, set: merged }, (0, 1), 0, span)
    }

    /// `x + 3 in S` is `x in S - 3`; a band of `cut` is an interval of the value that was cut; a code of
    /// `cross(a, b)` is a code of `a` and one of `b`.
    fn member_beneath(&mut self, arg: RowId, set: &[(i64, i64)], span: Span) -> Option<RowId> {
        match self.op(arg).clone() {
            RowOp::Add(left, right) => {
                if let Some(shift) = self.as_constant(right) {
                    return Some(self.member(left, &intervals::shift(set, shift.checked_neg()?)?, span));
                }
                if let Some(shift) = self.as_constant(left) {
                    return Some(self.member(right, &intervals::shift(set, shift.checked_neg()?)?, span));
                }
                self.crossed(left, right, set, span)
            }
            RowOp::Sub(left, right) => {
                let shift = self.as_constant(right)?;
                Some(self.member(left, &intervals::shift(set, shift)?, span))
            }
            RowOp::Mul(left, right) => {
                let factor = self.as_constant(right).filter(|&factor| factor > 0)?;
                Some(self.member(left, &intervals::divide(set, factor), span))
            }
            RowOp::Case { arms, otherwise } => {
                if let Some((arg, set)) = self.band(&arms, otherwise, set) {
                    return Some(self.member(arg, &set, span));
                }
                // `(x ?? 3) in S`: the value is in S where x is known, and 3 decides elsewhere.
                let (&[(condition, value)], Some(_)) = (arms.as_slice(), self.as_constant(otherwise)) else {
                    return None;
                };
                let (inside, otherwise) = (self.member(value, set, span), self.member(otherwise, set, span));
                Some(self.case_row(vec![(condition, inside)], otherwise, span))
            }
            _ => None,
        }
    }

    /// One code of `a * size + b` with b in 0..size.
    fn crossed(&mut self, left: RowId, right: RowId, set: &[(i64, i64)], span: Span) -> Option<RowId> {
        let &[(code, last)] = set else { return None };
        let RowOp::Mul(a, size) = *self.op(left) else { return None };
        let size = self.as_constant(size)?;
        let (lo, hi) = self.range_of(right);
        if code != last || size < 1 || lo != 0 || hi >= size {
            return None;
        }
        let (first, second) = (code.div_euclid(size), code.rem_euclid(size));
        let first = self.member(a, &[(first, first)], span);
        let second = self.member(right, &[(second, second)], span);
        Some(self.and_row(first, second, span))
    }

    /// The values of `x` for which a `case` over intervals of `x` takes a value in the set.
    fn band(
        &self,
        arms: &[(RowId, RowId)],
        otherwise: RowId,
        set: &[(i64, i64)],
    ) -> Option<(RowId, Vec<(i64, i64)>)> {
        let RowOp::Member { arg, .. } = self.op(arms.first()?.0) else { return None };
        let arg = *arg;
        let mut rest = vec![self.range_of(arg)];
        let mut taken = Vec::new();
        for &(condition, value) in arms {
            let RowOp::Member { arg: other, set: here } = self.op(condition) else { return None };
            let value = self.as_constant(value)?;
            if *other != arg {
                return None;
            }
            if set.iter().any(|&(lo, hi)| lo <= value && value <= hi) {
                taken.extend(here.iter().flat_map(|&interval| intervals::clip(&rest, interval)));
            }
            rest = intervals::without(&rest, here);
        }
        let value = self.as_constant(otherwise)?;
        if set.iter().any(|&(lo, hi)| lo <= value && value <= hi) {
            taken.extend(rest);
        }
        Some((arg, taken))
    }

    fn is_boolean(&self, id: RowId) -> bool {
        match self.op(id) {
            RowOp::Column(column) => {
                self.dataset.columns.get(column.index()).is_some_and(|column| column.domain == Domain::Bool)
            }
            RowOp::Known(_)
            | RowOp::Member { .. }
            | RowOp::Less { .. }
            | RowOp::Equal { .. }
            | RowOp::Not(_)
            | RowOp::And(..)
            | RowOp::Or(..) => true,
            RowOp::Const(_) | RowOp::Add(..) | RowOp::Sub(..) | RowOp::Mul(..) | RowOp::Case { .. } => false,
        }
    }

    pub(super) fn not_row(&mut self, arg: RowId, span: Span) -> RowId {
        match *self.op(arg) {
            RowOp::Const(value) => self.constant(1 - value, 0, span),
            RowOp::Not(inner) => inner,
            _ => self.push(RowOp::Not(arg), (0, 1), 0, span),
        }
    }

    pub(super) fn and_row(&mut self, left: RowId, right: RowId, span: Span) -> RowId {
        match (self.as_constant(left), self.as_constant(right)) {
            (Some(0), _) | (_, Some(1)) => left,
            (_, Some(0)) | (Some(1), _) => right,
            _ if left == right => left,
            _ => self.push(RowOp::And(left, right), (0, 1), 0, span),
        }
    }

    pub(super) fn or_row(&mut self, left: RowId, right: RowId, span: Span) -> RowId {
        match (self.as_constant(left), self.as_constant(right)) {
            (Some(1), _) | (_, Some(0)) => left,
            (_, Some(1)) | (Some(0), _) => right,
            _ if left == right => left,
            _ => self.push(RowOp::Or(left, right), (0, 1), 0, span),
        }
    }

    /// `case` over values of equal decimals; arms that cannot be taken are dropped.
    pub(super) fn case_row(&mut self, arms: Vec<(RowId, RowId)>, otherwise: RowId, span: Span) -> RowId {
        let mut kept = Vec::with_capacity(arms.len());
        let mut otherwise = otherwise;
        for (condition, value) in arms {
            match self.as_constant(condition) {
                Some(0) => {}
                Some(_) => {
                    otherwise = value;
                    break;
                }
                None => kept.push((condition, value)),
            }
        }
        let mut range = self.range_of(otherwise);
        let decimals = self.decimals_of(otherwise);
        for &(_, value) in &kept {
            let (lo, hi) = self.range_of(value);
            range = (range.0.min(lo), range.1.max(hi));
        }
        if kept.iter().all(|&(_, value)| value == otherwise) {
            return otherwise;
        }
        if let (&[(condition, value)], Some(constant)) = (kept.as_slice(), self.as_constant(otherwise))
            && (self.is_boolean(value) || matches!(self.as_constant(value), Some(0 | 1)))
            && decimals == 0
            && (0..=1).contains(&constant)
        {
            // A choice between a condition and a constant is `and` or `or`.
            return if constant == 0 {
                self.and_row(condition, value, span)
            } else {
                let not = self.not_row(condition, span);
                self.or_row(not, value, span)
            };
        }
        self.push(RowOp::Case { arms: kept, otherwise }, range, decimals, span)
    }

    /// The finite domain of a row value, with its labels.
    pub(super) fn domain_of(&self, row: &RowValue) -> Domain {
        if let Some(column) = row.column.and_then(|column| self.dataset.columns.get(column.index())) {
            return column.domain.clone();
        }
        let (lo, hi) = self.range_of(row.id);
        match &row.kind {
            Kind::Bool => Domain::Bool,
            Kind::Levels(levels) => Domain::Levels(levels.to_vec()),
            Kind::Date => Domain::Date { lo, hi },
            Kind::Number => match self.decimals_of(row.id) {
                0 => Domain::Int { lo, hi, step: 1 },
                decimals => Domain::Fixed { decimals, lo, hi },
            },
        }
    }

    /// A constant of a domain as a value.
    pub(super) fn domain_value(domain: &Domain, levels: Option<&Rc<Vec<String>>>, code: i64) -> Value {
        match (domain, levels) {
            (Domain::Bool, _) => Value::Bool(code != 0),
            (Domain::Levels(_), Some(levels)) => Value::Level(Rc::clone(levels), code),
            (Domain::Levels(names), None) => Value::Level(Rc::new(names.clone()), code),
            (Domain::Date { .. }, _) => Value::Date(code),
            (Domain::Int { .. } | Domain::Fixed { .. }, _) => {
                Value::Number(Decimal { value: code.into(), decimals: domain.decimals() })
            }
        }
    }
}
