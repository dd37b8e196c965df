//! Forms by cost: what `hq plan-data` chooses for the cohort query.
#![expect(clippy::unwrap_used, reason = "a test")]

use hq_dsl::{NoModules, Query};
use hq_engine::compile::compile_query;
use hq_engine::encoding::Form;
use hq_engine::forms::Forms;
use hq_engine::plan_data::{Choice, Workload, choose};
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_sdk::plan::Op;

/// The cohort query over as many rows.
fn cohort(rows: &str) -> Query {
    let read =
        |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let schema = read("schemas/cohort.hq").replace("65_536", rows);
    let query = read("queries/cohort.hq").replace("use cohort", "");
    let compiled = hq_dsl::compile("cohort.hq", &(schema + &query), &[], &NoModules);
    compiled.queries.into_iter().next().unwrap()
}

fn chosen(query: &Query, bytes: u64) -> Choice {
    let capabilities = Bgv::capabilities();
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let workload = Workload {
        queries: &[query],
        capabilities: &capabilities,
        resolve: &resolve,
        security_bits: 128,
        max_plans: 1_000,
    };
    choose(&query.dataset, bytes, &workload, &mut |_, _| {})
}

fn assert_cuts(query: &Query, bytes: u64) {
    let choice = chosen(query, bytes);
    let has = |column: &str, form: &Form| choice.forms.columns[column].forms.contains(form);
    assert!(has("age", &Form::Cuts { at: vec![65] }), "{:?}", choice.forms);
    assert!(has("hba1c_x10", &Form::Cuts { at: vec![70] }), "{:?}", choice.forms);
    assert!(has("sbp", &Form::Word), "{:?}", choice.forms);
    choice.forms.check(&query.dataset).unwrap();
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let capabilities = Bgv::capabilities();
    let target = choice.forms.target(128);
    let compiled = compile_query(query, &choice.forms.encodings(), &capabilities, &resolve, &target).unwrap();
    let plan = compiled.planned.plan;
    assert!(!plan.iter().any(|(_, op)| matches!(op, Op::Relinearize { .. })), "{plan}");
    let total = choice.estimate.total().unwrap();
    assert!(choice.default.1.total().is_none_or(|default| 2.0 * total < default));
    assert!(choice.bits.1.total().is_none_or(|bits| 2.0 * total < bits));
    assert_eq!(chosen(query, bytes).forms, choice.forms);
}

#[test]
fn the_cohort_query_gets_thresholds_and_a_word() {
    let query = cohort("65_536");
    assert_cuts(&query, Forms::of(&query.dataset).max_bytes_per_row);
}

#[test]
fn little_room_is_kept_to() {
    let query = cohort("1_000_000");
    let choice = chosen(&query, 600);
    choice.forms.check(&query.dataset).unwrap();
    assert_eq!(choice.forms.max_bytes_per_row, 600);
    // Bits take the fewest parts; what is chosen has hardly more than they.
    assert!(choice.forms.parts() <= Forms::bits(&query.dataset).parts() + 4, "{:?}", choice.forms);
}
