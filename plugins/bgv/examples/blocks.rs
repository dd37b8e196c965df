//! CPU time of a block, by shape of the plan, on one thread, in milliseconds:
//! `cargo run --release -p hq-plugin-bgv --example blocks`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool, run by hand")]

use cpu_time::ProcessTime;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::{Custody, Evaluator};
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::plan::{Builder, Input, Level, Linear, NodeId, Op, Origin, Plan, Release, Sum};
use hq_plugin_sdk::range::Range;

/// One case.
struct Case {
    name: &'static str,
    log_degree: usize,
    bits: Vec<u32>,
    special: Vec<u32>,
    digit_limbs: u32,
    degree: usize,
    inputs: usize,
    build: fn(&mut Builder, &[NodeId]) -> Vec<NodeId>,
}

fn product(builder: &mut Builder, left: NodeId, right: NodeId) -> NodeId {
    builder.push(Op::Mul { left, right })
}

fn linear(builder: &mut Builder, constant: i64, terms: &[(i64, NodeId)]) -> NodeId {
    builder.push(Op::Linear(Linear::new(constant, terms.iter().copied()).unwrap()))
}

/// Products of pairs until one is left.
fn tree(builder: &mut Builder, leaves: &[NodeId]) -> NodeId {
    let mut layer = leaves.to_vec();
    while layer.len() > 1 {
        layer = layer
            .chunks(2)
            .map(|pair| match *pair {
                [left, right] => product(builder, left, right),
                _ => pair[0],
            })
            .collect();
    }
    layer[0]
}

/// Every input is summed, at the release level.
fn sums(_: &mut Builder, x: &[NodeId]) -> Vec<NodeId> {
    x.to_vec()
}

/// Sums of inputs and of products of two.
fn shallow(builder: &mut Builder, x: &[NodeId]) -> Vec<NodeId> {
    let flag = x[0];
    let mut sums: Vec<NodeId> = x[1..]
        .chunks(8)
        .map(|bits| {
            let terms: Vec<(i64, NodeId)> =
                bits.iter().enumerate().map(|(k, &bit)| (1 << k, product(builder, flag, bit))).collect();
            linear(builder, 0, &terms)
        })
        .collect();
    sums.extend([flag]);
    sums
}

/// A disjunction of pairs, times the bits of a value: four parts without any key switching.
fn lazy(builder: &mut Builder, x: &[NodeId]) -> Vec<NodeId> {
    let pairs: Vec<(i64, NodeId)> =
        x[..16].chunks(2).map(|pair| (1, product(builder, pair[0], pair[1]))).collect();
    let mask = linear(builder, 1, &pairs);
    let terms: Vec<(i64, NodeId)> =
        x[16..].iter().enumerate().map(|(k, &bit)| (1 << k, product(builder, mask, bit))).collect();
    vec![linear(builder, 0, &terms), mask]
}

/// Seven factors: eight parts.
fn deep(builder: &mut Builder, x: &[NodeId]) -> Vec<NodeId> {
    let masks: Vec<(i64, NodeId)> = x.chunks(7).map(|leaves| (1, tree(builder, leaves))).collect();
    vec![linear(builder, 0, &masks)]
}

/// Relinearized and switched down twice between two layers of lazy products.
fn switched(builder: &mut Builder, x: &[NodeId]) -> Vec<NodeId> {
    let mut down = |leaves: &[NodeId]| {
        let mask = tree(builder, leaves);
        let arg = builder.push(Op::Relinearize { arg: mask });
        let arg = builder.push(Op::ModSwitch { arg });
        builder.push(Op::ModSwitch { arg })
    };
    let masks: Vec<NodeId> = x[..16].chunks(4).map(&mut down).collect();
    let mask = tree(builder, &masks);
    let low: Vec<NodeId> = x[16..].iter().map(|&arg| builder.push(Op::Drop { arg, to: Level(2) })).collect();
    let terms: Vec<(i64, NodeId)> =
        low.iter().enumerate().map(|(k, &bit)| (1 << k, product(builder, mask, bit))).collect();
    vec![linear(builder, 0, &terms)]
}

