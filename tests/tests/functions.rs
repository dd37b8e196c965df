//! A published equation as a function of a plugin: grades of encrypted rows are those of the formula, here written
//! again, on every backend.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::HashMap;
use std::path::Path;

use hq_dsl::{Query, compile};
use hq_engine::compile::compile_queries;
use hq_engine::forms::Forms;
use hq_engine::open;
use hq_engine::planner::Target;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_sdk::plan::Input;
use hq_plugin_tfhe::Tfhe;
use hq_tests::Schemas;
use hq_tests::oracle::{answer, synthetic};

const GRADES: [&str; 6] = ["G5", "G4", "G3b", "G3a", "G2", "G1"];

/// A woman or a man, years, tenths of mg/dL.
type Person = (bool, i32, i32);

fn query() -> Query {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/kidney.hq");
    let mut compiled = compile("kidney", &std::fs::read_to_string(path).unwrap(), &[], &Schemas);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    compiled.queries.remove(0)
}

/// CKD-EPI 2021 as the paper has it: one line for each sex and side of kappa.
fn rate((male, age, creatinine): Person) -> f64 {
    let creatinine = f64::from(creatinine) / 10.0;
    let by_creatinine = match (male, creatinine <= if male { 0.9 } else { 0.7 }) {
        (false, true) => 143.704 * (creatinine / 0.7).powf(-0.241),
        (false, false) => 143.704 * (creatinine / 0.7).powf(-1.2),
        (true, true) => 142.0 * (creatinine / 0.9).powf(-0.302),
        (true, false) => 142.0 * (creatinine / 0.9).powf(-1.2),
    };
    by_creatinine * 0.9938_f64.powi(age)
}

fn grade(person: Person) -> usize {
    [15.0, 30.0, 45.0, 60.0, 90.0].iter().filter(|&&limit| rate(person) >= limit).count()
}

/// The three numbers of each grade.
fn counted(persons: impl Iterator<Item = Person>) -> [[i64; 3]; 6] {
    let mut counts = [[0; 3]; 6];
    for person in persons {
        let count = &mut counts[grade(person)];
        count[0] += 1;
        count[1] += i64::from(person.0);
        count[2] += i64::from((rate(person) * 100.0).round() < 6000.0);
    }
    counts
}

fn read(table: &Path) -> Vec<Person> {
    let text = std::fs::read_to_string(table).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("sex,age,creatinine"));
    let person = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let tenths = (cells[2].parse::<f64>().unwrap() * 10.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "tenths of a small number")]
        (cells[0] == "male", cells[1].parse().unwrap(), tenths as i32)
    };
    lines.map(person).collect()
}

#[test]
fn grades_are_those_of_the_formula_on_clear_and_bgv() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("kidney.csv");
    synthetic("kidney", 1500, &table).unwrap();
    let wanted = counted(read(&table).into_iter());
    assert!(wanted.iter().all(|count| count[0] > 0), "{wanted:?}");
    for backend in ["clear", "bgv"] {
        let results: HashMap<(String, String), f64> =
            answer("kidney", "kidney", &table, backend).unwrap().results(0);
        for (grade, counts) in GRADES.iter().zip(&wanted) {
            for (name, &count) in ["n", "men", "reduced"].iter().zip(counts) {
                let found = results[&((*grade).to_owned(), (*name).to_owned())];
                let count = f64::from(i32::try_from(count).unwrap());
                assert!((found - count).abs() < 0.5, "{grade} {name} on {backend}: {found}, not {count}");
            }
        }
    }
}

#[test]
fn every_value_of_the_table_is_that_of_the_formula_in_a_plan_of_tfhe() {
    let query = query();
    let resolve = |request: &RnsRequest| Tfhe::resolve(request);
    let target = Target::Cheapest { security_bits: 128, max_log2_q: None };
    let encodings = Forms::for_backend(&query.dataset, &Tfhe::capabilities()).encodings();
    let compiled = compile_queries(&[&query], &encodings, &Tfhe::capabilities(), &resolve, &target).unwrap();
    let plan = &compiled.planned.plan;
    assert!(compiled.planned.bootstraps.as_ref().unwrap().failure_log2 <= -128.0);
    let persons: Vec<Person> = [false, true]
        .into_iter()
        .flat_map(|male| (40..80).flat_map(move |age| (4..=43).map(move |tenths| (male, age, tenths))))
        .collect();
    let digit = |input: &Input, &(male, age, tenths): &Person| {
        let (column, limb) = input.name.split_once('.').unwrap_or((&input.name, ""));
        let offset = match column {
            "sex" => i64::from(male),
            "age" => i64::from(age - 40),
            "creatinine" => i64::from(tenths - 4),
            "rows" => return 1,
            other => unreachable!("{other}"),
        };
        match limb {
            "limb0" if input.range.hi() == 15 => offset % 16,
            "limb1" => offset / 16,
            _ => offset,
        }
    };
    let columns: Vec<Vec<i64>> =
        plan.inputs.iter().map(|input| persons.iter().map(|person| digit(input, person)).collect()).collect();
    let sums: Vec<i64> = interpret(plan, &columns).into_iter().map(|sum| sum.try_into().unwrap()).collect();
    let found = open::aggregates(plan, &sums).unwrap();
    let wanted = counted(persons.into_iter());
    let wanted: Vec<i128> = wanted.into_iter().flatten().map(i128::from).collect();
    assert_eq!(found.get(..wanted.len()), Some(&wanted[..]), "{:?}", plan.inputs);
}

/// The blocks of one language on the page about functions.
fn shown(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/functions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(word)) => open = Some((word == language, String::new())),
            (Some((wanted, text)), Some(_)) => {
                if *wanted {
                    blocks.push(std::mem::take(text));
                }
                open = None;
            }
            (Some((_, text)), None) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn what_the_tutorial_shows_is_the_example() {
    let example = include_str!("../../plugins/examples/risk/src/lib.rs");
    let (rust, programs) = (shown("rust"), shown("hq"));
    assert!(rust.len() >= 5 && programs.len() >= 2);
    for block in rust {
        assert!(example.contains(&block), "the example has not:\n{block}");
    }
    for block in programs {
        let compiled = compile("page.hq", &block, &[], &Schemas);
        assert!(compiled.diagnostics.is_empty(), "{block}{:?}", compiled.diagnostics);
    }
}
