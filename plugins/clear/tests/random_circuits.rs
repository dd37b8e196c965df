//! Random circuits give what the reference interpreter gives, whatever they are cut into.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Fault, Session};
use hq_plugin_sdk::interpret::{interpret, node_values};
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::{Builder, Input, Linear, NodeId, Op, Origin, Plan, Sum};
use hq_plugin_sdk::range::{Range, RangeSet};
use hq_plugin_sdk::verify::{range_of, ranges};
use proptest::prelude::*;

const ROWS_PER_BLOCK: u32 = 5000;

/// A recipe for one node; operands are taken modulo the nodes there are.
#[derive(Clone, Debug)]
enum Recipe {
    Member(usize, Vec<(i64, u8)>),
    Less(usize, usize),
    Equal(usize, usize),
    Linear(i64, Vec<(i64, usize)>),
    Mul(usize, usize),
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let node = || any::<usize>();
    prop_oneof![
        (node(), prop::collection::vec((-300..300_i64, any::<u8>()), 0..40))
            .prop_map(|(a, s)| Recipe::Member(a, s)),
        (node(), prop::collection::vec((-9..60_i64, 0..4_u8), 0..6)).prop_map(|(a, s)| Recipe::Member(a, s)),
        (node(), node()).prop_map(|(a, b)| Recipe::Less(a, b)),
        (node(), node()).prop_map(|(a, b)| Recipe::Equal(a, b)),
        (-9..9_i64, prop::collection::vec((-5..5_i64, node()), 0..5)).prop_map(|(c, t)| Recipe::Linear(c, t)),
        (node(), node()).prop_map(|(a, b)| Recipe::Mul(a, b)),
    ]
}

/// Builds the circuit, leaving out what would leave 62 bits; every node is summed where `sums` says so.
fn circuit(inputs: &[Range], recipes: &[Recipe], sums: &[bool]) -> Plan {
    let mut builder = Builder::new(1 << 20);
    builder.plan_mut().parameters = Some(Parameters::Clear { rows_per_block: ROWS_PER_BLOCK });
    let mut nodes: Vec<NodeId> = Vec::new();
    for (index, range) in inputs.iter().enumerate() {
        let input = builder.declare(Input {
            name: format!("i{index}"),
            range: *range,
            family: None,
            origin: Origin::Table,
        });
        nodes.push(builder.push(Op::Input { input, level: None }));
    }
    for recipe in recipes {
        let of = |index: &usize| nodes[index % nodes.len()];
        let op = match recipe {
            Recipe::Member(arg, set) => {
                let set = set.iter().filter_map(|&(lo, length)| Range::new(lo, lo + i64::from(length)));
                Op::Member { arg: of(arg), set: RangeSet::from_ranges(set) }
            }
            Recipe::Less(left, right) => Op::Less { left: of(left), right: of(right) },
            Recipe::Equal(left, right) => Op::Equal { left: of(left), right: of(right) },
            Recipe::Linear(constant, terms) => {
                Op::Linear(Linear::new(*constant, terms.iter().map(|(c, n)| (*c, of(n)))).unwrap())
            }
            Recipe::Mul(left, right) => Op::Mul { left: of(left), right: of(right) },
        };
        let known = ranges(builder.plan()).unwrap();
        let next = NodeId::from_index(builder.plan().nodes().len()).unwrap();
        // Products of products grow fast: small ones keep the sums within 64 bits.
        let small = |range: Range| range.lo() > -(1 << 45) && range.hi() < 1 << 45;
        if range_of(builder.plan(), &known, next, &op).is_ok_and(small) {
            nodes.push(builder.push(op));
        }
    }
    let known = ranges(builder.plan()).unwrap();
    for (node, _) in nodes.iter().zip(sums).filter(|(_, summed)| **summed) {
        builder.sum(Sum { node: *node, range: known[node.index()] });
    }
    builder.finish()
}

