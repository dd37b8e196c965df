//! From a dataset's declaration to the checked dataset: domains, rules, distinct names.

use std::collections::HashSet;

use crate::ast::{Bound, ColumnDecl, DatasetDecl, DatasetItem, DomainExpr, DomainKind, Expr, ReleaseRule};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::evaluate::prepare;
use crate::lexis::scan;
use crate::number::{Decimal, parse_date};
use crate::prepared::Prepared;
use crate::program::Program;
use crate::source::{Sources, Span};
use crate::suggest::nearest;
use crate::typed::{Column, Dataset, ReleaseRules};

/// The largest `min_cell` that can be seen to while counts are encrypted: the lowest digit of a count decides on it, and
/// digits have sixteen values at most.
pub const MAX_ENCRYPTED_MIN_CELL: u64 = 16;

/// Most levels of a column.
const MAX_LEVELS: usize = 65_536;

/// Checks a declaration; `damaged` are parts of the text that could not be read. A dataset is made even of a
/// faulty one, from what is sound.
pub(crate) fn check_dataset(
    decl: &DatasetDecl,
    damaged: &[Span],
    sources: &Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Dataset {
    let mut dataset = Dataset {
        name: decl.name.text.clone(),
        title: decl.title.clone(),
        rows: 0,
        one_per: None,
        release: ReleaseRules::default(),
        columns: Vec::new(),
        span: decl.name.span,
    };
    let mut names: HashSet<&str> = HashSet::new();
    for item in &decl.items {
        match item {
            DatasetItem::Rows { limit, one_per, span } => {
                dataset.rows = whole(*limit).filter(|&rows| rows > 0).unwrap_or_else(|| {
                    let message = format!("`rows <= {limit}` is not a number of rows.");
                    let help = "Write a whole number above 0, as in `rows <= 25_000`.";
                    diagnostics.push(Diagnostic::error(Code::BadDomain, *span, message, help));
                    1
                });
                dataset.one_per = one_per.as_ref().map(|unit| unit.text.clone());
            }
            DatasetItem::Release(rules, _) => dataset.release = release(rules, diagnostics),
            DatasetItem::Column(column) => {
                if names.insert(&column.name.text) {
                    dataset.columns.extend(check_column(column, diagnostics));
                } else {
                    let message =
                        format!("The column `{}` stands twice in `{}`.", column.name.text, decl.name.text);
                    let help = "Remove one, or give it another name.";
                    diagnostics.push(Diagnostic::error(Code::DuplicateName, column.name.span, message, help));
                }
            }
        }
    }
    let unread = |span: &&Span| scan(sources.slice(**span)).iter().any(|token| token.text == "rows");
    if dataset.rows == 0 && damaged.iter().any(|span| span.file == decl.name.span.file && unread(&span)) {
        dataset.rows = 1;
    }
    if dataset.rows == 0 {
        let message = format!("`{}` does not say how many rows it has at most.", decl.name.text);
        let help = "Write `rows <= 25_000`: sums are proved to fit from it.";
        diagnostics.push(Diagnostic::error(Code::ClauseCount, decl.name.span, message, help));
        dataset.rows = 1;
    }
    prepare_columns(decl, damaged, sources, &mut dataset, diagnostics);
    dataset
}

/// Checks the expressions of prepared columns. They see the table's columns and the built-in functions.
fn prepare_columns(
    decl: &DatasetDecl,
    damaged: &[Span],
    sources: &Sources,
    dataset: &mut Dataset,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let columns = decl
        .items
        .iter()
        .filter_map(|item| if let DatasetItem::Column(column) = item { Some(column) } else { None });
    let expressions: Vec<(&str, &Expr)> =
        columns.filter_map(|column| Some((column.name.text.as_str(), column.prepared.as_ref()?))).collect();
    if expressions.is_empty() {
        return;
    }
    let program = Program { sources: sources.clone(), damaged: damaged.to_vec(), ..Program::default() };
    // An expression that reads another prepared column is told so.
    let mut of_table = dataset.clone();
    for column in &mut of_table.columns {
        column.prepared = expressions.iter().any(|(name, _)| *name == column.name).then(Prepared::unchecked);
    }
    for column in &mut dataset.columns {
        let Some((_, expr)) = expressions.iter().find(|(name, _)| *name == column.name) else { continue };
        let (prepared, found) = prepare(&program, &of_table, column, expr);
        column.prepared = prepared;
        diagnostics.extend(found);
    }
}

fn whole(number: Decimal) -> Option<u64> {
    number.to_integer().and_then(|value| u64::try_from(value).ok()).filter(|&value| value <= 1 << 40)
}

/// `encrypted` stands behind a rule that cannot be seen to before numbers are decrypted.
fn misplaced(rule: &ReleaseRule, at: Span, value: u64, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let name = &rule.name.text;
    let (message, help) = if name != "min_cell" {
        let message = format!("`{name}` is no rule about counts, so there is nothing to be encrypted.");
        (message, "`encrypted` belongs behind `min_cell`.".to_owned())
    } else if (2..=MAX_ENCRYPTED_MIN_CELL).contains(&value) {
        return false;
    } else {
        let message = format!(
            "`min_cell {value}` cannot be seen to while counts are encrypted: that goes from 2 to \
             {MAX_ENCRYPTED_MIN_CELL}."
        );
        let help = format!(
            "Choose a number up to {MAX_ENCRYPTED_MIN_CELL}, or leave `encrypted` out: then small counts are \
             decrypted, and hidden by who holds the key."
        );
        (message, help)
    };
    diagnostics.push(Diagnostic::error(Code::EncryptedRule, at, message, help));
    true
}

fn release(rules: &[ReleaseRule], diagnostics: &mut Vec<Diagnostic>) -> ReleaseRules {
    let mut release = ReleaseRules::default();
    for rule in rules {
        let ReleaseRule { name, number, encrypted } = rule;
        let Some(value) = whole(*number) else {
            let message = format!("`{} {number}` is not a whole number.", name.text);
            diagnostics.push(Diagnostic::error(Code::BadDomain, name.span, message, "Write a whole number."));
            continue;
        };
        if encrypted.is_some_and(|at| misplaced(rule, at, value, diagnostics)) {
            continue;
        }
        match name.text.as_str() {
            "min_cell" => (release.min_cell, release.min_cell_encrypted) = (value, encrypted.is_some()),
            "max_cells" => release.max_cells = value,
            "per_day" => release.per_day = Some(value),
            other => {
                let message = format!("There is no release rule `{other}`.");
                let help = match nearest(other, ["min_cell", "max_cells", "per_day"]) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => "The rules are min_cell, max_cells and per_day.".to_owned(),
                };
                diagnostics.push(Diagnostic::error(Code::UnknownName, name.span, message, help));
            }
        }
    }
    release
}

