//! A query from its clauses: filter, keys, report, order; and the release rules that it must keep.

use std::collections::HashSet;

use super::clauses::{ordered, sources};
use super::value::{At, Kind, Value};
use super::{Evaluator, Facts, Place};
use crate::ast::{Binding, Clause, ClauseKind, Expr, Ident, QueryDecl, SortItem};
use crate::clear::Output;
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::lexis::scan;
use crate::number::with_commas;
use crate::program::Program;
use crate::rows::RowId;
use crate::source::{Loader, Span};
use crate::suggest::nearest;
use crate::typed::{Dataset, Key, Query, ReportColumn, SortColumn, SortKey};

/// Checks a query; `None` if it has errors.
pub(crate) fn check_query(
    program: &Program,
    decl: &QueryDecl,
    loader: &dyn Loader,
) -> (Option<Query>, Vec<Diagnostic>) {
    checked(program, decl, loader, None)
}

/// As [`check_query`]; notes what each expression of the query is.
pub(crate) fn check_query_noting(
    program: &Program,
    decl: &QueryDecl,
    loader: &dyn Loader,
    facts: &mut Facts,
) -> Vec<Diagnostic> {
    checked(program, decl, loader, Some(facts)).1
}

fn checked(
    program: &Program,
    decl: &QueryDecl,
    loader: &dyn Loader,
    facts: Option<&mut Facts>,
) -> (Option<Query>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let clauses = ordered(program, decl, &mut diagnostics);
    let Some((dataset, clauses)) = sources(program, decl, clauses, &mut diagnostics) else {
        return (None, diagnostics);
    };
    check_clauses(program, decl, (dataset, loader), &clauses, facts, diagnostics)
}

/// Checks a query over a dataset that is given, without `from`.
pub(crate) fn check_over(
    program: &Program,
    decl: &QueryDecl,
    dataset: Dataset,
    loader: &dyn Loader,
) -> (Option<Query>, Vec<Diagnostic>) {
    let clauses: Vec<&Clause> = decl.clauses.iter().collect();
    check_clauses(program, decl, (dataset, loader), &clauses, None, Vec::new())
}

fn check_clauses<'a>(
    program: &'a Program,
    decl: &'a QueryDecl,
    (dataset, loader): (Dataset, &'a dyn Loader),
    clauses: &[&'a Clause],
    facts: Option<&mut Facts>,
    mut diagnostics: Vec<Diagnostic>,
) -> (Option<Query>, Vec<Diagnostic>) {
    let mut evaluator = Evaluator::new(program, loader, dataset);
    evaluator.add_secrets();
    evaluator.noted = facts.is_some().then(Facts::default);
    let query = evaluator.query(decl, clauses);
    if let (Some(facts), Some(noted)) = (facts, evaluator.noted.take()) {
        facts.extend(noted);
    }
    diagnostics.append(&mut evaluator.diagnostics);
    without_echoes(program, clauses, &mut diagnostics);
    if program.damages(decl) {
        // Part of the query could not be read; what depends on the whole of it would mislead.
        let sound = [
            Code::AssignmentInCondition,
            Code::ChainedComparison,
            Code::ClauseOrder,
            Code::SqlWord,
            Code::UnknownName,
            Code::UnknownLevel,
            Code::OutsideDomain,
            Code::TooManyDecimals,
            Code::EqualsMissing,
            Code::UnknownFunction,
        ];
        diagnostics.retain(|diagnostic| sound.contains(&diagnostic.code));
        return (None, diagnostics);
    }
    let sound = !diagnostics.iter().any(Diagnostic::is_error);
    (query.filter(|_| sound), diagnostics)
}

/// Takes out what only follows from a mistake that is told: missing values that a faulty `where` would have
/// met, and results in a `derive` for want of a `report`.
fn without_echoes(program: &Program, clauses: &[&Clause], diagnostics: &mut Vec<Diagnostic>) {
    let holds = |outer: Span, inner: Span| {
        outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
    };
    let reports = clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Report(_)));
    let faulty = |clause: &&&Clause| {
        let error = |found: &Diagnostic| found.is_error() && found.code != Code::MissingNotHandled;
        matches!(clause.kind, ClauseKind::Where(_))
            && diagnostics.iter().any(|found| error(found) && holds(clause.span, found.span()))
    };
    let meant: HashSet<String> = clauses
        .iter()
        .filter(faulty)
        .flat_map(|clause| scan(program.sources.slice(clause.span)))
        .map(|token| token.text.to_owned())
        .collect();
    diagnostics.retain(|found| {
        let column = found.message.split('`').nth(1).unwrap_or("");
        let echo = (found.code == Code::MissingNotHandled && meant.contains(column))
            || (found.code == Code::AggregateInRow && !reports);
        !echo
    });
}

