//! Every function of the standard library over ACTG 175, against figures of scipy, statsmodels and lifelines
//! (`figures/library.py`, with their versions), to 1e-9 relative.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a failing test may panic"
)]

mod support;

use hq_dsl::{Loader, Value, compile, finish, render};
use serde_json::Value as Json;
use support::{repository, run};

struct Bundled;

impl Loader for Bundled {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let text = std::fs::read_to_string(repository(&format!("data/{module}.hq"))).ok()?;
        Some((format!("{module}.hq"), text))
    }
}

/// Figures of `expected` by path; what the library gives besides is not compared.
fn compare(path: &str, value: &Value, expected: &Json, wrong: &mut Vec<String>) -> usize {
    match (value, expected) {
        (Value::Record(fields), Json::Object(figures)) => figures
            .iter()
            .map(|(name, figure)| match fields.iter().find(|(field, _)| field == name) {
                Some((_, field)) => compare(&format!("{path}.{name}"), field, figure, wrong),
                None => {
                    wrong.push(format!("{path} has no {name}"));
                    0
                }
            })
            .sum(),
        (Value::List(items), Json::Array(figures)) if items.len() == figures.len() => items
            .iter()
            .zip(figures)
            .enumerate()
            .map(|(index, (item, figure))| compare(&format!("{path}[{index}]"), item, figure, wrong))
            .sum(),
        (Value::Number(_) | Value::Integer(_), Json::Number(figure)) => {
            let number = match value {
                Value::Number(number) => *number,
                Value::Integer(number) => number.to_string().parse().unwrap(),
                _ => f64::NAN,
            };
            let figure = figure.as_f64().unwrap();
            if (number - figure).abs() > 1e-9 * figure.abs() {
                wrong.push(format!("{path} is {number}, not {figure}"));
            }
            1
        }
        _ => {
            wrong.push(format!("{path} is {value:?}, not {expected}"));
            0
        }
    }
}

#[test]
fn every_function_equals_an_independent_figure() {
    let text = std::fs::read_to_string(repository("dsl/tests/figures/library.hq")).unwrap();
    let compiled = compile("library.hq", &text, &[], &Bundled);
    for diagnostic in &compiled.diagnostics {
        eprintln!("{}", render(diagnostic, &compiled.sources, false));
    }
    let query = compiled.queries.into_iter().next().unwrap();
    let groups = run(&query, &repository("data/actg175.csv"), usize::MAX);
    let rows = finish(&query, &groups);
    let json: Json =
        serde_json::from_str(&std::fs::read_to_string(repository("dsl/tests/figures/library.json")).unwrap())
            .unwrap();
    let figures = json["figures"].as_object().unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, value) in &rows.first().unwrap().report {
        match figures.get(name) {
            Some(figure) => compared += compare(name, value, figure, &mut wrong),
            None => wrong.push(format!("{name} has no figure")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows.first().unwrap().report.len(), figures.len());
    assert!(compared > 100, "{compared} figures");
}
