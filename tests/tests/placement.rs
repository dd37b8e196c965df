//! The search for relinearizations and switches against brute force: every cut of every node of small circuits.
#![expect(clippy::unwrap_used, reason = "a test")]

use hq_engine::certificate::model;
use hq_engine::chain::PrimeSizes;
use hq_engine::cost::{Census, Ring};
use hq_engine::demand::Demand;
use hq_engine::noise::NoiseParameters;
use hq_engine::passes::{self, Cut, Values, choices, place, stage_shapes};
use hq_engine::search::search;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::plan::Plan;
use hq_tests::random::{Size, case};

const CUTS: [Cut; 3] = [Cut::Lazy, Cut::Relinearize, Cut::Switch];
const RING_DEGREE: u32 = 16_384;
const MODULUS: u64 = 65_537;

/// The price of cuts, as the planner has it.
fn price(plan: &Plan, cuts: &[Cut], leveled: &Leveled) -> Option<f64> {
    let placed = place(plan, cuts, 8).ok()?;
    let shapes = stage_shapes(&placed).ok()?;
    let parameters = NoiseParameters::new(RING_DEGREE, MODULUS, leveled);
    let mut noise = model(parameters, &placed, 1.0);
    let demand = Demand::of(&placed, &shapes, 1.0, &mut noise);
    let sizes = PrimeSizes { least: 32.0, widest: leveled.max_modulus_bits };
    let census = Census::of(&placed, &shapes);
    let wishes = (1..=4).flat_map(|width| demand.wishes(sizes, width, noise.key_switch_unit()));
    let costs = wishes.filter(|wish| wish.log2_qp() <= 430).map(|wish| {
        let ring = Ring {
            degree: RING_DEGREE,
            limbs: wish.modulus_bits.len(),
            digit_limbs: wish.digit_limbs,
            specials: u32::try_from(wish.special_bits.len()).unwrap(),
        };
        census.nanoseconds(leveled, ring, &wish.chain)
    });
    costs.min_by(f64::total_cmp)
}

fn brute_force(plan: &Plan, leveled: &Leveled) -> Option<f64> {
    let nodes = choices(plan);
    let mut best: Option<f64> = None;
    for number in 0..CUTS.len().pow(u32::try_from(nodes.len()).unwrap()) {
        let mut cuts = vec![Cut::Switch; plan.nodes().len()];
        let mut left = number;
        for node in &nodes {
            cuts[node.index()] = CUTS[left % CUTS.len()];
            left /= CUTS.len();
        }
        if let Some(cost) = price(plan, &cuts, leveled) {
            best = Some(best.map_or(cost, |best| best.min(cost)));
        }
    }
    best
}

/// A circuit with as many choices as brute force bears, but some.
fn small_circuit(seed: u64) -> Option<Plan> {
    let case = case(seed, Size { rows: 5_000, domain: 40, nesting: 3, sums: 2 }).ok()?;
    let encoded =
        passes::encode(&passes::prune(&case.circuit).ok()?, &case.encodings(), Values::Flags).ok()?;
    let limbs = passes::limbs(&encoded, MODULUS, 64).ok()?;
    let shaped = passes::presence(&passes::balance(&limbs).ok()?).ok()?;
    let plan = passes::prune(&shaped).ok()?;
    (3..=7).contains(&choices(&plan).len()).then_some(plan)
}

#[test]
fn small_circuits_are_placed_as_cheaply_as_by_brute_force() {
    let capabilities = Bgv::capabilities();
    let leveled = capabilities.leveled.unwrap();
    let (mut exact, mut searched, mut worst) = (0, 0, 0.0_f64);
    let mut seeds = 0..;
    while exact + searched < 60 {
        let Some(plan) = seeds.by_ref().find_map(small_circuit) else { break };
        let found =
            search(&plan, &[], usize::MAX, |cuts| price(&plan, cuts, &leveled).map(|cost| (cost, ())));
        match (found, brute_force(&plan, &leveled)) {
            (Some(found), Some(best)) if found.exact => {
                assert!((found.cost - best).abs() <= 1e-9 * best, "{} {best}\n{plan}", found.cost);
                exact += 1;
            }
            (Some(found), Some(best)) => {
                worst = worst.max(found.cost / best - 1.0);
                searched += 1;
            }
            (None, None) => {}
            (found, best) => assert_eq!(found.map(|found| found.cost), best, "{plan}"),
        }
    }
    eprintln!(
        "{exact} exhausted, {searched} searched; the worst of these {:.2} % above the optimum",
        100.0 * worst
    );
    assert!(exact >= 20 && searched >= 3, "{exact} {searched}");
    // A descent may end beside the optimum: so far at most a fifth above it.
    assert!(worst <= 0.25, "{worst}");
}