fn evaluate(plan: &Plan, blocks: &[Vec<Vec<i64>>]) -> Result<Vec<i64>, BackendError> {
    let pair = Clear::keygen(&Parameters::Clear { rows_per_block: ROWS_PER_BLOCK }, None)?;
    let key = Clear::load(&pair.secret)?;
    let mut session = Clear::open(plan, &pair.evaluation)?;
    for block in blocks {
        let frames =
            block.iter().map(|column| Clear::encrypt(&key, column)).collect::<Result<Vec<_>, _>>()?;
        session.block(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    }
    Clear::decrypt(&key, &session.finish()?)
}

fn column(range: Range, rows: usize, seed: u64) -> Vec<i64> {
    let mut state = seed | 1;
    let next = move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.lo().wrapping_add_unsigned((state >> 16) % range.size())
    };
    (0..rows).map(next).collect()
}

fn agree(plan: &Plan, rows: &[usize], seed: u64) {
    let block = |(rows, salt): (&usize, u64)| {
        let inputs = plan.inputs.iter().zip(1..);
        inputs.map(|(input, index)| column(input.range, *rows, seed ^ (salt * 1000 + index))).collect()
    };
    let blocks: Vec<Vec<Vec<i64>>> = rows.iter().zip(1..).map(block).collect();
    let whole: Vec<Vec<i64>> = (0..plan.inputs.len())
        .map(|input| blocks.iter().flat_map(|block| block[input].iter().copied()).collect())
        .collect();
    let sums: Vec<i128> = evaluate(plan, &blocks).unwrap().into_iter().map(i128::from).collect();
    assert_eq!(sums, interpret(plan, &whole), "{plan}");
}

