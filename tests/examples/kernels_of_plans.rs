//! What the plans of the oracle's questions count in kernels, a line of JSON for each:
//! `cargo run --release -p hq-tests --example kernels_of_plans`. `bench/planner.py` multiplies it by the kernels' speed.
#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use hq_dsl::compile;
use hq_engine::certificate::blocks;
use hq_engine::chain::Chain;
use hq_engine::compile::compile_query;
use hq_engine::cost::{Census, Kernels, Ring};
use hq_engine::forms::Forms;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::verify;
use hq_tests::Schemas;
use hq_tests::oracle::CASES;

fn main() -> ExitCode {
    for id in CASES.iter().map(|case| case.id).chain(["cohort"]) {
        if let Err(reason) = show(id) {
            println!("{id}: {reason}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn show(id: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries").join(format!("{id}.hq"));
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let compiled = compile(id, &text, &[], &Schemas);
    let query = compiled.queries.first().ok_or("no query")?;
    let forms = Forms::of(&query.dataset);
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let planned =
        compile_query(query, &forms.encodings(), &Bgv::capabilities(), &resolve, &forms.target(128))
            .map_err(|diagnostic| diagnostic.to_string())?
            .planned;
    let plan = &planned.plan;
    let (Some(Parameters::Rns(rns)), Some(release)) = (&plan.parameters, plan.release) else {
        return Err("not placed".to_owned());
    };
    let shapes = verify::shapes(plan).map_err(|error| error.to_string())?;
    let (block, once) = Census::of(plan, &shapes).kernels(Ring::of(rns), &Chain::of(rns, release));
    let line = serde_json::json!({
        "id": id,
        "ring_degree": rns.ring_degree,
        "blocks": blocks(plan.rows, rns.ring_degree),
        "sums": plan.sums.len(),
        "block": kernels(block),
        "once": kernels(once),
    });
    println!("{line}");
    Ok(())
}

fn kernels(kernels: Kernels) -> serde_json::Value {
    let Kernels { loads, transforms, key_products, conversions, products, linear_terms, releases, setups } =
        kernels;
    serde_json::json!({
        "load": loads,
        "transform": transforms,
        "key product": key_products,
        "conversion": conversions,
        "product": products,
        "linear term": linear_terms,
        "release": releases,
        "setup": setups,
    })
}
