//! Readmissions of real encounters where small counts stay encrypted: the binary on bgv and tfhe, from the text of the query to
//! what may be opened. The table lies beside the checkout; without it, or without the plugin, the test says so and skips.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

use hq_tests::oracle::{CASES, answer, answer_under, compare};

fn has_tfhe() -> bool {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let file = format!("{prefix}hq_plugin_tfhe{suffix}");
    let program = std::env::current_exe().unwrap();
    let found = program.ancestors().any(|folder| folder.join(&file).is_file());
    if !found {
        eprintln!("skipped: plugin tfhe is not built");
    }
    found
}

/// The oracle's integers, but for the counts of 1 to 10: these and nothing else stay closed.
#[test]
fn bands_with_few_readmissions_stay_closed() {
    let Some(shared) = hq_tests::shared() else {
        eprintln!("skipped: the shared tables do not lie beside this checkout");
        return;
    };
    if !has_tfhe() {
        return;
    }
    let table = shared.join("data/diabetes130.csv");
    let schemas = tempfile::tempdir().unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/diabetes130.hq");
    let schema = std::fs::read_to_string(schema).unwrap().replace("min_cell 11", "min_cell 11 encrypted");
    std::fs::write(schemas.path().join("diabetes130.hq"), schema).unwrap();

    let case = CASES.iter().find(|case| case.id == "P03").unwrap();
    let clear = answer("P03", "diabetes130", &table, "clear").unwrap();
    assert!(compare(case, &clear, &shared).unwrap().wrong.is_empty());
    let of_table = ("diabetes130", table.as_path());
    let gated = answer_under(schemas.path(), &["P03"], of_table, "bgv").unwrap();
    let (clear, gated) = (clear.integers(0), gated.integers(0));
    let mut closed = BTreeSet::new();
    for (place, value) in &clear {
        match gated.get(place) {
            Some(found) => assert_eq!(found, value, "{place:?}"),
            None => assert!(closed.insert(place.clone())),
        }
    }
    let small = |place: &(String, String), value: i64| place.1 != "days" && (1..11).contains(&value);
    let wanted: BTreeSet<_> =
        clear.iter().filter(|(place, value)| small(place, **value)).map(|(place, _)| place.clone()).collect();
    assert_eq!(closed, wanted);
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert_eq!(gated.len() + 1, clear.len());
}
