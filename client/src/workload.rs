//! Workloads: programs over one dataset, and a typical query, for which keys are made if none is named: two comparisons and a flag,
//! by a small category, a count and a sum.

use std::path::{Path, PathBuf};

use hq_dsl::{Column, Dataset, Domain};

use crate::error::{Result, mismatch};
use crate::loader::FileLoader;
use crate::program::Program;

/// Programs whose queries all read one dataset, whose schema was read from a file.
pub(crate) fn programs(
    files: &[PathBuf],
    folders: &[PathBuf],
    (place, dataset, schema): (&Path, &Dataset, &str),
) -> Result<Vec<Program>> {
    let mut programs = Vec::with_capacity(files.len());
    for file in files {
        let loader =
            FileLoader::beside(file, folders).with(&dataset.name, &place.display().to_string(), schema);
        let mut program = Program::read(file, &[], loader)?;
        program.select(None)?;
        for query in &program.queries {
            if query.dataset.to_string() != dataset.to_string() {
                let reason = format!("query `{}` reads another dataset than `{}`", query.name, dataset.name);
                return Err(mismatch(file, reason));
            }
        }
        programs.push(program);
    }
    Ok(programs)
}

/// The program; it reads the dataset with `use`.
///
/// # Errors
/// Why the schema gives none.
pub(crate) fn text(dataset: &Dataset) -> std::result::Result<String, String> {
    let mut numeric: Vec<&Column> =
        dataset.columns.iter().filter(|column| is_numeric(&column.domain)).collect();
    numeric.sort_by_key(|column| std::cmp::Reverse(column.domain.size()));
    let flag = dataset.columns.iter().find(|column| column.domain == Domain::Bool);
    let most_groups = dataset.release.max_cells.max(1) / 2;
    let key = dataset.columns.iter().find(|column| {
        let small = matches!(column.domain, Domain::Levels(_) | Domain::Bool);
        small && flag.is_none_or(|flag| flag.name != column.name) && column.domain.size() <= most_groups
    });
    let mut conditions = Vec::new();
    let mut known = |column: &Column, condition: String| {
        conditions.push(if column.optional { format!("known({})", column.name) } else { "true".to_owned() });
        conditions.push(condition);
    };
    for column in numeric.iter().take(2) {
        known(column, format!("{} >= {}", column.name, middle(&column.domain)));
    }
    if let Some(flag) = flag {
        known(flag, flag.name.clone());
    }
    if let Some(key) = key {
        known(key, "true".to_owned());
    }
    conditions.retain(|condition| condition != "true");
    if conditions.is_empty() && key.is_none() {
        return Err("it has no number, flag or small category".to_owned());
    }
    let mut text = format!("use {}\nquery default_workload\n  from {}\n", dataset.name, dataset.name);
    for condition in conditions {
        text += &format!("  where {condition}\n");
    }
    if let Some(key) = key {
        text += &format!("  by {}\n", key.name);
    }
    text += "  report\n    rows = count()\n";
    if let Some(widest) = numeric.first() {
        text += &format!("    total = sum({})\n", widest.name);
    }
    Ok(text)
}

fn is_numeric(domain: &Domain) -> bool {
    match domain {
        Domain::Int { .. } | Domain::Fixed { .. } => domain.size() > 2,
        Domain::Bool | Domain::Levels(_) | Domain::Date { .. } => false,
    }
}

/// A value in the middle; no power of two above the smallest, so that the comparison is a full one.
fn middle(domain: &Domain) -> String {
    let codes = domain.size();
    let step = codes / 2 + codes / 7;
    let (lo, _) = domain.range();
    let at = i64::try_from(step).ok().and_then(|step| {
        let by = if let Domain::Int { step, .. } = domain { *step } else { 1 };
        lo.checked_add(step.checked_mul(by)?)
    });
    domain.label(at.filter(|&code| domain.contains(code)).unwrap_or(lo))
}
