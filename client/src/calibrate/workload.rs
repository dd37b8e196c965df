//! Plans that do one thing often, at a level: together they tell the kernels apart.

use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::{Builder, Input, Level, Linear, NodeId, Op, Origin, Plan, Release, Sum};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::{Invalid, ranges};

/// Sums are released here.
const RELEASE: Level = Level(1);

/// From inputs to what is summed.
type Body = fn(&mut Builder, &[NodeId]) -> Vec<NodeId>;

/// Number of inputs, and what becomes of them.
const BODIES: [(usize, Body); 8] = [
    (12, |plan, inputs| vec![mixed(plan, inputs, 1)]),
    (4, |plan, inputs| {
        let mixed: Vec<NodeId> = (1..=24).map(|factor| mixed(plan, inputs, factor)).collect();
        vec![self::mixed(plan, &mixed, 1)]
    }),
    (6, |plan, inputs| {
        let products = products(plan, inputs);
        vec![mixed(plan, &products, 1)]
    }),
    (6, |plan, inputs| {
        let two = relinearized(plan, inputs);
        vec![mixed(plan, &two, 1)]
    }),
    (6, |plan, inputs| {
        let two: Vec<NodeId> = relinearized(plan, inputs);
        let down: Vec<NodeId> = two.into_iter().map(|arg| plan.push(Op::ModSwitch { arg })).collect();
        vec![mixed(plan, &down, 1)]
    }),
    (4, |plan, inputs| {
        let mixed: Vec<NodeId> = (1..=16).map(|factor| mixed(plan, inputs, factor)).collect();
        let down: Vec<NodeId> = mixed.into_iter().map(|arg| plan.push(Op::ModSwitch { arg })).collect();
        vec![self::mixed(plan, &down, 1)]
    }),
    (8, |_, inputs| inputs.to_vec()),
    (5, products),
];

/// The first value plus multiples of all others.
fn mixed(plan: &mut Builder, nodes: &[NodeId], factor: i64) -> NodeId {
    let terms = (0..).zip(nodes).map(|(index, &node)| (1 + factor * index, node));
    plan.push(Op::Linear(Linear::new(factor, terms).unwrap_or_default()))
}

/// All products of two different values.
fn products(plan: &mut Builder, inputs: &[NodeId]) -> Vec<NodeId> {
    let pairs = inputs
        .iter()
        .enumerate()
        .flat_map(|(index, &left)| inputs.iter().skip(index + 1).map(move |&right| (left, right)));
    pairs.map(|(left, right)| plan.push(Op::Mul { left, right })).collect()
}

fn relinearized(plan: &mut Builder, inputs: &[NodeId]) -> Vec<NodeId> {
    products(plan, inputs).into_iter().map(|arg| plan.push(Op::Relinearize { arg })).collect()
}

/// Every workload at a level, for tables of so many blocks.
pub(super) fn all(rns: &RnsParameters, level: Level, blocks: u64) -> Result<Vec<Plan>, Invalid> {
    BODIES.iter().map(|&(inputs, body)| workload(rns, level, blocks, (inputs, body))).collect()
}

fn workload(
    rns: &RnsParameters,
    level: Level,
    blocks: u64,
    (inputs, body): (usize, Body),
) -> Result<Plan, Invalid> {
    let mut plan = Builder::new(blocks * u64::from(rns.ring_degree));
    plan.plan_mut().parameters = Some(Parameters::Rns(rns.clone()));
    plan.plan_mut().release = Some(Release { level: RELEASE, relinearize: level, flood_bits: 20 });
    let inputs: Vec<NodeId> = (0..inputs)
        .map(|index| {
            let name = format!("x{index}");
            let input = plan.declare(Input { name, range: Range::BOOL, family: None, origin: Origin::Table });
            plan.push(Op::Input { input, level: Some(level) })
        })
        .collect();
    let summed = body(&mut plan, &inputs);
    let ranges = ranges(plan.plan())?;
    for node in summed {
        let range = ranges.get(node.index()).copied().unwrap_or(Range::BOOL);
        plan.sum(Sum { node, range });
    }
    Ok(plan.finish())
}
