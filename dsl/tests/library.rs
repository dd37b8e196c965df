//! Every function of the standard library over ACTG 175, against figures of scipy, statsmodels and lifelines
//! (`figures/library.py`, with their versions), to 1e-9 relative.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a failing test may panic"
)]

mod support;

use hq_dsl::{
    Block, FunctionManual, Loader, MODULES, Query, Row, Value, compile, finish, manual, render, stdlib,
};
use serde_json::Value as Json;
use support::{group, repository, run};

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

fn figures(name: &str) -> Json {
    let path = repository(&format!("dsl/tests/figures/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn queries(name: &str) -> Vec<Query> {
    let text = std::fs::read_to_string(repository(&format!("dsl/tests/figures/{name}.hq"))).unwrap();
    let compiled = compile(name, &text, &[], &Bundled);
    for diagnostic in &compiled.diagnostics {
        eprintln!("{}", render(diagnostic, &compiled.sources, false));
    }
    assert!(!compiled.has_errors());
    compiled.queries
}

/// All results of a row against an object of figures; how many numbers were compared.
fn compare_row(place: &str, row: &Row, figures: &Json, wrong: &mut Vec<String>) -> usize {
    let figures = figures.as_object().unwrap();
    assert_eq!(row.report.len(), figures.len(), "{place}");
    let compared = row.report.iter().map(|(name, value)| match figures.get(name) {
        Some(figure) => compare(&format!("{place}{name}"), value, figure, wrong),
        None => {
            wrong.push(format!("{place}{name} has no figure"));
            0
        }
    });
    compared.sum()
}

#[test]
fn every_function_equals_an_independent_figure() {
    let query = queries("library").into_iter().next().unwrap();
    let rows = finish(&query, &run(&query, &repository("data/actg175.csv"), usize::MAX));
    let mut wrong = Vec::new();
    let compared = compare_row("", rows.first().unwrap(), &figures("library")["figures"], &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 200, "{compared} figures");
}

#[test]
fn every_score_equals_a_definition_of_its_own() {
    let queries = queries("scores");
    let [patients, measures] = queries.as_slice() else { panic!("two queries") };
    let table = repository("dsl/tests/figures/scores.csv");
    let figures = figures("scores");
    let mut wrong = Vec::new();
    let rows = finish(patients, &run(patients, &table, usize::MAX));
    let expected = figures["patients"].as_array().unwrap();
    assert_eq!(rows.len(), expected.len());
    for (row, figures) in rows.iter().zip(expected) {
        compare_row(&format!("patient {}: ", row.by[0].1), row, figures, &mut wrong);
    }
    let rows = finish(measures, &run(measures, &table, usize::MAX));
    compare_row("", rows.first().unwrap(), &figures["measures"], &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_is_described_and_has_an_example() {
    for module in MODULES {
        let (manual, diagnostics, _) = manual(module, stdlib(module).unwrap());
        assert!(diagnostics.is_empty(), "{module}: {diagnostics:?}");
        assert!(!manual.about.is_empty() && !manual.functions.is_empty(), "{module} is not described");
        for FunctionManual { name, about, examples, .. } in &manual.functions {
            assert!(name.starts_with(&format!("{module}.")), "{name} is not of {module}");
            assert!(matches!(about.first(), Some(Block::Text(_))), "{name} is not described");
            let source = about.iter().any(|block| matches!(block, Block::Source(text) if !text.is_empty()));
            // What counts, and what only calls another function, needs none.
            let plain = ["stats.n", "stats.min", "stats.max", "stats.histogram", "quality.measure"];
            assert!(source || plain.contains(&name.as_str()), "{name} has no source");
            assert!(!examples.is_empty(), "{name} has no example");
        }
        let compiled = compile(module, stdlib(module).unwrap(), &[], &Bundled);
        assert!(compiled.diagnostics.is_empty(), "{module}: {:?}", compiled.diagnostics);
        assert!(compiled.examples.len() >= manual.functions.len(), "{module}");
    }
}

#[test]
fn every_example_holds() {
    for module in MODULES {
        let compiled = compile(module, stdlib(module).unwrap(), &[], &Bundled);
        for example in &compiled.examples {
            let rows = finish(&example.query, &[group(&example.query, &example.rows)]);
            assert_eq!(
                example.mismatches(&rows),
                [],
                "{} in line {}",
                example.name,
                compiled.sources.line(example.span)
            );
        }
    }
}

#[test]
fn expectations_are_compared_as_the_reference_says() {
    let holds = |expectation: &str| {
        let text = format!("example e\n  data {{ x: 0..9 = [2, 4] }}\n  expect {expectation}\n");
        let compiled = compile("e.hq", &text, &[], &Bundled);
        assert!(!compiled.has_errors(), "{expectation}: {:?}", compiled.diagnostics);
        let example = compiled.examples.first().unwrap();
        example.mismatches(&finish(&example.query, &[group(&example.query, &example.rows)])).is_empty()
    };
    for right in [
        "sum(x) / 3 == 2",
        "sum(x) / 7 == 0.857142857142",
        "sqrt(sum(x)) ^ 2 - 6 == 0",
        "sum(x) == 6.0",
        "(count() == 2) == true",
        "(count() == 2) == 1",
        "sum(x) / (count() - 2) == undefined",
        "[sum(x), count() / 0] == [6, undefined]",
        "{ a: 1, b: [count()] } == { b: [2], a: 1 }",
        "case { count() > 1 -> \"many\" else -> \"few\" } == \"many\"",
        "sum(x) / count() == count() + 1",
    ] {
        assert!(holds(right), "{right}");
    }
    for wrong in [
        "sum(x) == 7",
        "1_000_000_000_000 + count() == 1_000_000_000_003",
        "sum(x) / 7 == 0.85714285",
        "exp(-25) == 0",
        "sum(x) == undefined",
        "sum(x) / 0 == 0",
        "[sum(x), 1] == [6, undefined]",
        "case { count() > 1 -> \"many\" else -> \"few\" } == \"few\"",
    ] {
        assert!(!holds(wrong), "{wrong}");
    }
}
