//! Every pass keeps the meaning of every circuit, on rows that are there and on rows that are not.
#![expect(clippy::unwrap_used, reason = "a test")]

use hq_engine::algebra::Result;
use hq_engine::chain::Chain;
use hq_engine::passes::{self, Cut, Values};
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::verify;
use hq_tests::random::{Case, Size, case};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const SIZE: Size = Size { rows: 12, domain: 40, nesting: 3, sums: 4 };

/// The aggregates of a plan over the case's table with some absent rows behind it.
fn aggregates(case: &Case, plan: &Plan, absent: usize) -> Vec<i128> {
    let inputs: Vec<Vec<i64>> = case
        .inputs(plan)
        .into_iter()
        .zip(&plan.inputs)
        .map(|(mut values, input)| {
            values.resize(values.len() + absent, case.absent(input));
            values
        })
        .collect();
    let sums = interpret(plan, &inputs);
    plan.aggregates
        .iter()
        .map(|aggregate| aggregate.terms.iter().map(|&(c, sum)| i128::from(c) * sums[sum.index()]).sum())
        .collect()
}

/// Cuts and a chain that no planner would choose.
fn choices(seed: u64, plan: &Plan) -> (Vec<Cut>, Chain) {
    let mut rng = StdRng::seed_from_u64(seed);
    let cuts = plan.nodes().iter().map(|_| CUTS[rng.random_range(0..CUTS.len())]).collect();
    let release = rng.random_range(1..3);
    let mut primes = release;
    let mut above = |least: usize| {
        primes += rng.random_range(least..4);
        primes
    };
    let limbs = [release, above(0)].into_iter().chain((2..60).map(|_| above(1))).collect();
    (cuts, Chain { limbs, release, relinearize: release })
}

const CUTS: [Cut; 3] = [Cut::Lazy, Cut::Relinearize, Cut::Switch];

fn check(seed: u64) -> Result<()> {
    let case = case(seed, SIZE)?;
    let expected = aggregates(&case, &case.circuit, 0);
    let simplified = passes::prune(&case.circuit)?;
    assert_eq!(aggregates(&case, &simplified, 0), expected, "simplify\n{}\n{simplified}", case.circuit);
    let values = [Values::Whole, Values::Limbs, Values::Flags][usize::try_from(seed % 3).unwrap()];
    let encoded = passes::encode(&simplified, &case.encodings(), values)?;
    assert_eq!(aggregates(&case, &encoded, 0), expected, "encode\n{simplified}\n{encoded}");
    // Small enough that wide sums need limbs, large enough to count the rows. What comes in one piece stays in one.
    let widest = if values == Values::Flags { 40 } else { 1 << 40 };
    let limbed = passes::limbs(&encoded, 12 * widest + 1, usize::MAX)?;
    assert_eq!(aggregates(&case, &limbed, 0), expected, "limbs\n{encoded}\n{limbed}");
    for sum in &limbed.sums {
        assert!(passes::span(sum.range) * limbed.rows <= 12 * widest, "{sum:?}\n{encoded}\n{limbed}");
    }
    let distributed = passes::distribute(&limbed)?;
    assert_eq!(aggregates(&case, &distributed, 0), expected, "distribute\n{limbed}\n{distributed}");
    assert_eq!(aggregates(&case, &passes::balance(&distributed)?, 0), expected, "balance\n{distributed}");
    let balanced = passes::balance(&limbed)?;
    assert_eq!(aggregates(&case, &balanced, 0), expected, "balance\n{limbed}\n{balanced}");
    let present = passes::presence(&balanced)?;
    assert_eq!(aggregates(&case, &present, 5), expected, "presence\n{balanced}\n{present}");
    let pruned = passes::prune(&present)?;
    let (cuts, chain) = choices(seed, &pruned);
    let staged = passes::place(&pruned, &cuts, u8::MAX)?;
    assert_eq!(aggregates(&case, &staged, 5), expected, "place\n{pruned}\n{staged}");
    let placed = chain.spread(&staged)?;
    assert_eq!(aggregates(&case, &placed, 5), expected, "spread\n{staged}\n{placed}");
    verify::ranges(&placed)?;
    let text = placed.to_string();
    assert_eq!(Plan::parse(&text).unwrap(), placed, "print and parse are inverses");
    // Ranges of sums hold of every row.
    for (index, sum) in placed.sums.iter().enumerate() {
        let total = interpret(&placed, &case.inputs(&placed))[index];
        let rows = i128::try_from(case.rows.len()).unwrap();
        assert!(i128::from(sum.range.lo().min(0)) * rows <= total);
        assert!(total <= i128::from(sum.range.hi().max(0)) * rows);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn every_pass_keeps_the_meaning(seed: u64) {
        check(seed).unwrap();
    }
}