impl<'a> Evaluator<'a> {
    fn query(&mut self, decl: &'a QueryDecl, clauses: &[&'a Clause]) -> Option<Query> {
        let mut filter = self.constant(1, 0, decl.name.span);
        let (mut by, mut report, mut sort, mut take) = (Vec::new(), Vec::new(), Vec::new(), None);
        let mut report_word = None;
        for clause in clauses {
            match &clause.kind {
                ClauseKind::From(_) => {}
                ClauseKind::Where(condition) => filter = self.filter(filter, condition, clause.span),
                ClauseKind::Derive(bindings) => self.derive(bindings),
                ClauseKind::By(items) => by = self.keys(items, clause.span),
                ClauseKind::Report(bindings) => {
                    report_word = Some(clause.word);
                    report = self.report(bindings);
                }
                ClauseKind::Sort(items) => sort = self.sort(items, &by, &report),
                ClauseKind::Take(number, span) => {
                    take = number.to_integer().and_then(|count| u64::try_from(count).ok());
                    if take.is_none() {
                        let message = format!("`take {number}` is not a number of rows.");
                        self.fail(
                            Code::TypeMismatch,
                            *span,
                            message,
                            "Write a whole number, as in `take 10`.",
                        );
                    }
                }
            }
        }
        let Some(report_word) = report_word else {
            self.fail(
                Code::ClauseCount,
                decl.name.span,
                format!("`{}` reports nothing.", decl.name.text),
                "End it with `report` and results, as in `report n = count()`.",
            );
            return None;
        };
        self.name_aggregates(&report);
        self.check_cells(&by, report_word);
        Some(Query {
            name: decl.name.text.clone(),
            purpose: decl.purpose.clone(),
            secrets: self.dataset.columns.split_off(self.table_columns),
            dataset: self.dataset.clone(),
            rows: std::mem::take(&mut self.rows),
            filter,
            by,
            aggregates: std::mem::take(&mut self.aggregates),
            clears: std::mem::take(&mut self.clears),
            report,
            sort,
            take,
            params: self.program.public_params(),
        })
    }

    fn filter(&mut self, filter: RowId, condition: &'a Expr, span: Span) -> RowId {
        self.place = Place::Row("where");
        let at = self.at(condition);
        self.learn(&at.value, true);
        if at.value.is_poison() {
            return filter;
        }
        let Some(id) = self.row_condition(&at) else { return filter };
        for (arg, set) in self.confinements(id, true) {
            self.confined.entry(arg).or_insert(set);
        }
        self.and_row(filter, id, span)
    }

    /// HQ024 for a name that is taken.
    fn is_free(&mut self, name: &Ident) -> bool {
        let column = self.dataset.columns.iter().any(|column| column.name == name.text);
        let taken = if column {
            Some("a column")
        } else if self.names.contains_key(&name.text) {
            Some("another value")
        } else if self.program.params.iter().any(|param| param.name == name.text) {
            Some("a parameter")
        } else {
            None
        };
        if let Some(taken) = taken {
            let message = format!("`{}` is the name of {taken} already.", name.text);
            self.fail(Code::DuplicateName, name.span, message, "Choose another name.");
        }
        taken.is_none()
    }

    fn derive(&mut self, bindings: &'a [Binding]) {
        self.place = Place::Row("derive");
        for binding in bindings {
            let value = self.eval(&binding.value);
            if self.is_free(&binding.name) {
                self.names.insert(binding.name.text.clone(), value);
            }
        }
    }

    fn keys(&mut self, items: &'a [(Option<Ident>, Expr)], span: Span) -> Vec<Key> {
        self.place = Place::Row("by");
        let mut keys: Vec<Key> = Vec::new();
        for (name, expr) in items {
            let at = self.at(expr);
            if let Value::Number(_) | Value::Bool(_) | Value::Text(_) | Value::Date(_) = at.value {
                let message = format!("`{}` is the same for all patients.", self.text(at.span));
                self.fail(
                    Code::TypeMismatch,
                    at.span,
                    message,
                    "Group by a value per patient, as in `by sex`.",
                );
                continue;
            }
            let Some((id, _)) = self.row_operand(&at) else { continue };
            let Value::Row(row) = &at.value else { continue };
            let labels = self.domain_of(row);
            self.keys.push((id, labels.clone()));
            let key_name = match name {
                Some(name) => {
                    if self.is_free(name) {
                        self.names.insert(name.text.clone(), at.value.clone());
                    }
                    name.text.clone()
                }
                None => self.text(at.span),
            };
            if keys.iter().any(|key| key.name == key_name) {
                let message = format!("`by {key_name}` stands twice.");
                self.fail(Code::DuplicateName, at.span, message, "Remove one.");
                continue;
            }
            keys.push(Key { name: key_name, value: id, labels, conditions: Vec::new(), span: at.span });
        }
        if self.check_groups(&keys, span) {
            for key in &mut keys {
                let codes = key.labels.codes();
                key.conditions =
                    codes.map(|code| self.member(key.value, &[(code, code)], key.span)).collect();
            }
        }
        keys
    }

    /// HQ040
    fn check_groups(&mut self, keys: &[Key], span: Span) -> bool {
        let product = keys.iter().fold(1_u64, |product, key| product.saturating_mul(key.labels.size()));
        let allowed = self.dataset.release.max_cells;
        if product <= allowed {
            return true;
        }
        let Some(largest) = keys.iter().max_by_key(|key| key.labels.size()) else { return true };
        let (size, rows) = (largest.labels.size(), self.dataset.rows);
        let groups = if size >= rows {
            format!("up to {} groups of one", with_commas(rows.into()))
        } else {
            format!("{} groups", with_commas(product.into()))
        };
        let help = match &largest.labels {
            Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } if size < rows => {
                format!("Make bands with `cut({}, […])`, or leave it out.", largest.name)
            }
            _ => "Use bands of another value, as in `cut(age, [40, 60])`, or leave it out.".to_owned(),
        };
        let text = self.text(span);
        let message = format!(
            "`{text}` gives {groups}; the release rule allows {} cells.",
            with_commas(allowed.into())
        );
        self.fail(Code::LargeGroups, largest.span, message, help);
        false
    }

    /// HQ041
    fn check_cells(&mut self, keys: &[Key], report: Span) {
        let allowed = self.dataset.release.max_cells;
        let groups = keys.iter().fold(1_u64, |product, key| product.saturating_mul(key.labels.size()));
        let aggregates = self.aggregates.len() as u64;
        let cells = u128::from(groups) * u128::from(aggregates);
        if cells <= u128::from(allowed) || groups > allowed {
            return;
        }
        let mut factors: Vec<String> = keys.iter().map(|key| key.labels.size().to_string()).collect();
        factors.push(aggregates.to_string());
        let product = if factors.len() == 1 {
            with_commas(cells)
        } else {
            format!("{} = {}", factors.join(" x "), with_commas(cells))
        };
        let message = format!(
            "This report decrypts {product} numbers; the dataset allows {} per query.",
            with_commas(allowed.into())
        );
        self.fail(
            Code::TooManyCells,
            report,
            message,
            "Ask for fewer groups, steps or results, or run several queries.",
        );
    }

    fn report(&mut self, bindings: &'a [Binding]) -> Vec<ReportColumn> {
        self.place = Place::Report;
        let mut columns = Vec::with_capacity(bindings.len());
        for binding in bindings {
            self.binding = Some(binding.span);
            let at = self.at(&binding.value);
            if self.is_free(&binding.name) {
                self.names.insert(binding.name.text.clone(), at.value.clone());
            }
            if let Some(value) = self.output(&at) {
                let name = binding.name.text.clone();
                columns.push(ReportColumn { name, value, span: binding.span });
            }
            self.binding = None;
        }
        columns
    }

    fn output(&mut self, at: &At) -> Option<Output> {
        let nested = |value: &Value| At { value: value.clone(), span: at.span };
        match self.expand(&at.value, at.span) {
            Value::Poison => None,
            Value::List(items) => items
                .iter()
                .map(|item| self.output(&nested(item)))
                .collect::<Option<Vec<_>>>()
                .map(Output::List),
            Value::Record(fields) => fields
                .iter()
                .map(|(name, value)| Some((name.clone(), self.output(&nested(value))?)))
                .collect::<Option<Vec<_>>>()
                .map(Output::Record),
            _ => match self.clear_operand(at) {
                Some((id, _)) => Some(Output::Scalar(id)),
                None => {
                    self.row_result(at);
                    None
                }
            },
        }
    }

    /// HQ032 for a result that is a row value itself.
    fn row_result(&mut self, at: &At) {
        match &at.value {
            Value::Row(row) if matches!(row.kind, Kind::Levels(_) | Kind::Date) => {
                let whole = self.binding.unwrap_or(at.span);
                let (text, name) = (self.text(whole), self.text(at.span));
                let message = format!("`{text}`: `{name}` is one value per patient and stays encrypted.");
                let help = format!("To count its values write `by {name}`.");
                self.fail(Code::RowInReport, at.span, message, help);
            }
            _ => {
                self.row_in_report(at, at.span);
            }
        }
    }

    fn sort(&mut self, items: &'a [SortItem], keys: &[Key], report: &[ReportColumn]) -> Vec<SortKey> {
        let mut order = Vec::with_capacity(items.len());
        for item in items {
            let name = item.name.text.as_str();
            let key = keys.iter().position(|key| key.name == name).map(SortColumn::Key);
            let result = report.iter().position(|column| column.name == name);
            if let Some(column) = result.and_then(|index| report.get(index))
                && !matches!(column.value, Output::Scalar(_))
            {
                let message = format!("`{name}` is not a single value.");
                self.fail(Code::TypeMismatch, item.name.span, message, "Sort by a result that is one value.");
                continue;
            }
            match key.or(result.map(SortColumn::Report)) {
                Some(column) => order.push(SortKey { column, descending: item.descending }),
                None if self.names.get(name).is_some_and(Value::is_poison) => {}
                None if self.program.is_damaged(name, item.name.span) => {}
                None => {
                    let names = keys.iter().map(|key| key.name.as_str());
                    let names = names.chain(report.iter().map(|column| column.name.as_str()));
                    let near = nearest(name, names.clone()).map(str::to_owned);
                    let help = match near {
                        Some(near) => format!("Did you mean `{near}`?"),
                        None => format!("It has {}.", names.collect::<Vec<_>>().join(", ")),
                    };
                    let message = format!("The report has no `{name}`.");
                    self.fail(Code::UnknownName, item.name.span, message, help);
                }
            }
        }
        order
    }
}