fn check_column(column: &ColumnDecl, diagnostics: &mut Vec<Diagnostic>) -> Option<Column> {
    let domain = check_domain(&column.domain, diagnostics)?;
    Some(Column {
        name: column.name.text.clone(),
        domain,
        optional: column.optional,
        description: column.description.clone(),
        // Checked when all columns are known.
        prepared: None,
        span: column.name.span,
    })
}

/// Source text without comments, line breaks and runs of spaces.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.lines().flat_map(|line| line.split('#').next().unwrap_or("").split_whitespace()).collect();
    words.join(" ")
}

/// Checks a domain as written.
pub(crate) fn check_domain(domain: &DomainExpr, diagnostics: &mut Vec<Diagnostic>) -> Option<Domain> {
    let mut bad = |span: Span, message: String, help: &str| {
        diagnostics.push(Diagnostic::error(Code::BadDomain, span, message, help));
        None
    };
    match &domain.kind {
        DomainKind::Bool => Some(Domain::Bool),
        DomainKind::Levels(levels) => {
            let mut seen = HashSet::new();
            if let Some(twice) = levels.iter().find(|level| !seen.insert(level.text.as_str())) {
                return bad(twice.span, format!("The level `{}` stands twice.", twice.text), "Remove one.");
            }
            if levels.is_empty() || levels.len() > MAX_LEVELS {
                let message = format!("A set of {} levels is no domain.", levels.len());
                return bad(domain.span, message, "Write the levels, as in `{female, male}`.");
            }
            Some(Domain::Levels(levels.iter().map(|level| level.text.clone()).collect()))
        }
        DomainKind::Bounds { lo, hi, step } => {
            let both = |read: fn(&Bound) -> Option<i64>| Some((read(lo)?, read(hi)?));
            if let Some((first, last)) = both(|bound| parse_date(&bound.text)) {
                if first > last {
                    return bad(
                        domain.span,
                        "This range of days is empty.".to_owned(),
                        "Write the earlier day first.",
                    );
                }
                return Some(Domain::Date { lo: first, hi: last });
            }
            let no_day = |bound: &&Bound| {
                bound.text.matches('-').count() == 2
                    && bound.text.len() == 10
                    && parse_date(&bound.text).is_none()
            };
            if let Some(bound) = [lo, hi].iter().find(|bound| no_day(bound)) {
                let message = format!("There is no day {}.", bound.text);
                return bad(bound.span, message, "Dates are written year-month-day, as in 2012-02-29.");
            }
            let (Some(low), Some(high)) = (Decimal::parse(&lo.text), Decimal::parse(&hi.text)) else {
                let message = format!("`{}..{}` is not a range of numbers or dates.", lo.text, hi.text);
                return bad(
                    domain.span,
                    message,
                    "Write `0..80`, `10.0..90.0`, `2009-01-01..2012-12-31`, `bool` or `{a, b}`.",
                );
            };
            let decimals = low.decimals.max(high.decimals);
            let scaled =
                |number: Decimal| number.rescale(decimals).and_then(|value| i64::try_from(value).ok());
            let limit = 1_i64 << 53;
            let (Some(low), Some(high)) = (scaled(low), scaled(high)) else {
                return bad(
                    domain.span,
                    "These bounds are too large.".to_owned(),
                    "Values have at most 53 bits.",
                );
            };
            if low.abs() > limit || high.abs() > limit {
                return bad(
                    domain.span,
                    "These bounds are too large.".to_owned(),
                    "Values have at most 53 bits.",
                );
            }
            if low > high {
                return bad(
                    domain.span,
                    format!("`{}..{}` is empty.", lo.text, hi.text),
                    "Write the smaller bound first.",
                );
            }
            let Some(step) = step else {
                return Some(if decimals == 0 {
                    Domain::Int { lo: low, hi: high, step: 1 }
                } else {
                    Domain::Fixed { decimals, lo: low, hi: high }
                });
            };
            let step_value = step.to_integer().and_then(|value| i64::try_from(value).ok()).unwrap_or(0);
            if decimals > 0 || step_value <= 0 || (high - low) % step_value != 0 {
                let message = format!("`step {step}` does not lead from {} to {}.", lo.text, hi.text);
                return bad(
                    domain.span,
                    message,
                    "The step is a whole number that divides the distance of whole bounds.",
                );
            }
            Some(Domain::Int { lo: low, hi: high, step: step_value })
        }
    }
}
