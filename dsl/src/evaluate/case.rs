//! `case`, and `cut` and `cross`, which make small domains from larger ones.

use std::rc::Rc;

use super::value::{At, ClearKind, Kind, RowValue, Value};
use super::{Evaluator, Place};
use crate::ast::Expr;
use crate::clear::ClearOp;
use crate::diagnostic::Code;
use crate::domain::Domain;
use crate::number::{Decimal, format_date};
use crate::rows::RowId;
use crate::source::Span;

/// Most levels that `cross` may make.
const MAX_CROSS: usize = 65_536;

impl<'a> Evaluator<'a> {
    pub(super) fn case(
        &mut self,
        arms: &'a [(Expr, Expr)],
        otherwise: Option<&'a Expr>,
        span: Span,
    ) -> Value {
        let Some(otherwise) = otherwise else {
            let message = "This `case` says nothing for patients to whom no condition applies.";
            return self.fail(Code::Syntax, span, message, "End it with `else -> value`.");
        };
        let (before, around) = (self.known.clone(), self.within.len());
        let mut taken: Vec<(At, At)> = Vec::with_capacity(arms.len());
        let mut last = None;
        for (condition, value) in arms {
            let condition = self.at(condition);
            match condition.value {
                Value::Bool(false) => continue,
                Value::Bool(true) => {
                    last = Some(self.at(value));
                    break;
                }
                _ => {}
            }
            let (outside, within) = (self.known.clone(), self.within.len());
            self.learn(&condition.value, true);
            let mut value = self.at(value);
            // What the arm shows to be present holds only inside it, so the value is settled here.
            if let Value::Row(row) = &value.value {
                let row = row.clone();
                value.value = match self.present(&row, value.span) {
                    Some(_) => Value::Row(RowValue { missing: Rc::default(), ..row }),
                    None => Value::Poison,
                };
            }
            self.known = outside;
            self.within.truncate(within);
            self.learn(&condition.value, false);
            taken.push((condition, value));
        }
        let last = match last {
            Some(last) => last,
            None => self.at(otherwise),
        };
        let result = self.choose(&taken, &last, span);
        self.known = before;
        self.within.truncate(around);
        result
    }

    fn choose(&mut self, arms: &[(At, At)], otherwise: &At, span: Span) -> Value {
        if arms.is_empty() {
            return otherwise.value.clone();
        }
        let parts = || arms.iter().flat_map(|(condition, value)| [condition, value]).chain([otherwise]);
        if parts().any(|at| at.value.is_poison()) {
            return Value::Poison;
        }
        let clear = parts().find(|at| matches!(at.value, Value::Clear(..))).cloned();
        let row =
            arms.iter().map(|(condition, _)| condition).find(|at| matches!(at.value, Value::Row(_))).cloned();
        match (row, clear) {
            (Some(row), Some(clear)) => self.mixed(&row, &clear, span),
            (Some(_), None) if parts().any(|at| matches!(at.value, Value::Table(_))) => {
                self.table_case(arms, otherwise, span)
            }
            (Some(_), None) => self.choose_row(arms, otherwise, span),
            (None, _) => self.choose_clear(arms, otherwise, span),
        }
    }

    fn choose_clear(&mut self, arms: &[(At, At)], otherwise: &At, span: Span) -> Value {
        let mut choices = Vec::with_capacity(arms.len());
        let mut kinds = Vec::with_capacity(arms.len() + 1);
        for (condition, value) in arms {
            let Some(condition) = self.clear_condition(condition) else { return Value::Poison };
            let Some((id, kind)) = self.clear_arm(value) else { return Value::Poison };
            choices.push((condition, id));
            kinds.push(kind);
        }
        let Some((id, kind)) = self.clear_arm(otherwise) else { return Value::Poison };
        if kinds.iter().any(|&other| (other == ClearKind::Text) != (kind == ClearKind::Text)) {
            let message = "The values of this `case` are numbers and texts.";
            return self.fail(Code::TypeMismatch, span, message, "All must be of one kind.");
        }
        let kind = if kinds.iter().all(|&other| other == kind) { kind } else { ClearKind::Number };
        self.clear(ClearOp::Case { arms: choices, otherwise: id }, kind)
    }

    fn clear_arm(&mut self, at: &At) -> Option<(crate::clear::ClearId, ClearKind)> {
        let clear = self.clear_operand(at);
        if clear.is_none() {
            if matches!(at.value, Value::Row(_)) {
                self.row_in_report(at, at.span);
            } else {
                let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
                self.fail(Code::TypeMismatch, at.span, message, "A `case` chooses between single values.");
            }
        }
        clear
    }

