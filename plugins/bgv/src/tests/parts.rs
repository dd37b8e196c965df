//! Ciphertexts of many parts: products, relinearization, merged switches and release.

use hq_plugin_sdk::verify::{ranges, shapes};
use proptest::prelude::*;

use super::*;

fn parameters() -> RnsParameters {
    with_powers(7, 256, 1 << 16, &[46, 45, 45, 45, 45], &[49], 1, 0)
}

/// An empty plan that releases at level 1, with inputs of -1, 0 and 1.
fn begin(rns: &RnsParameters, inputs: usize) -> (Builder, Vec<hq_plugin_sdk::plan::InputId>) {
    let mut builder = Builder::new(1 << 20);
    builder.plan_mut().parameters = Some(Parameters::Rns(rns.clone()));
    builder.plan_mut().release = Some(Release { level: Level(1), relinearize: Level(4), flood_bits: 8 });
    let range = Range::new(-1, 1).unwrap();
    let declare = |i: usize| {
        builder.declare(Input { name: format!("x{i}"), range, family: None, origin: Origin::Table })
    };
    let ids = (0..inputs).map(declare).collect();
    (builder, ids)
}

fn columns(inputs: usize, slots: usize) -> Vec<Vec<i64>> {
    let value = |i: usize, k: usize| i64::try_from((i * (k + 2) + i * i / (k + 1)) % 3).unwrap() - 1;
    (0..inputs).map(|k| (0..slots).map(|i| value(i, k)).collect()).collect()
}