fn input_range() -> impl Strategy<Value = Range> {
    prop_oneof![
        Just(Range::BOOL),
        (-300..300_i64, 0..500_i64).prop_map(|(lo, width)| Range::new(lo, lo + width).unwrap()),
        (-(1 << 40)..1_i64 << 40, 0..1_i64 << 40).prop_map(|(lo, width)| Range::new(lo, lo + width).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_circuits(
        inputs in prop::collection::vec(input_range(), 1..5),
        recipes in prop::collection::vec(recipe(), 0..40),
        sums in prop::collection::vec(any::<bool>(), 45),
        rows in prop::collection::vec(0..60_usize, 0..4),
        seed in any::<u64>(),
    ) {
        agree(&circuit(&inputs, &recipes, &sums), &rows, seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several functions with scratch columns between them.
    #[test]
    fn large_circuits(
        inputs in prop::collection::vec(input_range(), 3..8),
        recipes in prop::collection::vec(recipe(), 2500),
        seed in any::<u64>(),
    ) {
        agree(&circuit(&inputs, &recipes, &vec![true; 2600]), &[40, 7], seed);
    }
}

/// More rows than one call takes, and values so wide that a call takes few.
#[test]
fn tiles() {
    for magnitude in [100, 1 << 50, 1 << 60] {
        let plan = format!(
            "hq-plan 1\nrows 1000000\ninput a -{magnitude}..{magnitude}\n%0 = input a\n%1 = linear 0 -1*%0\n\
             %2 = less %0 %1\nsum %0 -{magnitude}..{magnitude}\nsum %2 0..1\n"
        );
        let plan = Plan::parse(&plan).unwrap();
        let half: Vec<i64> = column(Range::new(-magnitude, magnitude).unwrap(), 2500, 5);
        // Followed by their negatives, the wide values add up to what fits.
        let values: Vec<i64> = half.iter().copied().chain(half.iter().map(|value| -value)).collect();
        let sums = evaluate(&plan, &[vec![values.clone()]]).unwrap();
        let negative = values.iter().filter(|value| **value < 0).count();
        assert_eq!(sums, [0, i64::try_from(negative).unwrap()]);
    }
}

/// A thousand terms become a chain; a thousand intervals a search.
#[test]
fn long_operations() {
    let mut builder = Builder::new(1 << 20);
    let nodes: Vec<NodeId> = (0..1000)
        .map(|index| {
            let input = builder.declare(Input {
                name: format!("i{index}"),
                range: Range::new(-5, 999).unwrap(),
                family: None,
                origin: Origin::Table,
            });
            builder.push(Op::Input { input, level: None })
        })
        .collect();
    let linear = builder.push(Op::Linear(Linear::new(3, (-400..).zip(nodes)).unwrap()));
    let set = RangeSet::from_ranges((-1000..1000).filter_map(|k| Range::new(k * 5000, k * 5000 + 1700)));
    let member = builder.push(Op::Member { arg: linear, set });
    let known = ranges(builder.plan()).unwrap();
    for node in [linear, member] {
        builder.sum(Sum { node, range: known[node.index()] });
    }
    agree(&builder.finish(), &[70], 3);
}

#[test]
fn a_thousand_sums() {
    let mut builder = Builder::new(1 << 20);
    let inputs = [("time", Range::new(0, 3000).unwrap()), ("event", Range::BOOL)].map(|(name, range)| {
        let input =
            builder.declare(Input { name: name.to_owned(), range, family: None, origin: Origin::Table });
        builder.push(Op::Input { input, level: None })
    });
    for step in 0..1000 {
        let set = RangeSet::from_ranges(Range::new(3 * step, 3 * step + 2));
        let interval = builder.push(Op::Member { arg: inputs[0], set });
        let event = builder.push(Op::Mul { left: interval, right: inputs[1] });
        builder.sum(Sum { node: interval, range: Range::BOOL });
        builder.sum(Sum { node: event, range: Range::BOOL });
    }
    agree(&builder.finish(), &[5000, 5000, 1], 9);
}

fn refusal(plan: &str, block: &[Vec<i64>]) -> BackendError {
    evaluate(&Plan::parse(plan).unwrap(), &[block.to_vec()]).unwrap_err()
}

#[test]
fn what_the_plan_says_of_rows_is_checked() {
    let head = "hq-plan 1\nrows 9\ninput a 0..9";
    let outside = refusal(&format!("{head}\n%0 = input a\nsum %0 0..9\n"), &[vec![3, 10]]);
    assert_eq!((outside.fault, outside.message.as_str()), (Fault::Input, "input a holds 10, outside 0..9"));

    let claimed = refusal(
        &format!("{head}\n%0 = input a\n%1 = linear 1 -1*%0 in 0..1\nsum %1 0..1\n"),
        &[vec![0, 1, 2, 3]],
    );
    assert_eq!(claimed.fault, Fault::Plan);
    assert_eq!(claimed.message, "the plan claims that %1 lies in 0..1, which 2 rows of the block break");

    let narrow_sum = refusal(&format!("{head}\n%0 = input a\nsum %0 0..5\n"), &[vec![0, 7]]);
    assert_eq!(narrow_sum.message, "the plan claims that %0 lies in 0..5, which 1 rows of the block break");

    let exclusive = refusal(
        "hq-plan 1\nrows 9\ninput a 0..1 one_of x\ninput b 0..1 one_of x\n%0 = input a\n%1 = input b\n\
         %2 = linear 0 1*%0 1*%1\nsum %2 0..1\n",
        &[vec![0, 1, 1], vec![1, 0, 1]],
    );
    assert_eq!(exclusive.message, "row 2 of the block sets two inputs that exclude each other");

    let nested = refusal(
        "hq-plan 1\nrows 9\ninput a 0..1 nested x 1\ninput b 0..1 nested x 2\n%0 = input a\n%1 = input b\n\
         %2 = linear 0 1*%0 -1*%1\nsum %2 0..1\n",
        &[vec![1, 0, 0], vec![1, 0, 1]],
    );
    assert_eq!(nested.message, "row 2 of the block breaks the order of nested inputs");

    let uneven = refusal(
        "hq-plan 1\nrows 9\ninput a 0..1\ninput b 0..1\n%0 = input a\nsum %0 0..1\n",
        &[vec![0, 1], vec![1]],
    );
    assert_eq!(uneven.message, "input b has 1 rows where the inputs before it have 2");
}

#[test]
fn the_reference_is_the_reference() {
    let plan = Plan::parse("hq-plan 1\nrows 9\ninput a 0..9\n%0 = input a\n%1 = mul %0 %0\n").unwrap();
    assert_eq!(node_values(&plan, &[7]), [7, 49]);
}
