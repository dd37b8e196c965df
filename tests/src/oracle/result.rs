//! Running the binary on a case, and comparing its numbers with the oracle's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::cases::{Case, Place};

/// What the binary answered: one JSON report for each query of the program.
#[derive(Clone, Debug)]
pub struct Answer {
    reports: Vec<Value>,
}

/// How an answer compares with the oracle.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Integers of the oracle that were looked up.
    pub integers: usize,
    /// Numbers of its final results that were looked up.
    pub finals: usize,
    /// Integers that differ or are absent, in words.
    pub wrong: Vec<String>,
    /// Final results that are absent, in words.
    pub absent: Vec<String>,
    /// Largest relative difference of the final results.
    pub largest: f64,
}

/// The binary, built beside the program that runs.
///
/// # Errors
/// Says what to build if it is not there.
fn hq() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let name = format!("hq{}", std::env::consts::EXE_SUFFIX);
    let folders = program.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    folders
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| "there is no binary hq: run `cargo build --workspace` first".to_owned())
}

/// Runs `tests/queries/ID.hq` on a table, with all numbers shown.
///
/// # Errors
/// What the binary says if it fails.
pub fn answer(id: &str, dataset: &str, table: &Path, backend: &str) -> Result<Answer, String> {
    answer_together(&[id], dataset, table, backend)
}

/// Runs several programs of `tests/queries` together on a table, with all numbers shown.
///
/// # Errors
/// What the binary says if it fails.
pub fn answer_together(ids: &[&str], dataset: &str, table: &Path, backend: &str) -> Result<Answer, String> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    answer_under(&schemas, ids, (dataset, table), backend)
}

/// The same with schemas of another folder.
///
/// # Errors
/// What the binary says if it fails.
pub fn answer_under(
    schemas: &Path,
    ids: &[&str],
    (dataset, table): (&str, &Path),
    backend: &str,
) -> Result<Answer, String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(hq()?)
        .arg("run")
        .args(ids.iter().map(|id| tests.join("queries").join(format!("{id}.hq"))))
        .arg("--schema")
        .arg(schemas)
        .arg("--table")
        .arg(format!("{dataset}={}", table.display()))
        .args(["--backend", backend, "--format", "json", "--release", "off"])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} on {backend}: {said}", ids.join(", ")));
    }
    let value: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let reports = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    Ok(Answer { reports })
}

/// Makes a table of synthetic rows for a schema of `tests/schemas`.
///
/// # Errors
/// What the binary says if it fails.
pub fn synthetic(dataset: &str, rows: u32, table: &Path) -> Result<(), String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{dataset}.hq"));
    let output = Command::new(hq()?)
        .arg("generate")
        .arg(schema)
        .args(["--rows", &rows.to_string(), "--seed", "7", "-o"])
        .arg(table)
        .output()
        .map_err(|error| error.to_string())?;
    let said = || format!("{dataset}: {}", String::from_utf8_lossy(&output.stderr));
    output.status.success().then_some(()).ok_or_else(said)
}

/// Labels of a group, joined by commas.
fn labels(group: &Value) -> String {
    let by = group["by"].as_object().into_iter().flatten();
    by.map(|(_, label)| label.as_str().unwrap_or("")).collect::<Vec<_>>().join(",")
}

/// Numbers by the way to them: fields behind points, places in lists in brackets from 1.
fn flatten(path: &str, value: &Value, found: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => found.extend(number.as_f64().map(|number| (path.to_owned(), number))),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{}]", index + 1), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, field, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

impl Answer {
    /// Exact integers of a query by group and name.
    #[must_use]
    pub fn integers(&self, query: usize) -> HashMap<(String, String), i64> {
        let aggregates = self.reports.get(query).and_then(|report| report["aggregates"].as_array());
        let named = aggregates.into_iter().flatten().filter_map(|aggregate| {
            let name = aggregate["name"].as_str()?.to_owned();
            Some(((labels(aggregate), name), aggregate["value"].as_i64()?))
        });
        named.collect()
    }

