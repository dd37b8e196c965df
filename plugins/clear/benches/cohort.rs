//! Rows per second of three circuits, `cargo bench -p hq-plugin-clear`: a cohort query with a masked sum
//! (columns in memory, checks and checksums of frames included), a survival curve of 82 sums, a median of
//! 160 sums.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::{Custody, Evaluator, Session};
use hq_plugin_sdk::frame::{Kind, open};
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;

const ROWS_PER_BLOCK: u32 = 1 << 16;
const HEAD: &str = "hq-plan 1\nrows 1000000000\n";

fn main() {
    measure("cohort", &cohort());
    measure("survival curve", &survival());
    measure("median", &median());
}

/// `where age in 65..80 and diabetes and known(sbp) and sbp >= 140`: count and sum(sbp), by sex.
fn cohort() -> String {
    format!(
        "{HEAD}input age 0..80\ninput diabetes 0..1\ninput sbp 0..260\ninput sbp.known 0..1\ninput sex 0..1\n\
         %0 = input age\n%1 = input diabetes\n%2 = input sbp\n%3 = input sbp.known\n%4 = input sex\n\
         %5 = member %0 {{65..80}}\n%6 = mul %1 %5\n%7 = member %2 {{140..260}}\n%8 = mul %3 %7\n\
         %9 = mul %6 %8\n%10 = mul %4 %9\n%11 = linear 0 1*%9 -1*%10\n%12 = mul %2 %10\n\
         %13 = mul %2 %11\nsum %10 0..1\nsum %11 -1..1\nsum %12 0..260\nsum %13 -260..260\n"
    )
}

/// At risk and events at 41 times.
fn survival() -> String {
    let mut plan = format!("{HEAD}input time 0..1000\ninput event 0..1\n%0 = input time\n%1 = input event\n");
    let mut sums = String::new();
    for step in 0..41 {
        let node = 2 + 3 * step;
        let (from, to) = (24 * step, 24 * step + 23);
        writeln!(plan, "%{node} = member %0 {{{from}..1000}}").unwrap();
        writeln!(plan, "%{} = member %0 {{{from}..{to}}}", node + 1).unwrap();
        writeln!(plan, "%{} = mul %1 %{}", node + 2, node + 1).unwrap();
        let at_risk = if step == 0 { "1..1" } else { "0..1" };
        writeln!(sums, "sum %{node} {at_risk}\nsum %{} 0..1", node + 2).unwrap();
    }
    plan + &sums
}

/// How many lie below each of 160 values.
fn median() -> String {
    let mut plan = format!("{HEAD}input sbp 40..260\ninput use 0..1\n%0 = input sbp\n%1 = input use\n");
    let mut sums = String::new();
    for step in 0..160 {
        let node = 2 + 2 * step;
        writeln!(plan, "%{node} = member %0 {{40..{}}}\n%{} = mul %1 %{node}", 60 + step, node + 1).unwrap();
        writeln!(sums, "sum %{} 0..1", node + 1).unwrap();
    }
    plan + &sums
}

fn measure(name: &str, text: &str) {
    let mut plan = Plan::parse(text).unwrap();
    plan.parameters = Some(Parameters::Clear { rows_per_block: ROWS_PER_BLOCK });
    let pair = Clear::keygen(plan.parameters.as_ref().unwrap(), None).unwrap();
    let key = Clear::load(&pair.secret).unwrap();
    let mut state = 1_u64;
    let frames: Vec<Vec<u8>> = plan
        .inputs
        .iter()
        .map(|input| {
            let values: Vec<i64> = (0..ROWS_PER_BLOCK)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    input.range.lo().wrapping_add_unsigned((state >> 33) % input.range.size())
                })
                .collect();
            Clear::encrypt(&key, &values).unwrap()
        })
        .collect();
    let block: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    let mut session = Clear::open(&plan, &pair.evaluation).unwrap();
    let compile = start.elapsed();
    session.block(&block).unwrap();
    let blocks = 200;
    let (start, mut checksums) = (Instant::now(), Duration::ZERO);
    for _ in 0..blocks {
        session.block(&block).unwrap();
    }
    let run = start.elapsed();
    let start = Instant::now();
    for frame in &block {
        open(frame, Kind::Ciphertext).unwrap();
    }
    checksums += start.elapsed();
    let rows = f64::from(blocks) * f64::from(ROWS_PER_BLOCK);
    println!(
        "{name}: {:.1} million rows/s ({} inputs, {} sums; compiled in {:.1} ms); {:.0} % of the time are checksums",
        rows / run.as_secs_f64() / 1e6,
        plan.inputs.len(),
        plan.sums.len(),
        compile.as_secs_f64() * 1e3,
        100.0 * f64::from(blocks) * checksums.as_secs_f64() / run.as_secs_f64(),
    );
}
