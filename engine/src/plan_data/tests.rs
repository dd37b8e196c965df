#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use hq_dsl::NoModules;

use super::*;
use crate::lower::lower;
use crate::passes::{Values, encode};

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

#[test]
fn digits_share_the_bits_evenly() {
    assert_eq!(digit_bases(186, 2), Some(vec![16, 12]));
    assert_eq!(digit_bases(128, 3), Some(vec![4, 4, 8]));
    assert_eq!(digit_bases(186, 3), Some(vec![4, 8, 6]));
    assert_eq!(digit_bases(17, 3), Some(vec![2, 4, 3]));
    assert_eq!(digit_bases(300, 2), None);
}

#[test]
fn thresholds_alone_serve_a_column_that_is_only_compared() {
    let encoded = |text: &str| {
        let queries = queries(text);
        let mut forms = Forms::bits(&queries[0].dataset);
        forms.columns.get_mut("x").unwrap().forms = vec![Form::Cuts { at: vec![20] }];
        encode(&lower(&queries[0]).unwrap(), &forms.encodings(), Values::Whole).map(|plan| plan.inputs.len())
    };
    assert_eq!(encoded("query q from d where x >= 20 report n = count()\n"), Ok(1));
    let refused = encoded("query q from d where x >= 20 report s = sum(x)\n");
    assert!(refused.is_err_and(|invalid| invalid.reason.contains("serves for its value")));
}

#[test]
fn forms_of_the_schema_take_as_many_digits_as_fit() {
    let text = "dataset d { rows <= 1_000_000 release { min_cell 0 max_cells 100 }\n x: 0..127\n y: 35..255\n z: 70..255 }\n";
    let compiled =
        hq_dsl::compile("q.hq", &format!("{text}query q from d report n = count()\n"), &[], &NoModules);
    let dataset = &compiled.queries[0].dataset;
    let digits = |bytes: f64| -> Vec<Vec<Form>> {
        Forms::with_budget(dataset, bytes).columns.into_values().map(|encoding| encoding.forms).collect()
    };
    let thermometer = |bases: &[u32]| vec![Form::Thermometer { bases: bases.to_vec() }];
    let bits = || vec![Form::Bits];
    assert_eq!(digits(5000.0), [thermometer(&[8, 16]), thermometer(&[16, 14]), thermometer(&[16, 12])]);
    // Two digits for one number would not make ciphertexts shorter while another has three.
    assert_eq!(digits(1300.0), [thermometer(&[4, 4, 8]), thermometer(&[4, 8, 7]), bits()]);
    assert_eq!(digits(600.0), [bits(), bits(), bits()]);
}
