//! CPU time of keys, inputs, plan steps and release, on one thread:
//! `cargo run --release -p hq-plugin-bgv --example operations`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool, run by hand")]

use cpu_time::ProcessTime;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::{Custody, Evaluator};
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::plan::{Builder, Input, Level, Linear, NodeId, Op, Origin, Plan, Release, Sum};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::ranges;

/// Runs `work` several times and prints the least CPU time.
fn time<T>(what: &str, repeats: usize, mut work: impl FnMut() -> T) -> T {
    let mut best = f64::INFINITY;
    let mut result = None;
    for _ in 0..repeats {
        let start = ProcessTime::now();
        result = Some(work());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:<48} {:>10.3} ms", best * 1e3);
    result.unwrap()
}

fn request(log_degree: u32, t: u64, bits: &[u32], special: &[u32], digit_limbs: u32) -> RnsRequest {
    RnsRequest {
        ring_degree: 1 << log_degree,
        min_plaintext_modulus: t,
        modulus_bits: bits.to_vec(),
        special_bits: special.to_vec(),
        digit_limbs,
        relinearization_limbs: vec![u32::try_from(bits.len()).unwrap()],
        security_bits: 128,
    }
}

fn plan(
    parameters: &Parameters,
    inputs: usize,
    build: impl Fn(&mut Builder, &[Level], &dyn Fn(&mut Builder, usize, Level) -> NodeId) -> Vec<NodeId>,
) -> Plan {
    let Parameters::Rns(rns) = parameters else { return Plan::default() };
    // Blocks are run again and again.
    let mut builder = Builder::new(1 << 24);
    builder.plan_mut().parameters = Some(parameters.clone());
    builder.plan_mut().release = Some(Release { level: Level(1), relinearize: Level(1), flood_bits: 45 });
    let ids: Vec<_> = (0..inputs)
        .map(|i| {
            builder.declare(Input {
                name: format!("x{i}"),
                range: Range::BOOL,
                family: None,
                origin: Origin::Table,
            })
        })
        .collect();
    let levels: Vec<Level> = (0..rns.moduli.len()).map(|l| Level(u8::try_from(l).unwrap())).collect();
    let input = |builder: &mut Builder, i: usize, level: Level| {
        builder.push(Op::Input { input: ids[i], level: Some(level) })
    };
    let sums = build(&mut builder, &levels, &input);
    let ranges = ranges(builder.plan()).unwrap();
    for node in sums {
        builder.sum(Sum { node, range: ranges[node.index()] });
    }
    builder.finish()
}

fn run(
    what: &str,
    request: &RnsRequest,
    inputs: usize,
    blocks: usize,
    build: impl Fn(&mut Builder, &[Level], &dyn Fn(&mut Builder, usize, Level) -> NodeId) -> Vec<NodeId>,
) {
    let rns = Bgv::resolve(request).unwrap();
    println!(
        "{what}: N = {}, t = {}, log2 Q = {:.0}, log2 QP = {:.0}, {} + {} primes",
        rns.ring_degree,
        rns.plaintext_modulus,
        rns.log2_q(rns.moduli.len()),
        rns.log2_q(rns.moduli.len()) + rns.log2_p(),
        rns.moduli.len(),
        rns.special_moduli.len()
    );
    let parameters = Parameters::Rns(rns);
    let keys = time("  key generation", 2, || Bgv::keygen(&parameters, None).unwrap());
    println!("  evaluation keys {} bytes", keys.evaluation.len());
    let key = Bgv::load(&keys.secret).unwrap();
    let rows: Vec<i64> = (0..i64::from(parameters.rows_per_block())).map(|row| row & 1).collect();
    let frame = time("  encrypt one block", 5, || Bgv::encrypt(&key, &rows).unwrap());
    println!("  {} bytes per row and column", frame.len() as f64 / rows.len() as f64);
    let plan = plan(&parameters, inputs, build);
    let mut session = time("  open the session", 3, || Bgv::open(&plan, &keys.evaluation).unwrap());
    let block = vec![frame.as_slice(); inputs];
    session.block(&block).unwrap();
    time(&format!("  {blocks} blocks"), 5, || (0..blocks).for_each(|_| session.block(&block).unwrap()));
    let result = time("  finish", 5, || session.finish().unwrap());
    println!("  {} sums, {} bytes", plan.sums.len(), result.len());
    Bgv::decrypt(&key, &result).unwrap();
}

fn step_down(builder: &mut Builder, left: NodeId, right: NodeId) -> NodeId {
    let product = builder.push(Op::Mul { left, right });
    let arg = builder.push(Op::Relinearize { arg: product });
    builder.push(Op::ModSwitch { arg })
}

fn main() {
    // A conjunction of sixteen bit columns and eight bits of the value that is summed: as deep and as wide
    // as a cohort query from bit-sliced columns.
    let cohort = request(14, 65537, &[44, 36, 36, 36, 36, 36, 36], &[45, 45], 2);
    run("cohort, bits", &cohort, 24, 4, |builder, levels, input| {
        let mut layer: Vec<NodeId> = (0..16).map(|i| input(builder, i, levels[6])).collect();
        while layer.len() > 1 {
            layer = layer.chunks(2).map(|pair| step_down(builder, pair[0], pair[1])).collect();
        }
        let mask = layer[0];
        let terms: Vec<(i64, NodeId)> = (0..8)
            .map(|bit| {
                let value = input(builder, 16 + bit, levels[2]);
                (1 << bit, builder.push(Op::Mul { left: mask, right: value }))
            })
            .collect();
        vec![mask, builder.push(Op::Linear(Linear::new(0, terms).unwrap()))]
    });
    for (log_degree, bits, special, digit) in
        [(13, vec![44, 36, 36], vec![40], 1), (14, vec![44, 36, 36, 36, 36, 36, 36], vec![45, 45], 2)]
    {
        let request = request(log_degree, 65537, &bits, &special, digit);
        run("only inputs", &request, 16, 1, |builder, levels, input| {
            let top = levels[levels.len() - 1];
            (0..16).map(|i| input(builder, i, top)).collect()
        });
        run("64 products", &request, 16, 1, |builder, levels, input| {
            let top = levels[levels.len() - 1];
            let x: Vec<NodeId> = (0..16).map(|i| input(builder, i, top)).collect();
            let products: Vec<(i64, NodeId)> = (0..64)
                .map(|k| (1, builder.push(Op::Mul { left: x[k % 8], right: x[8 + (k / 8 + k) % 8] })))
                .collect();
            vec![builder.push(Op::Linear(Linear::new(0, products).unwrap()))]
        });
        run("16 products, relinearized and switched", &request, 16, 1, |builder, levels, input| {
            let top = levels[levels.len() - 1];
            let x: Vec<NodeId> = (0..16).map(|i| input(builder, i, top)).collect();
            let terms: Vec<(i64, NodeId)> =
                (0..16).map(|k| (1, step_down(builder, x[k], x[(k + 1) % 16]))).collect();
            vec![builder.push(Op::Linear(Linear::new(0, terms).unwrap()))]
        });
        run("16 modulus switches", &request, 16, 1, |builder, levels, input| {
            let top = levels[levels.len() - 1];
            let terms: Vec<(i64, NodeId)> = (0..16)
                .map(|k| {
                    let arg = input(builder, k, top);
                    (1, builder.push(Op::ModSwitch { arg }))
                })
                .collect();
            vec![builder.push(Op::Linear(Linear::new(0, terms).unwrap()))]
        });
    }
}
