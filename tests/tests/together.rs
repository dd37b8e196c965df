//! Several queries in one plan: their answers are those of runs of their own, and what they share is computed once.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use hq_dsl::{Query, compile};
use hq_engine::compile::{CompiledQueries, compile_queries};
use hq_engine::forms::Forms;
use hq_engine::joint::{Needs, Sharing, may_join, shares};
use hq_engine::planner::Target;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::parameters::RnsRequest;
use hq_tests::Schemas;
use hq_tests::oracle::{answer, answer_together, synthetic};

/// Programs over one dataset, and whether they have products in common and one plan costs less than two.
const TOGETHER: &[(&str, &[&str], bool)] = &[
    ("nhanes", &["P08", "P10"], false),
    ("nhanes", &["P08", "P14"], true),
    ("nhanes", &["P06", "P05"], true),
    ("nhanes", &["P02", "P14"], true),
];

/// Rows of a table.
const ROWS: u32 = 700;

fn query(id: &str) -> Query {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("queries/{id}.hq"));
    compile(id, &std::fs::read_to_string(path).unwrap(), &[], &Schemas).queries.remove(0)
}

fn planned(queries: &[&Query]) -> CompiledQueries {
    let encodings = Forms::of(&queries[0].dataset).encodings();
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let target = Target::Cheapest { security_bits: 128, max_log2_q: None };
    compile_queries(queries, &encodings, &Bgv::capabilities(), &resolve, &target).unwrap()
}

fn sharing(queries: &[&Query]) -> Sharing {
    let compiled = planned(queries);
    let certificate = compiled.planned.certificate.as_ref().unwrap();
    assert!(certificate.failure_log2 <= -128.0, "{}", certificate.failure_log2);
    assert_eq!(certificate.sums.len(), compiled.planned.plan.sums.len());
    assert_eq!(shares(queries).last().unwrap().end, compiled.planned.plan.aggregates.len());
    Sharing::of(&compiled.planned.plan, &shares(queries))
}

#[test]
fn what_queries_share_is_computed_once() {
    for (_, ids, share) in TOGETHER {
        let queries: Vec<Query> = ids.iter().map(|id| query(id)).collect();
        let queries: Vec<&Query> = queries.iter().collect();
        assert!(queries.iter().all(|query| may_join(queries[0], query)));
        let together = sharing(&queries);
        let alone: Vec<Needs> = queries.iter().map(|query| sharing(&[query]).all).collect();
        let products = |needs: &[Needs]| needs.iter().map(|needs| needs.products).sum::<usize>();
        assert_eq!(together.shared.products > 0, *share, "{ids:?}: {together:?}");
        assert!(!share || together.all.products < products(&alone), "{ids:?}: {together:?}, alone {alone:?}");
        assert_eq!(products(&together.each), together.all.products + together.shared.products);
    }
}

#[test]
fn queries_over_other_datasets_stay_apart() {
    assert!(!may_join(&query("P08"), &query("P07")));
}

#[test]
fn answers_are_those_of_runs_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    for (dataset, ids, share) in TOGETHER {
        let table = folder.path().join(format!("{dataset}.csv"));
        synthetic(dataset, ROWS, &table).unwrap();
        let alone: Vec<_> = ids.iter().map(|id| answer(id, dataset, &table, "clear").unwrap()).collect();
        for backend in ["clear", "bgv"] {
            let together = answer_together(ids, dataset, &table, backend).unwrap();
            let one = *share || backend == "clear";
            assert_eq!(together.plans(), if one { 1 } else { ids.len() }, "{ids:?}");
            for (index, alone) in alone.iter().enumerate() {
                assert!(!alone.integers(0).is_empty());
                assert_eq!(
                    together.integers(index),
                    alone.integers(0),
                    "{} of {ids:?} on {backend}",
                    ids[index]
                );
                assert_eq!(
                    together.results(index),
                    alone.results(0),
                    "{} of {ids:?} on {backend}",
                    ids[index]
                );
            }
        }
    }
}
