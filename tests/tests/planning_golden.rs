//! What the planner tells a researcher: HQ050, HQ051 and the explanation of Q-COHORT, as golden files in
//! `tests/golden`. `HQ_BLESS=1` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use hq_dsl::{compile, render};
use hq_engine::compile::{compile_queries, compile_query};
use hq_engine::explain::price::Prices;
use hq_engine::explain::{Asked, Detail, Request, explain};
use hq_engine::forms::Forms;
use hq_engine::planner::Target;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_tfhe::Tfhe;
use hq_tests::Schemas;

/// Readmissions where small counts stay encrypted: both schemes in one plan.
#[test]
fn small_counts_are_decided_on_in_another_scheme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = fs::read_to_string(folder.join("schemas/diabetes130.hq")).unwrap();
    let query = fs::read_to_string(folder.join("queries/P03.hq")).unwrap();
    let text =
        schema.replace("min_cell 11", "min_cell 11 encrypted") + &query.replace("use diabetes130\n", "");
    let gated = Capabilities { gates: Tfhe::capabilities().bootstrapped, ..Bgv::capabilities() };
    check("explain_P03_encrypted.txt", &planned_for(&gated, "P03.hq", &text, &cheapest(), true));
    for (backend, remedy) in
        [(Bgv::capabilities(), "plugin of backend `tfhe`"), (Tfhe::capabilities(), "backend `bgv`")]
    {
        let refused = planned_for(&backend, "P03.hq", &text, &cheapest(), false);
        assert!(refused.contains("HQ090") && refused.contains(remedy), "{refused}");
    }
    // In the clear nothing is to be decided on.
    let clear = Clear::capabilities();
    assert_eq!(planned_for(&clear, "P03.hq", &text, &cheapest(), false), "");
}

/// Drawn notes and errors of the planner, then the explanation if there is a plan.
fn planned(name: &str, text: &str, target: &Target, explained: bool) -> String {
    planned_for(&Bgv::capabilities(), name, text, target, explained)
}

fn planned_for(backend: &Capabilities, name: &str, text: &str, target: &Target, explained: bool) -> String {
    let compiled = compile(name, text, &[], &Schemas);
    let query = &compiled.queries[0];
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let encodings = Forms::for_backend(&query.dataset, backend).encodings();
    match compile_query(query, &encodings, backend, &resolve, target) {
        Ok(plan) => {
            let mut out: String =
                plan.notes.iter().map(|(_, note)| render(note, &compiled.sources, false)).collect();
            if explained {
                let costs = backend.leveled.as_ref().unwrap().costs.clone();
                out.push_str(&explain(&Request {
                    asked: &[Asked { query, sources: &compiled.sources }],
                    compiled: &plan,
                    backend,
                    prices: &Prices { costs, source: "of the backend".to_owned() },
                    measured: None,
                    detail: Detail::Plan,
                }));
            }
            out
        }
        Err(diagnostic) => render(&diagnostic, &compiled.sources, false),
    }
}

fn check(golden: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(golden);
    if std::env::var_os("HQ_BLESS").is_some() {
        fs::write(&file, made).unwrap();
    } else {
        assert_eq!(made, fs::read_to_string(&file).unwrap_or_default(), "{golden}");
    }
}

fn cheapest() -> Target {
    Target::Cheapest { security_bits: 128, max_log2_q: None }
}

#[test]
fn q_cohort_is_explained() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/cohort.hq")).unwrap();
    let made = planned("cohort.hq", &text, &cheapest(), true);
    assert!(made.lines().count() < 220, "two screens, and the plan");
    check("explain_cohort.txt", &made);
}

/// What is told of two queries with one plan, as far as it does not depend on the parameters.
#[test]
fn queries_with_one_plan_are_explained_with_what_they_share() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/cohort.hq")).unwrap();
    let other = "use cohort\nquery by_sex \"of those with diabetes\"\n  from cohort\n  where age >= 65 and dx_diabetes\n  \
                 by sex\n  report\n    n = count()\n";
    let compiled = [("cohort.hq", text.as_str()), ("by_sex.hq", other)]
        .map(|(name, text)| compile(name, text, &[], &Schemas));
    let asked = [0, 1]
        .map(|index: usize| Asked { query: &compiled[index].queries[0], sources: &compiled[index].sources });
    let backend = Bgv::capabilities();
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let encodings = Forms::of(&asked[0].query.dataset).encodings();
    let queries = asked.map(|asked| asked.query);
    let together = compile_queries(&queries, &encodings, &backend, &resolve, &cheapest()).unwrap();
    let made = explain(&Request {
        asked: &asked,
        compiled: &together,
        backend: &backend,
        prices: &Prices { costs: Vec::new(), source: String::new() },
        measured: None,
        detail: Detail::Plan,
    });
    check("explain_together.txt", &made[..made.find("\nCircuit\n").unwrap()]);
}

#[test]
fn hq050_names_the_deepest_number() {
    let shallow = Bgv::resolve(&RnsRequest {
        ring_degree: 16_384,
        min_plaintext_modulus: 65_537,
        modulus_bits: vec![46, 46, 40],
        special_bits: vec![49],
        digit_limbs: 1,
        relinearization_limbs: vec![3],
        security_bits: 128,
    })
    .unwrap();
    let text = "use cohort\nquery deep\n  from cohort\n  where age >= 65 and hba1c_x10 >= 70\n  report n = count()\n";
    let made = planned("deep.hq", text, &Target::Fixed(shallow), false);
    assert!(made.contains("HQ050"), "{made}");
    check("HQ050.txt", &made);
}

#[test]
fn hq051_says_how_many_limbs() {
    let narrow = Bgv::resolve(&RnsRequest {
        ring_degree: 16_384,
        min_plaintext_modulus: 65_537,
        modulus_bits: vec![46, 46, 40, 40],
        special_bits: vec![49],
        digit_limbs: 1,
        relinearization_limbs: vec![4],
        security_bits: 128,
    })
    .unwrap();
    let text = "use cohort\nquery wide\n  from cohort\n  where dx_diabetes\n  report s = sum(sbp)\n";
    let made = planned("wide.hq", text, &Target::Fixed(narrow), false);
    assert!(made.contains("HQ051"), "{made}");
    check("HQ051.txt", &made);
}
