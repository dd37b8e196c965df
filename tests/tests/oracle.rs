//! The binary, from the text of a query over a real table to released integers: equal to the oracle's on
//! bgv and on clear. The tables lie beside the checkout; without them the tests say so and skip.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The binary under test, built beside this test by `cargo build --workspace`.
fn hq() -> PathBuf {
    let folder = std::env::current_exe().unwrap();
    let folder = folder.parent().unwrap().parent().unwrap();
    let binary = folder.join(format!("hq{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.is_file(), "run `cargo build --workspace` first: there is no {}", binary.display());
    binary
}

fn tests_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a query of `tests/queries` and returns its results.
fn run(query: &str, dataset: &str, table: &Path, backend: &str) -> Vec<Value> {
    let output = Command::new(hq())
        .arg("run")
        .arg(tests_folder().join("queries").join(format!("{query}.hq")))
        .arg("--schema")
        .arg(tests_folder().join("schemas"))
        .arg("--table")
        .arg(format!("{dataset}={}", table.display()))
        .args(["--backend", backend, "--format", "json", "--release", "off"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    results.as_array().cloned().unwrap_or_else(|| vec![results])
}

/// Values of the aggregates by group (labels joined by commas) and name.
fn aggregates(result: &Value) -> BTreeMap<(String, String), i64> {
    result["aggregates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|aggregate| {
            let by = aggregate["by"].as_object().unwrap();
            let labels: Vec<&str> = by.values().map(|label| label.as_str().unwrap()).collect();
            let name = aggregate["name"].as_str().unwrap().to_owned();
            ((labels.join(","), name), aggregate["value"].as_i64().unwrap())
        })
        .collect()
}

/// The oracle's exact integers as group, name, value; lists by index from 1.
fn oracle(shared: &Path, file: &str) -> Vec<(String, String, i64)> {
    let text = std::fs::read_to_string(shared.join("oracle").join(file)).unwrap();
    let oracle: Value = serde_json::from_str(&text).unwrap();
    let mut wanted = Vec::new();
    for (group, values) in oracle["exact"].as_object().unwrap() {
        let Some(values) = values.as_object() else {
            wanted.push((String::new(), group.clone(), values.as_i64().unwrap()));
            continue;
        };
        for (name, value) in values {
            let Some(list) = value.as_array() else {
                wanted.push((group.clone(), name.clone(), value.as_i64().unwrap()));
                continue;
            };
            for (index, value) in list.iter().enumerate() {
                wanted.push((group.clone(), format!("{name}[{}]", index + 1), value.as_i64().unwrap()));
            }
        }
    }
    wanted
}

fn shared() -> Option<PathBuf> {
    let shared = hq_tests::shared();
    if shared.is_none() {
        eprintln!("skipped: the shared tables do not lie beside this checkout");
    }
    shared
}

/// Every integer of the oracle is there, under the name that `rename` gives it.
fn check(query: &str, dataset: &str, file: &str, rename: impl Fn(&str, &str) -> (String, String)) {
    let Some(shared) = shared() else { return };
    let table = shared.join("data").join(format!("{dataset}.csv"));
    for backend in ["clear", "bgv"] {
        let results = run(query, dataset, &table, backend);
        let found = aggregates(&results[0]);
        let wanted = oracle(&shared, file);
        assert!(!wanted.is_empty());
        for (group, name, value) in wanted {
            let key = rename(&group, &name);
            assert_eq!(found.get(&key), Some(&value), "{query} on {backend}: {key:?}");
        }
    }
}

fn same(group: &str, name: &str) -> (String, String) {
    (group.to_owned(), name.to_owned())
}

#[test]
fn p01_bp_control() {
    check("P01", "nhanes", "P01_bp_control.json", same);
}

#[test]
fn p03_readmission() {
    check("P03", "diabetes130", "P03_readmission.json", same);
}

#[test]
fn p04_two_by_two() {
    check("P04", "mammogram", "P04_two_by_two.json", |_, name| {
        let cell = name.split('_').next().unwrap_or_default();
        (String::new(), format!("cells.{cell}"))
    });
}

#[test]
fn p07_kaplan_meier() {
    check("P07", "actg175", "P07_kaplan_meier.json", |group, name| (group.to_owned(), format!("km.{name}")));
}

#[test]
fn p09_qsofa_like() {
    check("P09", "support2", "P09_qsofa_like.json", same);
}

#[test]
fn p12_incidence_rate() {
    check("P12", "nafld", "P12_incidence_rate.json", |group, name| {
        let (status, band) = group.split_once(',').unwrap_or_default();
        let band = match band {
            "18-49" => "18..49",
            "50-64" => "50..64",
            _ => "65..98",
        };
        let name = name.trim_start_matches("person_");
        (band.to_owned(), format!("{status}_{name}"))
    });
}

#[test]
fn p15_albi() {
    check("P15", "pbc", "P15_albi.json", same);
}

/// All integers in a part of the oracle.
fn integers(value: &Value, found: &mut Vec<i64>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| integers(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| integers(field, found)),
        Value::Number(number) => found.extend(number.as_i64()),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Queries whose aggregates have other names than the oracle's integers: all of those occur among them, and
/// both backends give the same. Which is which is checked in the language's own tests.
#[test]
fn the_other_queries_on_both_backends() {
    let Some(shared) = shared() else { return };
    for (query, dataset, file) in [
        ("P02", "nhanes", "P02_mean_sd"),
        ("P05", "nhanes", "P05_mantel_haenszel"),
        ("P06", "nhanes", "P06_age_standardised"),
        ("P08", "nhanes", "P08_linear_regression"),
        ("P10", "nhanes", "P10_quantiles"),
        ("P11", "nhanes", "P11_survey_weighted"),
        ("P13", "synthea_conditions", "P13_top_k"),
        ("P14", "nhanes", "P14_correlation"),
    ] {
        let table = shared.join("data").join(format!("{dataset}.csv"));
        let [clear, bgv] =
            ["clear", "bgv"].map(|backend| aggregates(&run(query, dataset, &table, backend)[0]));
        assert_eq!(bgv, clear, "{query}");
        let text = std::fs::read_to_string(shared.join(format!("oracle/{file}.json"))).unwrap();
        let mut oracle: Value = serde_json::from_str(&text).unwrap();
        // The number of groups is no aggregate.
        oracle["exact"].as_object_mut().unwrap().remove("n_codes");
        let mut wanted = Vec::new();
        integers(&oracle["exact"], &mut wanted);
        assert!(wanted.len() >= 6, "{query}");
        for value in wanted {
            assert!(bgv.values().any(|&found| found == value), "{query} has no {value}");
        }
    }
}

#[test]
fn q_cohort_at_three_sizes() {
    let Some(shared) = shared() else { return };
    let text = std::fs::read_to_string(shared.join("data/cohort_65536.csv")).unwrap();
    for (rows, patients, sbp_sum) in [(1_024, 12, 1_700), (16_384, 183, 24_537), (65_536, 751, 99_643)] {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("cohort.csv");
        let head: Vec<&str> = text.lines().take(rows + 1).collect();
        std::fs::write(&table, head.join("\n")).unwrap();
        for backend in ["clear", "bgv"] {
            let found = aggregates(&run("cohort", "cohort", &table, backend)[0]);
            let at = |name: &str| found.get(&(String::new(), name.to_owned())).copied();
            assert_eq!((at("patients"), at("sbp_sum")), (Some(patients), Some(sbp_sum)), "{rows} {backend}");
        }
    }
}
