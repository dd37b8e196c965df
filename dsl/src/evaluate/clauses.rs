//! The clauses of a query in the order they act, and the dataset and cohorts that they start from.

use std::collections::HashSet;

use crate::ast::{Clause, ClauseKind, Ident, QueryDecl};
use crate::diagnostic::{Code, Diagnostic};
use crate::program::Program;
use crate::suggest::nearest;
use crate::typed::Dataset;

fn word(kind: &ClauseKind) -> (&'static str, u8) {
    match kind {
        ClauseKind::From(_) => ("from", 0),
        ClauseKind::Where(_) => ("where", 1),
        ClauseKind::Derive(_) => ("derive", 1),
        ClauseKind::By(_) => ("by", 2),
        ClauseKind::Report(_) => ("report", 3),
        ClauseKind::Sort(_) => ("sort", 4),
        ClauseKind::Take(..) => ("take", 5),
    }
}

/// Clauses in the order they act; those written out of order (HQ003) or twice are reported.
pub(super) fn ordered<'a>(
    program: &Program,
    decl: &'a QueryDecl,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<&'a Clause> {
    let mut clauses: Vec<&Clause> = decl.clauses.iter().collect();
    let mut furthest: (&str, u8) = ("", 0);
    let mut seen: HashSet<&str> = HashSet::new();
    for clause in &clauses {
        let (name, rank) = word(&clause.kind);
        if rank < furthest.1 {
            let text = crate::schema::one_line(program.sources.slice(clause.span));
            let condition = text.strip_prefix(name).unwrap_or("").trim();
            let (message, help) = match name {
                "where" => (
                    "`where` chooses rows, so it comes before `by` and `report`.".to_owned(),
                    format!("To count part of the rows write `count({condition})`."),
                ),
                "derive" => (
                    "`derive` names row values, so it comes before `by` and `report`.".to_owned(),
                    "Results are named in `report`.".to_owned(),
                ),
                _ => (
                    format!("`{name}` comes before `{}`.", furthest.0),
                    "The order is: from, where and derive, by, report, sort, take.".to_owned(),
                ),
            };
            diagnostics.push(Diagnostic::error(Code::ClauseOrder, clause.word, message, help));
        } else {
            furthest = (name, rank);
        }
        if !matches!(name, "where" | "derive") && !seen.insert(name) {
            let help = match name {
                "by" | "sort" => "Write one, with commas between its values.",
                "report" => "Write one `report`; it takes any number of results.",
                _ => "Remove one.",
            };
            let message = format!("`{name}` stands twice.");
            diagnostics.push(Diagnostic::error(Code::ClauseCount, clause.word, message, help));
        }
    }
    // A clause written twice over says nothing new.
    let mut texts: HashSet<&str> = HashSet::new();
    clauses.retain(|clause| {
        let repeated = !matches!(word(&clause.kind).0, "where" | "derive");
        !repeated || texts.insert(program.sources.slice(clause.span).trim_end())
    });
    clauses.sort_by_key(|clause| word(&clause.kind).1);
    clauses
}

/// Follows `from` through cohorts to the dataset; the cohorts' clauses come first.
pub(super) fn sources<'a>(
    program: &'a Program,
    decl: &'a QueryDecl,
    mut clauses: Vec<&'a Clause>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Dataset, Vec<&'a Clause>)> {
    let mut current = decl;
    for _ in 0..16 {
        let Some(source) = current.clauses.iter().find_map(|clause| match &clause.kind {
            ClauseKind::From(source) => Some(source),
            _ => None,
        }) else {
            if !program.damages(current) {
                let message = format!("`{}` does not say which table it reads.", current.name.text);
                let help = "Begin with `from` and the name of a dataset.";
                diagnostics.push(Diagnostic::error(Code::ClauseCount, current.name.span, message, help));
            }
            return None;
        };
        if let Some(dataset) = program.datasets.get(&source.text) {
            return Some((dataset.clone(), clauses));
        }
        let Some(cohort) = program.cohorts.get(&source.text) else {
            diagnostics.push(unknown_source(program, source)?);
            return None;
        };
        let mut inherited: Vec<&Clause> = ordered(program, cohort, &mut Vec::new())
            .into_iter()
            .filter(|clause| word(&clause.kind).1 == 1)
            .collect();
        inherited.append(&mut clauses);
        clauses = inherited;
        current = cohort;
    }
    let message = format!("The cohort `{}` leads back to itself.", current.name.text);
    let help = "A cohort reads a dataset, or a cohort that does.";
    diagnostics.push(Diagnostic::error(Code::Recursion, current.name.span, message, help));
    None
}

fn unknown_source(program: &Program, source: &Ident) -> Option<Diagnostic> {
    if program.is_damaged(&source.text, source.span) || program.missing_modules.contains(&source.text) {
        return None;
    }
    if nearest(&source.text, program.missing_modules.iter().map(String::as_str)).is_some() {
        return None;
    }
    let names = program.datasets.keys().chain(program.cohorts.keys()).map(String::as_str);
    let help = match nearest(&source.text, names) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("Write `use {}` above the query, with its schema beside the file.", source.text),
    };
    let message = format!("There is no dataset `{}`.", source.text);
    Some(Diagnostic::error(Code::UnknownModule, source.span, message, help))
}
