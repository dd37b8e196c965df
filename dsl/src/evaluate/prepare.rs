//! Checks the expression of a prepared column: the cells of a row are clear values there, so that division,
//! roots and logarithms are free.

use super::value::{At, ClearKind, Kind, Value};
use super::{Evaluator, Place};
use crate::ast::Expr;
use crate::clear::ClearOp;
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::prepared::Prepared;
use crate::program::Program;
use crate::schema::one_line;
use crate::source::{NoModules, Span};
use crate::typed::{Column, Dataset};

/// The checked expression of `column`, or what is wrong with it.
pub(crate) fn prepare(
    program: &Program,
    dataset: &Dataset,
    column: &Column,
    expr: &Expr,
) -> (Option<Prepared>, Vec<Diagnostic>) {
    let mut evaluator = Evaluator::new(program, &NoModules, dataset.clone());
    evaluator.preparing = true;
    evaluator.place = Place::Row("a prepared column");
    let at = evaluator.at(expr);
    let Some((value, kind)) = evaluator.prepared_operand(&at) else { return (None, evaluator.diagnostics) };
    let fits = match &column.domain {
        Domain::Bool => kind == ClearKind::Bool,
        Domain::Levels(_) => kind == ClearKind::Text,
        Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => kind != ClearKind::Text,
    };
    if !fits {
        let message = format!("`{}` is {}, which this does not give.", column.name, column.domain);
        let help = "Give a condition for `bool`, a number for a range, a text for levels.";
        evaluator.fail(Code::TypeMismatch, expr.span, message, help);
        return (None, evaluator.diagnostics);
    }
    let mut reads: Vec<(usize, Domain)> = Vec::new();
    for (_, op) in evaluator.clears.iter() {
        if let ClearOp::Cell(index) | ClearOp::Present(index) = op
            && !reads.iter().any(|(known, _)| known == index)
            && let Some(column) = dataset.columns.get(*index)
        {
            reads.push((*index, column.domain.clone()));
        }
    }
    let text = one_line(program.sources.slice(expr.span));
    let sound = !evaluator.diagnostics.iter().any(Diagnostic::is_error);
    let prepared = Prepared { text, reads, clears: std::mem::take(&mut evaluator.clears), value };
    (sound.then_some(prepared), evaluator.diagnostics)
}

impl Evaluator<'_> {
    fn prepared_operand(&mut self, at: &At) -> Option<(crate::clear::ClearId, ClearKind)> {
        if let Some(operand) = self.clear_operand(at) {
            return Some(operand);
        }
        if !at.value.is_poison() {
            let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
            self.fail(Code::TypeMismatch, at.span, message, "A prepared column is one value per row.");
        }
        None
    }

    /// The cell of a column, as a clear value.
    pub(super) fn cell(&mut self, index: usize, span: Span) -> Value {
        let Some(column) = self.dataset.columns.get(index) else { return Value::Poison };
        if column.prepared.is_some() {
            let message = format!("`{}` is a prepared column itself.", column.name);
            let help = "A prepared column is computed from columns of the table; repeat the expression.";
            return self.fail(Code::Unsupported, span, message, help);
        }
        let kind = match column.domain {
            Domain::Bool => ClearKind::Bool,
            Domain::Levels(_) => ClearKind::Text,
            Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => ClearKind::Number,
        };
        self.clear(ClearOp::Cell(index), kind)
    }

    /// The levels of a cell, for the words beside it.
    pub(super) fn cell_kind(&self, value: &Value) -> Option<Kind> {
        let Value::Clear(id, ClearKind::Text) = value else { return None };
        let ClearOp::Cell(index) = self.clears.get(*id) else { return None };
        match &self.dataset.columns.get(*index)?.domain {
            Domain::Levels(levels) => Some(Kind::Levels(std::rc::Rc::new(levels.clone()))),
            Domain::Bool | Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => None,
        }
    }

    /// `known(x)` of a cell.
    pub(super) fn cell_present(&mut self, value: &Value) -> Option<Value> {
        let Value::Clear(id, _) = value else { return None };
        let ClearOp::Cell(index) = *self.clears.get(*id) else { return None };
        Some(self.clear(ClearOp::Present(index), ClearKind::Bool))
    }
}
