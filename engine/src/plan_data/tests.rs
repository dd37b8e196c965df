#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use hq_dsl::NoModules;

use super::*;

const SCHEMA: &str = "dataset d { rows <= 1_000 release { min_cell 0 max_cells 100 }\n x: 0..99\n y: 0..99 ?\n \
                      flag: bool\n site: {a, b, c} }\n";

fn queries(text: &str) -> Vec<Query> {
    let compiled = hq_dsl::compile("q.hq", &format!("{SCHEMA}{text}"), &[], &NoModules);
    assert!(!compiled.diagnostics.iter().any(hq_dsl::Diagnostic::is_error), "{:?}", compiled.diagnostics);
    compiled.queries
}

#[test]
fn uses_are_cuts_values_and_squares() {
    let queries = queries(
        "query q from d where known(y) and y >= 30 and y < 50 report n = count(x == 7) s = sum(y * y)\n\
         query r from d where x >= 20 and flag report s = sum(x)\n",
    );
    let uses = uses(&queries);
    let of = |name: &str| uses.get(name).cloned().unwrap();
    assert_eq!(of("x"), Uses { cuts: [7, 8, 20].into(), value: true, ..Uses::default() });
    assert_eq!(of("y").cuts, [30, 50].into());
    assert!(of("y").value && of("y").square && uses.contains_key("flag") && !uses.contains_key("site"));
}

#[test]
fn a_comparison_is_free_on_flags_and_takes_a_product_on_two_digits() {
    let queries = queries("query q from d report n = count()\n");
    let column = queries[0].dataset.columns[0].clone();
    let of = |form: Form| comparison("x", &Encoding::new(&column, vec![form]));
    assert_eq!(of(Form::Levels), Some(Comparison { products: 0, depth: 0 }));
    assert_eq!(of(Form::Thermometer { bases: vec![16, 7] }), Some(Comparison { products: 1, depth: 1 }));
    assert!(of(Form::Bits).is_some_and(|bits| bits.products > 2 && bits.depth > 1));
    assert_eq!(of(Form::Word), None);
}

#[test]
fn changes_keep_a_form_for_any_question() {
    let queries = queries("query q from d where x >= 20 report s = sum(x)\n");
    let dataset = &queries[0].dataset;
    let uses = uses(&queries);
    let mut forms = Forms::bits(dataset);
    for _ in 0..3 {
        let moves = moves(dataset, &forms, &uses);
        assert!(moves.iter().all(|moved| moved.check(dataset).is_ok() && *moved != forms));
        let general = |forms: &Forms| forms.columns["x"].forms.iter().filter(|form| is_general(form)).count();
        assert!(moves.iter().all(|moved| general(moved) == 1));
        assert!(moves.iter().all(|moved| moved.columns["y"] == forms.columns["y"]));
        forms = moves.into_iter().max_by_key(Forms::parts).unwrap();
    }
}

#[test]
fn equal_digits_reach_all_values() {
    assert_eq!(equal_digits(186, 16), Some(vec![16, 12]));
    assert_eq!(equal_digits(128, 4), Some(vec![4, 4, 4, 2]));
    assert_eq!(equal_digits(4, 4), None);
}