    /// Results of a query by group and the way to them.
    #[must_use]
    pub fn results(&self, query: usize) -> HashMap<(String, String), f64> {
        let groups = self.reports.get(query).and_then(|report| report["groups"].as_array());
        let mut all = HashMap::new();
        for group in groups.into_iter().flatten() {
            let mut numbers = Vec::new();
            flatten("", &group["report"], &mut numbers);
            all.extend(numbers.into_iter().map(|(name, number)| ((labels(group), name), number)));
        }
        all
    }

    /// One report of each run.
    fn runs(&self) -> impl Iterator<Item = &Value> {
        let plan = |report: &Value| report["certificate"]["plan_blake3"].clone();
        let mut seen = Vec::new();
        self.reports.iter().filter(move |report| {
            let new = !seen.contains(&plan(report));
            seen.push(plan(report));
            new
        })
    }

    /// How many plans were run.
    #[must_use]
    pub fn plans(&self) -> usize {
        self.runs().count()
    }

    /// A number of the report, added up over the runs of the program: `timing`, `keygen_s`.
    #[must_use]
    pub fn sum(&self, part: &str, name: &str) -> Option<f64> {
        self.runs().map(|report| report[part][name].as_f64()).sum()
    }

    /// A number of the report, the largest over the queries of the program.
    #[must_use]
    pub fn most(&self, part: &str, name: &str) -> Option<u64> {
        self.reports.iter().filter_map(|report| report[part][name].as_u64()).max()
    }

    /// Groups in the results of the first query, before `take`: those that integers were opened for.
    #[must_use]
    pub fn groups(&self) -> usize {
        let mut groups: Vec<String> = self.integers(0).into_keys().map(|(group, _)| group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }
}

/// The oracle's numbers with the way to them. The list of P13 is taken by the code of each of its entries.
fn numbers(path: &mut Vec<String>, value: &Value, found: &mut Vec<(Vec<String>, f64)>) {
    match value {
        Value::Number(number) => found.extend(number.as_f64().map(|number| (path.clone(), number))),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = item["snomed"].as_str().map_or_else(|| (index + 1).to_string(), str::to_owned);
                path.push(name);
                numbers(path, item, found);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push(name.clone());
                numbers(path, field, found);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Looks up every number of the oracle in an answer.
///
/// # Errors
/// The oracle cannot be read.
pub fn compare(case: &Case, answer: &Answer, shared: &Path) -> Result<Comparison, String> {
    let path = shared.join("oracle").join(format!("{}.json", case.oracle));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let oracle: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut comparison = Comparison::default();
    let part = |name: &str| {
        let mut found = Vec::new();
        numbers(&mut Vec::new(), &oracle[name], &mut found);
        found
    };
    let integers: Vec<_> = (0..answer.reports.len()).map(|query| answer.integers(query)).collect();
    for (path, wanted) in part("exact") {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let shown = words.join("/");
        #[expect(clippy::cast_precision_loss, reason = "the oracle's integers have less than 53 bits")]
        let equal = |found: i64| found as f64 == wanted;
        let right = match (case.exact)(&words) {
            Place::NotAsked => continue,
            Place::Somewhere => {
                integers.first().is_some_and(|integers| integers.values().any(|&found| equal(found)))
            }
            Place::At(query, group, name) => integers
                .get(query)
                .and_then(|integers| integers.get(&(group, name)))
                .is_some_and(|&found| equal(found)),
        };
        comparison.integers += 1;
        if !right {
            comparison.wrong.push(format!("{shown} = {wanted}"));
        }
    }
    let results: Vec<_> = (0..answer.reports.len()).map(|query| answer.results(query)).collect();
    for (path, wanted) in part("final") {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let Place::At(query, group, name) = (case.last)(&words) else { continue };
        comparison.finals += 1;
        match results.get(query).and_then(|results| results.get(&(group, name))) {
            Some(found) => {
                let difference = (found - wanted).abs() / wanted.abs().max(1e-30);
                comparison.largest = comparison.largest.max(if *found == wanted { 0.0 } else { difference });
            }
            None => comparison.absent.push(words.join("/")),
        }
    }
    Ok(comparison)
}