/// One hundred sums: ten masks of two factors times ten values.
fn table(builder: &mut Builder, x: &[NodeId]) -> Vec<NodeId> {
    let masks: Vec<NodeId> = (0..10).map(|k| product(builder, x[k], x[10 + k])).collect();
    masks
        .iter()
        .flat_map(|&mask| x[20..30].iter().map(move |&value| (mask, value)))
        .map(|(mask, value)| product(builder, mask, value))
        .collect()
}

fn plan(case: &Case, parameters: &Parameters) -> Plan {
    let mut builder = Builder::new(1 << 40);
    builder.plan_mut().parameters = Some(parameters.clone());
    let top = Level(u8::try_from(case.bits.len() - 1).unwrap());
    builder.plan_mut().release = Some(Release { level: Level(1), relinearize: top, flood_bits: 45 });
    let inputs: Vec<NodeId> = (0..case.inputs)
        .map(|i| {
            let name = format!("x{i}");
            let input =
                builder.declare(Input { name, range: Range::BOOL, family: None, origin: Origin::Table });
            builder.push(Op::Input { input, level: Some(top) })
        })
        .collect();
    for node in (case.build)(&mut builder, &inputs) {
        let ranges = hq_plugin_sdk::verify::ranges(builder.plan()).unwrap();
        builder.sum(Sum { node, range: ranges[node.index()] });
    }
    builder.finish()
}

fn least<T>(repeats: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let mut best = f64::INFINITY;
    let mut result = None;
    for _ in 0..repeats {
        let start = ProcessTime::now();
        result = Some(work());
        best = best.min(start.elapsed().as_secs_f64());
    }
    (best * 1e3, result.unwrap())
}

fn main() {
    let only = std::env::args().nth(1);
    let case = |name, log_degree, bits: &[u32], special: &[u32], degree, inputs, build| Case {
        name,
        log_degree,
        bits: bits.to_vec(),
        special: special.to_vec(),
        digit_limbs: u32::try_from(special.len()).unwrap(),
        degree,
        inputs,
        build,
    };
    let cases = [
        case("sums", 14, &[44, 40], &[45], 2, 100, sums),
        case("shallow", 13, &[44, 40, 36], &[45], 2, 33, shallow),
        case("shallow", 14, &[44, 40, 36, 36], &[45], 2, 33, shallow),
        case("lazy", 14, &[44, 36, 36, 36, 36, 36], &[45, 45], 3, 24, lazy),
        case("deep", 14, &[44, 36, 36, 36, 36, 36, 36, 36], &[45, 45], 7, 28, deep),
        case("switched", 14, &[44, 36, 36, 36, 36], &[45, 45], 5, 24, switched),
        case("table", 14, &[44, 36, 36, 36], &[45], 3, 30, table),
    ];
    println!("{:<10} {:>6} {:>10} {:>10} {:>10} {:>10}", "plan", "N", "open", "block", "finish", "decrypt");
    for case in cases.iter().filter(|case| only.as_deref().is_none_or(|only| case.name == only)) {
        let rns = Bgv::resolve(&RnsRequest {
            ring_degree: 1 << case.log_degree,
            min_plaintext_modulus: 65537,
            modulus_bits: case.bits.clone(),
            special_bits: case.special.clone(),
            digit_limbs: case.digit_limbs,
            relinearization_limbs: vec![u32::try_from(case.bits.len()).unwrap(); case.degree - 1],
            security_bits: 128,
        })
        .unwrap();
        let parameters = Parameters::Rns(rns);
        let keys = Bgv::keygen(&parameters, None).unwrap();
        let key = Bgv::load(&keys.secret).unwrap();
        let column: Vec<i64> =
            (0..i64::from(parameters.rows_per_block())).map(|row| i64::from(row * row % 7 < 3)).collect();
        let frame = Bgv::encrypt(&key, &column).unwrap();
        let plan = plan(case, &parameters);
        let (open, mut session) = least(3, || Bgv::open(&plan, &keys.evaluation).unwrap());
        let block = vec![frame.as_slice(); case.inputs];
        let (run, ()) = least(9, || session.block(&block).unwrap());
        let (finish, result) = least(3, || session.finish().unwrap());
        let (decrypt, _) = least(3, || Bgv::decrypt(&key, &result).unwrap());
        println!(
            "{:<10} {:>6} {open:>10.2} {run:>10.2} {finish:>10.2} {decrypt:>10.2}",
            case.name,
            1 << case.log_degree
        );
    }
}
