//! The binary, from the text of a query over a real table to released integers and final results: equal to the
//! oracle's on bgv and on clear. The tables lie beside the checkout; without them the tests say so and skip.
//! `cargo run -p hq-tests --example oracle` prints the comparison as a table.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use hq_tests::oracle::{CASES, MOST_LINES, answer, compare};

fn shared() -> Option<PathBuf> {
    let shared = hq_tests::shared();
    if shared.is_none() {
        eprintln!("skipped: the shared tables do not lie beside this checkout");
    }
    shared
}

/// Every integer of the oracle that the program asks for, and every final result to 1e-9.
fn check(id: &str) {
    let Some(shared) = shared() else { return };
    let case = CASES.iter().find(|case| case.id == id).unwrap();
    let table = shared.join("data").join(format!("{}.csv", case.dataset));
    let [clear, bgv] = ["clear", "bgv"].map(|backend| {
        let answer = answer(id, case.dataset, &table, backend).unwrap();
        let found = compare(case, &answer, &shared).unwrap();
        assert!(found.wrong.is_empty(), "{id} on {backend}: {:?}", found.wrong);
        assert!(found.absent.is_empty(), "{id} on {backend}: {:?}", found.absent);
        assert!(found.largest <= 1e-9, "{id} on {backend}: {}", found.largest);
        assert!(found.integers >= 3 && found.finals >= 1, "{id}: {found:?}");
        answer.integers(0)
    });
    assert_eq!(bgv, clear, "{id}");
}

macro_rules! questions {
    ($($test:ident = $id:literal,)*) => {
        $(#[test] fn $test() { check($id); })*

        #[test]
        fn every_question_is_checked() {
            let checked = [$($id),*];
            assert!(CASES.iter().map(|case| case.id).eq(checked));
        }
    };
}

questions! {
    p01_bp_control = "P01",
    p02_mean_sd = "P02",
    p03_readmission = "P03",
    p04_two_by_two = "P04",
    p05_mantel_haenszel = "P05",
    p06_age_standardised = "P06",
    p07_kaplan_meier = "P07",
    p08_linear_regression = "P08",
    p09_qsofa_like = "P09",
    p10_quantiles = "P10",
    p11_survey_weighted = "P11",
    p12_incidence_rate = "P12",
    p13_top_k = "P13",
    p14_correlation = "P14",
    p15_albi = "P15",
}

#[test]
fn programs_are_short() {
    for case in CASES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries").join(format!("{}.hq", case.id));
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", case.id);
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
            let found = answer("cohort", "cohort", &table, backend).unwrap().integers(0);
            let at = |name: &str| found.get(&(String::new(), name.to_owned())).copied();
            assert_eq!((at("patients"), at("sbp_sum")), (Some(patients), Some(sbp_sum)), "{rows} {backend}");
        }
    }
}