/// The sums of a plan modulo t, in the clear.
fn clear(plan: &Plan, columns: &[Vec<i64>], t: i64) -> Vec<i64> {
    let mut sums = vec![0i64; plan.sums.len()];
    let rows: Vec<Vec<i64>> =
        (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
    for row in rows {
        let mut values: Vec<i64> = Vec::new();
        for (_, op) in plan.iter() {
            let of = |node: &NodeId| values[node.index()];
            let value = match op {
                Op::Input { input, .. } => row[input.index()],
                Op::Linear(linear) => {
                    linear.terms().iter().fold(linear.constant(), |sum, (c, term)| (sum + c * of(term)) % t)
                }
                Op::Mul { left, right } => of(left) * of(right) % t,
                Op::Relinearize { arg } | Op::ModSwitch { arg } | Op::Drop { arg, .. } => of(arg),
                Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => {
                    panic!("not in a placed plan")
                }
            };
            values.push(value);
        }
        for (total, sum) in sums.iter_mut().zip(&plan.sums) {
            *total = (*total + values[sum.node.index()]).rem_euclid(t);
        }
    }
    sums
}

/// Runs a plan in both modes over one block, with its sums relinearized at every level, and compares with the clear.
fn check(plan: &Plan, keys: &mut Keys, inputs: usize) {
    let params = Arc::clone(keys.secret.params());
    let columns = columns(inputs, params.degree());
    let chain = params.chain();
    let frames: Vec<Vec<u8>> =
        columns.iter().map(|column| encrypt(&keys.secret, column, chain, &mut keys.rng).unwrap()).collect();
    let block: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let expected = clear(plan, &columns, i64::try_from(params.t()).unwrap());
    let mut plan = plan.clone();
    for (mode, relinearize) in
        [(Mode::Fast, 4), (Mode::Fast, 3), (Mode::Fast, 2), (Mode::Fast, 1), (Mode::EveryNode, 3)]
    {
        plan.release = plan.release.map(|release| Release { relinearize: Level(relinearize), ..release });
        let mut session = Session::open(&plan, Arc::clone(&keys.evaluation), mode).unwrap();
        session.block(&block).unwrap();
        let opened = decrypt(&keys.secret, &session.finish().unwrap()).unwrap();
        assert_eq!(opened, expected, "{mode:?}\n{plan}");
    }
}

fn sum_all(builder: &mut Builder, nodes: &[NodeId]) {
    let ranges = ranges(builder.plan()).unwrap();
    for &node in nodes {
        builder.sum(Sum { node, range: ranges[node.index()] });
    }
}

#[test]
fn products_of_up_to_eight_parts_are_right_wherever_they_go() {
    let rns = parameters();
    let mut keys = keys(&rns, 21);
    let (mut builder, ids) = begin(&rns, 7);
    let x: Vec<NodeId> =
        ids.iter().map(|&input| builder.push(Op::Input { input, level: Some(Level(4)) })).collect();
    let mut sums = Vec::new();
    let mut products = vec![x[0]];
    for &factor in &x[1..] {
        let left = products[products.len() - 1];
        products.push(builder.push(Op::Mul { left, right: factor }));
    }
    // Factors of several parts each.
    for (left, right) in [(1, 2), (2, 3), (1, 4), (0, 5)] {
        products.push(builder.push(Op::Mul { left: products[left], right: products[right] }));
    }
    for &product in &products[1..] {
        let switch = |builder: &mut Builder, arg| builder.push(Op::ModSwitch { arg });
        let relinearized = builder.push(Op::Relinearize { arg: product });
        // Read by a switch and by a sum: stands on its own.
        let lower = switch(&mut builder, relinearized);
        // A run of switches with and without relinearization: one division.
        let twice = switch(&mut builder, lower);
        let again = builder.push(Op::Linear(Linear::new(0, [(3, product)]).unwrap()));
        let run = builder.push(Op::Relinearize { arg: again });
        let run = switch(&mut builder, run);
        let run = switch(&mut builder, run);
        let many = switch(&mut builder, product);
        let many = switch(&mut builder, many);
        let many = switch(&mut builder, many);
        sums.extend([product, relinearized, twice, run, many]);
    }
    let mixed: Vec<(i64, NodeId)> =
        products.iter().enumerate().map(|(k, &node)| (i64::try_from(k).unwrap() - 3, node)).collect();
    let mixed = builder.push(Op::Linear(Linear::new(-2, mixed).unwrap()));
    let dropped = builder.push(Op::Drop { arg: mixed, to: Level(3) });
    let other = builder.push(Op::Linear(Linear::new(1, [(1, x[0]), (1, products[2])]).unwrap()));
    let both = builder.push(Op::Mul { left: x[1], right: other });
    sums.extend([mixed, dropped, other, both, x[0]]);
    sum_all(&mut builder, &sums);
    let plan = builder.finish();
    let parts = |sum: &Sum| shapes(&plan).unwrap()[sum.node.index()].parts;
    assert_eq!(plan.sums.iter().map(parts).max(), Some(8));
    check(&plan, &mut keys, 7);
}

#[test]
fn a_run_of_switches_is_one_division() {
    let rns = parameters();
    let (mut builder, ids) = begin(&rns, 2);
    let [left, right] = [0, 1].map(|i| builder.push(Op::Input { input: ids[i], level: Some(Level(4)) }));
    let mut at = builder.push(Op::Mul { left, right });
    at = builder.push(Op::Relinearize { arg: at });
    for _ in 0..3 {
        at = builder.push(Op::ModSwitch { arg: at });
    }
    sum_all(&mut builder, &[at]);
    let plan = builder.finish();
    let switches = |mode| {
        let schedule = crate::schedule::Schedule::new(&plan, mode).unwrap();
        let kept = |step: &crate::schedule::Step| {
            if let crate::schedule::Action::Switch { kept, .. } = step.action { Some(kept) } else { None }
        };
        schedule.steps.iter().filter_map(kept).collect::<Vec<_>>()
    };
    assert_eq!(switches(Mode::Fast), [2]);
    assert_eq!(switches(Mode::EveryNode), [5, 4, 3, 2]);
}

/// A random plan of which every value is certified.
fn random_plan(rns: &RnsParameters, choices: &[(u8, u8, u8, i8)]) -> Plan {
    let params = Params::new(rns).unwrap();
    let secret_norm = crate::key::SECRET_NORM_FACTOR * (2.0 * params.degree() as f64 / 3.0).sqrt();
    let (mut builder, ids) = begin(rns, 3);
    let mut usable: Vec<NodeId> = Vec::new();
    for (input, level) in [(0, 4), (1, 4), (2, 3), (0, 3), (1, 2)] {
        usable.push(builder.push(Op::Input { input: ids[input], level: Some(Level(level)) }));
    }
    for &(op, first, second, coefficient) in choices {
        let known = shapes(builder.plan()).unwrap();
        let a = usable[usize::from(first) % usable.len()];
        let shape = known[a.index()];
        let peers: Vec<NodeId> =
            usable.iter().copied().filter(|node| known[node.index()].level == shape.level).collect();
        let b = peers[usize::from(second) % peers.len()];
        let arg = a;
        let op = match op % 8 {
            0..=2 if shape.parts + known[b.index()].parts <= 9 => Op::Mul { left: a, right: b },
            3 | 4 => {
                let terms = [(i64::from(coefficient % 4), a), (1, b), (-2, peers[0])];
                match Linear::new(i64::from(coefficient / 16), terms) {
                    Some(linear) if !linear.terms().is_empty() => Op::Linear(linear),
                    _ => continue,
                }
            }
            5 if shape.parts > 2 => Op::Relinearize { arg },
            6 if shape.level > Level(1) => Op::ModSwitch { arg },
            7 if shape.level > Level(1) => Op::Drop { arg, to: Level(shape.level.0 - 1) },
            _ => continue,
        };
        let mut trial = Builder::like(builder.plan());
        builder.plan().nodes().iter().for_each(|op| {
            trial.push(op.clone());
        });
        let node = trial.push(op.clone());
        let bound = bounds(trial.plan(), &params, secret_norm)[node.index()].log2();
        let level = shapes(trial.plan()).unwrap()[node.index()].level;
        if ranges(trial.plan()).is_ok() && bound < rns.log2_q(usize::from(level.0)) - 4.0 {
            let node = builder.push(op);
            usable.push(node);
        }
    }
    let sums: Vec<NodeId> = usable.iter().rev().copied().step_by(2).take(12).collect();
    sum_all(&mut builder, &sums);
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn fused_runs_give_what_every_node_on_its_own_gives(
        choices in prop::collection::vec(any::<(u8, u8, u8, i8)>(), 10..60),
    ) {
        let rns = with_powers(7, 64, 1 << 16, &[47, 47, 47, 47, 47], &[49], 1, 0);
        let mut keys = keys(&rns, 33);
        check(&random_plan(&rns, &choices), &mut keys, 3);
    }
}

#[test]
fn limbs_of_several_chunks_and_digits_of_several_primes_agree() {
    let rns = with_powers(7, 2048, 1 << 16, &[46, 45, 45, 45, 45], &[49, 49], 2, 0);
    for seed in 0..4u8 {
        let choice = |i: u8| {
            let hash = blake3::hash(&[seed, i]);
            let [a, b, c, d, ..] = *hash.as_bytes();
            (a, b, c, i8::from_le_bytes([d]))
        };
        let choices: Vec<_> = (0..60).map(choice).collect();
        check(&random_plan(&rns, &choices), &mut keys(&rns, 34), 3);
    }
}

/// Sums of more parts need less of a key where they are switched down first, and a key holds no more than that.
#[test]
fn keys_of_high_powers_for_few_primes_release_what_was_switched_down() {
    let full = parameters();
    let rns = RnsParameters { relinearization_limbs: vec![5, 3, 3, 2], ..full.clone() };
    let mut keys = keys(&rns, 22);
    let (mut builder, ids) = begin(&rns, 5);
    let x: Vec<NodeId> =
        ids.iter().map(|&input| builder.push(Op::Input { input, level: Some(Level(4)) })).collect();
    let mut product = x[0];
    let mut products = Vec::new();
    for &factor in &x[1..] {
        product = builder.push(Op::Mul { left: product, right: factor });
        products.push(product);
    }
    sum_all(&mut builder, &products);
    let mut plan = builder.finish();
    let release = plan.release.unwrap();
    assert!(hq_plugin_sdk::verify::verify(&plan).is_err(), "there is no such key for all primes");
    plan.release = Some(Release { relinearize: Level(1), ..release });
    hq_plugin_sdk::verify::verify(&plan).unwrap();
    let params = Arc::clone(keys.secret.params());
    let columns = columns(5, params.degree());
    let frames: Vec<Vec<u8>> =
        columns.iter().map(|column| encrypt(&keys.secret, column, 5, &mut keys.rng).unwrap()).collect();
    let block: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut session = Session::open(&plan, Arc::clone(&keys.evaluation), Mode::Fast).unwrap();
    session.block(&block).unwrap();
    let opened = decrypt(&keys.secret, &session.finish().unwrap()).unwrap();
    assert_eq!(opened, clear(&plan, &columns, i64::try_from(params.t()).unwrap()));
    let (_, larger) = generate(&Params::new(&full).unwrap(), &mut keys.rng);
    let (_, smaller) = generate(&params, &mut keys.rng);
    assert!(2 * smaller.len() < larger.len());
}
