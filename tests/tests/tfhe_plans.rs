//! Queries on tfhe, from text to released numbers: the plans with their bootstraps as golden files in `tests/golden`, and
//! the numbers of synthetic tables, equal to the interpreter's. `HQ_BLESS=1` writes the files anew.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use hq_dsl::{Loader, compile};
use hq_engine::compile::{CompiledQueries, compile_query};
use hq_engine::explain::price::Prices;
use hq_engine::explain::{Asked, Detail, Request, explain};
use hq_engine::forms::Forms;
use hq_engine::open;
use hq_engine::planner::Target;
use hq_plugin_sdk::backend::{Custody, Evaluator, Session};
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::plan::{Input, InputId, Plan};
use hq_plugin_sdk::tfhe::TfheParameters;
use hq_plugin_tfhe::{Tfhe, test_parameters};
use hq_tests::Schemas;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Rows of the tables.
const ROWS: u64 = 256;

/// The schemas of the tests with fewer rows: what a sum costs depends on them.
struct Small(u64);

impl Loader for Small {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let (name, text) = Schemas.load(module)?;
        let lines = text.lines().map(|line| match line.trim_start().split_once("rows <= ") {
            Some((_, rest)) => {
                let unit = rest.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '_');
                format!("  rows <= {}{unit}", self.0)
            }
            None => line.to_owned(),
        });
        Some((name, lines.collect::<Vec<_>>().join("\n")))
    }
}

fn planned(query: &str, rows: u64, target: &Target) -> (CompiledQueries, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries").join(format!("{query}.hq"));
    let text = fs::read_to_string(path).unwrap();
    let program = compile(&format!("{query}.hq"), &text, &[], &Small(rows));
    let query = &program.queries[0];
    let backend = Tfhe::capabilities();
    let forms = Forms::for_backend(&query.dataset, &backend).encodings();
    let resolve = |request: &RnsRequest| Tfhe::resolve(request);
    let compiled = compile_query(query, &forms, &backend, &resolve, target).unwrap();
    let explained = explain(&Request {
        asked: &[Asked { query, sources: &program.sources }],
        compiled: &compiled,
        backend: &backend,
        prices: &Prices { costs: Vec::new(), source: String::new() },
        measured: None,
        detail: Detail::Plan,
    });
    (compiled, explained)
}

fn cheapest() -> Target {
    Target::Cheapest { security_bits: 128, max_log2_q: None }
}

fn bootstraps(compiled: &CompiledQueries) -> usize {
    let (digits, shares) = compiled.planned.bootstraps.as_ref().unwrap().bootstraps;
    digits + shares
}

fn check(golden: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(golden);
    if std::env::var_os("HQ_BLESS").is_some() {
        fs::write(&file, made).unwrap();
    } else {
        assert_eq!(made, fs::read_to_string(&file).unwrap_or_default(), "{golden}");
    }
}

#[test]
fn q_cohort_takes_five_bootstraps_a_row() {
    let (compiled, explained) = planned("cohort", ROWS, &cheapest());
    assert_eq!(bootstraps(&compiled), 5, "{explained}");
    check("tfhe_cohort.txt", &explained);
}

#[test]
fn a_score_and_a_grade_are_explained() {
    for query in ["P09", "P15"] {
        let (compiled, explained) = planned(query, ROWS, &cheapest());
        assert!(compiled.planned.bootstraps.as_ref().unwrap().failure_log2 <= -128.0);
        check(&format!("tfhe_{query}.txt"), &explained);
    }
}

#[test]
fn whole_schemas_are_certified() {
    for (query, rows) in [("cohort", 65_536), ("P09", 10_000), ("P15", 1_000)] {
        let (compiled, _) = planned(query, rows, &cheapest());
        assert!(compiled.planned.bootstraps.as_ref().unwrap().failure_log2 <= -128.0, "{query}");
    }
}

/// A table of two columns, of 256 and of 16 values, against the formula at each of its entries.
#[test]
fn a_table_of_two_columns_is_exact() {
    let (compiled, explained) = planned("egfr", 4096, &cheapest());
    assert!(compiled.planned.bootstraps.as_ref().unwrap().failure_log2 <= -128.0);
    check("tfhe_egfr.txt", &explained);
    let persons: Vec<(i64, i64)> =
        (20..=275).flat_map(|creatinine| (0..16).map(move |band| (creatinine, band))).collect();
    let digits = |input: &Input, &(creatinine, band): &(i64, i64)| match input.name.as_str() {
        "creatinine.limb0" => (creatinine - 20) % 16,
        "creatinine.limb1" => (creatinine - 20) / 16,
        "age_band.limb0" => band,
        "rows.present" => 1,
        other => unreachable!("{other}"),
    };
    let mut grades = [0_i128; 6];
    for &(creatinine, band) in &persons {
        let (creatinine, age) =
            (f64::from(i32::try_from(creatinine).unwrap()), f64::from(20 + 5 * i32::try_from(band).unwrap()));
        let egfr = 142.0 * (80.0 / creatinine).powf(1.2) * 0.9938_f64.powf(age);
        grades[[15.0, 30.0, 45.0, 60.0, 90.0].iter().filter(|&&cut| egfr >= cut).count()] += 1;
    }
    let plan = &compiled.planned.plan;
    let column = |input: &Input| persons.iter().map(|person| digits(input, person)).collect();
    let columns: Vec<Vec<i64>> = plan.inputs.iter().map(column).collect();
    let sums: Vec<i64> = interpret(plan, &columns).into_iter().map(|sum| sum.try_into().unwrap()).collect();
    assert_eq!(open::aggregates(plan, &sums).unwrap(), grades);
}

