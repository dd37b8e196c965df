//! Row values and aggregates where they may not meet: HQ032 and HQ033.

use super::value::{At, Kind, Value};
use super::{Evaluator, Place};
use crate::diagnostic::Code;
use crate::source::Span;

impl Evaluator<'_> {
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
