//! What the boundary to plugins costs: Q-COHORT over 65,536 encrypted rows by the `bgv` plugin, and by the same backend linked
//! into this program, in turns, in CPU seconds of one thread:
//! `cargo build --release && cargo run --release -p hq-tests --example boundary [PAIRS]`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool, run by hand")]

use std::env;
use std::fs;
use std::path::Path;

use cpu_time::ProcessTime;
use hq_dsl::compile;
use hq_engine::compile::compile_query;
use hq_engine::forms::Forms;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Session};
use hq_plugin_sdk::host::{EvaluatorPlugin, default_dirs, find};
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_sdk::plan::{Input, Plan};
use hq_tests::Schemas;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const ROWS: usize = 65_536;
const PAIRS: usize = 40;

fn main() {
    let pairs = env::args().nth(1).map_or(PAIRS, |pairs| pairs.parse().unwrap());
    let exe = env::current_exe().unwrap();
    let mut dirs = default_dirs();
    // Examples lie in a folder beneath the plugins'.
    dirs.extend(exe.ancestors().skip(1).take(2).map(Path::to_owned));
    let Some(path) = find("bgv", &dirs) else {
        println!("the plugin `bgv` is not built: cargo build --release");
        return;
    };
    let plugin = EvaluatorPlugin::load(&path).unwrap();
    let plan = plan();
    let pair = Bgv::keygen(plan.parameters.as_ref().unwrap(), None).unwrap();
    let secret = Bgv::load(&pair.secret).unwrap();
    let rows = usize::try_from(plan.parameters.as_ref().unwrap().rows_per_block()).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let mut value = |input: &Input| rng.random_range(input.range.lo()..=input.range.hi());
    let blocks: Vec<Vec<Vec<u8>>> = (0..ROWS.div_ceil(rows))
        .map(|_| {
            let frame = |input: &Input| {
                let values: Vec<i64> = (0..rows).map(|_| value(input)).collect();
                Bgv::encrypt(&secret, &values).unwrap()
            };
            plan.inputs.iter().map(frame).collect()
        })
        .collect();
    let (mut linked, mut loaded) = (Vec::new(), Vec::new());
    // The first pair warms up.
    for turn in 0..=pairs {
        let a = seconds(|| run(Bgv::open(&plan, &pair.evaluation), &blocks));
        let b = seconds(|| run(plugin.open(&plan, &pair.evaluation), &blocks));
        if turn > 0 {
            linked.push(a);
            loaded.push(b);
        }
    }
    let (linked, loaded) = (median(&mut linked), median(&mut loaded));
    println!(
        "Q-COHORT, {ROWS} rows, {} ciphertexts, medians of {pairs} pairs",
        blocks.len() * plan.inputs.len()
    );
    println!(
        "linked {:.2} ms, as a plugin {:.2} ms: {:+.2} %",
        linked * 1e3,
        loaded * 1e3,
        (loaded / linked - 1.0) * 1e2
    );
}

fn plan() -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/cohort.hq");
    let program = compile("cohort.hq", &fs::read_to_string(path).unwrap(), &[], &Schemas);
    let query = &program.queries[0];
    let forms = Forms::of(&query.dataset);
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let target = forms.target(128);
    compile_query(query, &forms.encodings(), &Bgv::capabilities(), &resolve, &target).unwrap().planned.plan
}

fn run(session: Result<impl Session, BackendError>, blocks: &[Vec<Vec<u8>>]) {
    let mut session = session.unwrap();
    for block in blocks {
        session.block(&block.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    }
    assert!(!session.finish().unwrap().is_empty());
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = ProcessTime::now();
    work();
    begun.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