/// Sums of products of two columns, neither of which a table holds, against the products.
#[test]
fn products_of_wide_values_are_exact() {
    let (compiled, _) = planned("products", ROWS, &cheapest());
    assert!(compiled.planned.bootstraps.as_ref().unwrap().failure_log2 <= -128.0);
    let persons: Vec<(i64, i64, i64)> =
        (0..256).map(|at| (12 + at * 7 % 59, at * 511 % 1301, i64::from(at % 3 > 0))).collect();
    let digits = |input: &Input, &(age, days, male): &(i64, i64, i64)| match input.name.as_str() {
        "age.limb0" => (age - 12) % 16,
        "age.limb1" => (age - 12) / 16,
        "time_days.limb0" => days % 16,
        "time_days.limb1" => days / 16 % 16,
        "time_days.limb2" => days / 256,
        "male.limb0" => male,
        "rows.present" => 1,
        other => unreachable!("{other}"),
    };
    let plan = &compiled.planned.plan;
    let column = |input: &Input| persons.iter().map(|person| digits(input, person)).collect();
    let columns: Vec<Vec<i64>> = plan.inputs.iter().map(column).collect();
    let Some(Parameters::Tfhe(parameters)) = &plan.parameters else { unreachable!() };
    let modulus = i128::from(parameters.sum_modulus());
    // No sum wraps.
    let sums = interpret(plan, &columns).into_iter().map(|sum| sum.rem_euclid(modulus).try_into().unwrap());
    let sum = |value: fn(&(i64, i64, i64)) -> i64| {
        persons.iter().filter(|person| person.2 == 1).map(|person| i128::from(value(person))).sum::<i128>()
    };
    let expected = [sum(|_| 1), sum(|&(age, days, _)| age * days), sum(|&(age, _, _)| age * age)];
    assert_eq!(open::aggregates(plan, &sums.collect::<Vec<i64>>()).unwrap(), expected);
}

/// Values within the ranges of a plan's inputs, flags of presence set.
fn table(plan: &Plan, rows: u64) -> Vec<Vec<i64>> {
    let mut rng = StdRng::seed_from_u64(7);
    let rows = 0..usize::try_from(rows).unwrap();
    plan.inputs
        .iter()
        .map(|input| match input.name.as_str() {
            "rows.present" => rows.clone().map(|_| 1).collect(),
            _ => rows.clone().map(|_| rng.random_range(input.range.lo()..=input.range.hi())).collect(),
        })
        .collect()
}

/// A plan on encrypted rows against the interpreter.
fn runs(query: &str, rows: u64, parameters: &TfheParameters) {
    let (compiled, explained) = planned(query, rows, &Target::Bootstrapped(parameters.clone()));
    let plan = &compiled.planned.plan;
    let pair = Tfhe::keygen(&Parameters::Tfhe(parameters.clone()), None).unwrap();
    let key = Tfhe::load(&pair.secret).unwrap();
    let columns = table(plan, rows);
    let mut session = Tfhe::open(plan, &pair.evaluation).unwrap();
    let rows = usize::try_from(parameters.rows_per_block).unwrap();
    for start in (0..columns[0].len()).step_by(rows) {
        let frame = |(index, column): (usize, &Vec<i64>)| {
            let values = &column[start..(start + rows).min(column.len())];
            if plan.is_entry(InputId::from_index(index).unwrap()) {
                Tfhe::encrypt_entries(&key, values).unwrap()
            } else {
                Tfhe::encrypt(&key, values).unwrap()
            }
        };
        let frames: Vec<Vec<u8>> = columns.iter().enumerate().map(frame).collect();
        session.block(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    }
    let opened = Tfhe::decrypt(&key, &session.finish().unwrap()).unwrap();
    let modulus = i128::from(parameters.sum_modulus());
    let expected: Vec<i128> =
        interpret(plan, &columns).into_iter().map(|sum| sum.rem_euclid(modulus)).collect();
    assert!(expected.iter().any(|&sum| sum > 0), "{query}");
    assert_eq!(opened.iter().map(|&sum| i128::from(sum)).collect::<Vec<_>>(), expected, "{explained}");
}

#[test]
fn queries_give_their_numbers_at_test_parameters() {
    for (query, rows) in [("cohort", ROWS), ("P09", ROWS), ("P15", ROWS), ("egfr", 64), ("products", 16)] {
        runs(query, rows, &TfheParameters { sum_bits: 16, ..test_parameters() });
    }
}