    fn choose_row(&mut self, arms: &[(At, At)], otherwise: &At, span: Span) -> Value {
        let values: Vec<&At> = arms.iter().map(|(_, value)| value).chain([otherwise]).collect();
        let texts: Option<Vec<&str>> = values
            .iter()
            .map(|at| if let Value::Text(text) = &at.value { Some(&**text) } else { None })
            .collect();
        let mut ids: Vec<RowId> = Vec::with_capacity(values.len());
        let mut kind: Option<Kind> = None;
        if let Some(texts) = texts {
            // Texts are the levels of a new domain, in the order written.
            let mut levels: Vec<String> = Vec::new();
            for text in texts {
                let code = levels.iter().position(|level| level == text).unwrap_or_else(|| {
                    levels.push(text.to_owned());
                    levels.len() - 1
                });
                let code = i64::try_from(code).unwrap_or(0);
                ids.push(self.constant(code, 0, span));
            }
            kind = Some(Kind::Levels(Rc::new(levels)));
        } else {
            for value in &values {
                let Some((id, this)) = self.row_operand(value) else { return Value::Poison };
                kind = match (kind, values.first()) {
                    (None, _) | (_, None) => Some(this),
                    (Some(kind), Some(first)) => match self.unify(&kind, &this, first, value) {
                        Some(kind) => Some(kind),
                        None => return Value::Poison,
                    },
                };
                ids.push(id);
            }
        }
        let decimals = ids.iter().map(|&id| self.decimals_of(id)).max().unwrap_or(0);
        let mut conditions = Vec::with_capacity(arms.len());
        for (condition, _) in arms {
            let Some(condition) = self.row_condition(condition) else { return Value::Poison };
            conditions.push(condition);
        }
        let mut scaled = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(id) = self.rescale(id, decimals, span) else { return Value::Poison };
            scaled.push(id);
        }
        let Some(last) = scaled.pop() else { return Value::Poison };
        let id = self.case_row(conditions.into_iter().zip(scaled).collect(), last, span);
        Self::row_value(id, kind.unwrap_or(Kind::Number))
    }

    /// `cut(x, [p, q])`: bands below p, from p to below q, from q on, labelled by their bounds.
    pub(super) fn cut(&mut self, arg: &At, points: &At, span: Span) -> Value {
        if let Value::Table(table) = &arg.value {
            let table = Rc::clone(table);
            return match self.expand(&points.value, points.span) {
                Value::List(items) => self.table_cut(&table, &items, span),
                _ => self.no_cut_points(points.span),
            };
        }
        let Some((id, kind)) = self.row_operand(arg) else { return Value::Poison };
        if !matches!(kind, Kind::Number | Kind::Date) {
            return self.not_number(arg);
        }
        let points_value = self.expand(&points.value, points.span);
        let Value::List(items) = &points_value else {
            return self.no_cut_points(points.span);
        };
        let decimals = self.decimals_of(id);
        let mut codes: Vec<i64> = Vec::with_capacity(items.len());
        for item in items.iter() {
            let code = match (&kind, item) {
                (Kind::Date, Value::Date(days)) => Some(*days),
                (Kind::Date, _) => None,
                (_, item) => item
                    .number()
                    .and_then(|number| number.rescale(decimals))
                    .and_then(|value| i64::try_from(value).ok()),
            };
            match code {
                Some(code) if codes.last().is_none_or(|&last| last < code) => codes.push(code),
                Some(_) => {
                    let message = "The points of `cut` do not rise.";
                    return self.fail(
                        Code::TypeMismatch,
                        points.span,
                        message,
                        "Write them from small to large.",
                    );
                }
                None => {
                    let message = format!(
                        "`{}` has no cut points for `{}`.",
                        self.text(points.span),
                        self.text(arg.span)
                    );
                    let help = match decimals {
                        0 => "Write whole constants.".to_owned(),
                        decimals => format!("Write constants with at most {decimals} decimals."),
                    };
                    return self.fail(Code::NotConstant, points.span, message, help);
                }
            }
        }
        let (lo, hi) = self.range_of(id);
        codes.retain(|&code| lo < code && code <= hi);
        let (shown_lo, shown_hi) = self.confined_range(id);
        let show = |code: i64| match kind {
            Kind::Date => format_date(code),
            _ => Decimal { value: code.into(), decimals }.to_string(),
        };
        let starts = std::iter::once(lo).chain(codes.iter().copied());
        let ends = codes.iter().map(|&code| code - 1).chain([hi]);
        let labels: Vec<String> = starts
            .zip(ends)
            .map(|(from, to)| {
                // What the filter leaves of the band; the band itself where that is nothing.
                let (first, last) = (from.max(shown_lo), to.min(shown_hi));
                let (first, last) = if first <= last { (first, last) } else { (from, to) };
                format!("{}..{}", show(first), show(last))
            })
            .collect();
        let mut arms = Vec::with_capacity(codes.len());
        for (index, &code) in codes.iter().enumerate() {
            let below = self.member(id, &[(i64::MIN, code - 1)], span);
            let band = self.constant(i64::try_from(index).unwrap_or(0), 0, span);
            arms.push((below, band));
        }
        let last = self.constant(i64::try_from(codes.len()).unwrap_or(0), 0, span);
        let id = self.case_row(arms, last, span);
        Self::row_value(id, Kind::Levels(Rc::new(labels)))
    }

    fn no_cut_points(&mut self, span: Span) -> Value {
        let message = "`cut` needs a list of cut points.";
        self.fail(Code::TypeMismatch, span, message, "Write `cut(age, [20, 40, 60])`.")
    }

    /// The smallest and largest value that the filter leaves, for labels.
    fn confined_range(&self, id: RowId) -> (i64, i64) {
        let (lo, hi) = self.range_of(id);
        match self.confined.get(&id).map(Vec::as_slice) {
            Some([(first, end), rest @ ..]) => {
                (lo.max(*first), hi.min(rest.last().map_or(*end, |&(_, last)| last)))
            }
            Some([]) | None => (lo, hi),
        }
    }

    /// `cross(a, b)`: the pairs of two small domains, coded `a * size(b) + b`.
    pub(super) fn cross(&mut self, left: &At, right: &At, span: Span) -> Value {
        let (Some((a, a_labels)), Some((b, b_labels))) = (self.dense(left), self.dense(right)) else {
            return Value::Poison;
        };
        if a_labels.len().saturating_mul(b_labels.len()) > MAX_CROSS {
            let message =
                format!("`{}` has {} x {} values.", self.text(span), a_labels.len(), b_labels.len());
            return self.fail(Code::LargeGroups, span, message, "Cut one of them into bands first.");
        }
        let size = i64::try_from(b_labels.len()).unwrap_or(i64::MAX);
        let size = self.constant(size, 0, span);
        let id = self.mul(a, size, span).and_then(|product| self.add(product, b, span));
        let labels: Vec<String> =
            a_labels.iter().flat_map(|x| b_labels.iter().map(move |y| format!("{x}, {y}"))).collect();
        match id {
            Some(id) => Self::row_value(id, Kind::Levels(Rc::new(labels))),
            None => Value::Poison,
        }
    }

    /// A row value of small domain as codes 0, 1, …, with a label for each.
    fn dense(&mut self, at: &At) -> Option<(RowId, Vec<String>)> {
        let (id, _) = self.row_operand(at)?;
        let Value::Row(row) = &at.value else {
            let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
            self.fail(Code::TypeMismatch, at.span, message, "`cross` combines two values per patient.");
            return None;
        };
        let domain = self.domain_of(row);
        if domain.size() > 65_536 {
            let message = format!("`{}` has {} values.", self.text(at.span), domain.size());
            self.fail(
                Code::LargeGroups,
                at.span,
                message,
                "Cut it into bands first, as in `cut(age, [40, 60])`.",
            );
            return None;
        }
        let labels: Vec<String> = domain.codes().map(|code| domain.label(code)).collect();
        let (lo, _) = domain.range();
        let dense = if let Domain::Int { step: 2.., .. } = domain {
            let mut arms = Vec::with_capacity(labels.len());
            for (index, code) in domain.codes().enumerate() {
                let here = self.member(id, &[(code, code)], at.span);
                arms.push((here, self.constant(i64::try_from(index).unwrap_or(0), 0, at.span)));
            }
            let (_, last) = arms.pop()?;
            self.case_row(arms, last, at.span)
        } else {
            let decimals = self.decimals_of(id);
            let first = self.constant(lo, decimals, at.span);
            self.sub(id, first, at.span)?
        };
        Some((dense, labels))
    }

    /// Whether row values may be turned into aggregates here.
    pub(super) fn may_aggregate(&self) -> bool {
        self.place == Place::Report
    }
}
