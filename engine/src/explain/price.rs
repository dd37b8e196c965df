//! What a plan takes: CPU by stage, and bytes.

use std::fmt::Write as _;

use hq_plugin_sdk::capabilities::{KernelCosts, Leveled};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{Level, Plan};
use hq_plugin_sdk::verify::Shape;

use super::{Subject, section};
use crate::certificate::blocks;
use crate::chain::Chain;
use crate::cost::{Census, Ring};

/// What CPU seconds are told by. They have no part in planning: a plan is the same on every machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// By ring degree.
    pub costs: Vec<KernelCosts>,
    /// Where they come from, in a few words.
    pub source: String,
}

/// What is left of kernel costs for one stage.
type Part = fn(&KernelCosts) -> KernelCosts;

/// Stages of a run and what each pays for: fields of [`KernelCosts`] that only it, or what is left, uses.
const STAGES: [(&str, Part); 5] = [
    ("keys", |costs| KernelCosts { setup: costs.setup, ..KernelCosts::nothing(costs.ring_degree) }),
    ("load", |costs| KernelCosts { load: costs.load, ..KernelCosts::nothing(costs.ring_degree) }),
    ("linear", |costs| KernelCosts {
        linear_term: costs.linear_term,
        ..KernelCosts::nothing(costs.ring_degree)
    }),
    ("products", |costs| KernelCosts { product: costs.product, ..KernelCosts::nothing(costs.ring_degree) }),
    ("relinearize, switch", |costs| KernelCosts {
        load: 0.0,
        linear_term: 0.0,
        product: 0.0,
        release: 0.0,
        setup: 0.0,
        ..*costs
    }),
];

/// Estimated CPU nanoseconds of a placed plan over all blocks and its release, with the given kernel costs.
#[must_use]
pub fn nanoseconds(
    plan: &Plan,
    shapes: &[Shape],
    rns: &RnsParameters,
    leveled: &Leveled,
    costs: Vec<KernelCosts>,
) -> f64 {
    let leveled = Leveled { costs, ..leveled.clone() };
    let Some(release) = plan.release else { return 0.0 };
    Census::of(plan, shapes).nanoseconds(&leveled, Ring::of(rns), &Chain::of(rns, release))
}

/// Seconds of each stage; costs are linear in the kernels, so those of a stage are the costs without the others.
fn stages(subject: &Subject<'_>, prices: &Prices) -> Vec<(&'static str, f64)> {
    let seconds = |plan: &Plan, costs: Vec<KernelCosts>| {
        nanoseconds(plan, &subject.shapes, subject.rns, subject.leveled, costs) / 1e9
    };
    let mut blocks = subject.plan.clone();
    blocks.sums.clear();
    let mut stages: Vec<(&str, f64)> = STAGES
        .iter()
        .map(|(name, part)| (*name, seconds(&blocks, prices.costs.iter().map(part).collect())))
        .collect();
    let all = seconds(subject.plan, prices.costs.clone());
    stages.push(("release", all - seconds(&blocks, prices.costs.clone())));
    stages
}

/// Bytes of one ciphertext of one part, of the relinearization and public keys, and of one released sum: see
/// docs/performance.md.
fn bytes(rns: &RnsParameters, release: Level) -> [f64; 3] {
    let bits =
        |primes: &[u64]| primes.iter().map(|prime| f64::from(u64::BITS - prime.leading_zeros())).sum::<f64>();
    let per_bit = f64::from(rns.ring_degree) / 8.0;
    let (chain, special) = (bits(&rns.moduli), bits(&rns.special_moduli));
    let key = |&limbs: &u32| {
        let primes = rns.moduli.get(..usize::try_from(limbs).unwrap_or(0)).map_or(chain, bits);
        f64::from(limbs.div_ceil(rns.digit_limbs.max(1))) * (primes + special)
    };
    let keys: f64 = rns.relinearization_limbs.iter().map(key).sum();
    let released = rns.moduli.get(..release.limbs()).map_or(chain, bits);
    [chain, chain + keys, released].map(|bits| bits * per_bit)
}

pub(super) fn price(out: &mut String, subject: &Subject<'_>, prices: &Prices) {
    section(out, "Price");
    let (plan, rns) = (subject.plan, subject.rns);
    let blocks = blocks(plan.rows, rns.ring_degree);
    let count = |items: usize| u32::try_from(items).map_or(f64::MAX, f64::from);
    let inputs = count(plan.inputs.len());
    let _ = writeln!(
        out,
        "{blocks} blocks of {} rows at most, {} ciphertexts per block; prices: {}",
        rns.ring_degree,
        plan.inputs.len(),
        prices.source
    );
    let _ = writeln!(out, "{:<20} {:>9}  {:>4}  bytes", "stage", "CPU s", "%");
    let release = plan.release.map_or(Level(0), |release| release.level);
    let [ciphertext, keys, sum] = bytes(rns, release);
    let blocks = u32::try_from(blocks).map_or(f64::MAX, f64::from);
    let stages = stages(subject, prices);
    let all: f64 = stages.iter().map(|(_, seconds)| seconds).sum();
    for &(name, seconds) in &stages {
        let bytes = match name {
            "load" => format!(
                "  {} read, {} a block",
                size(ciphertext * inputs * blocks),
                size(ciphertext * inputs)
            ),
            "keys" => format!("  {} read", size(keys)),
            "release" => format!("  {} written", size(sum * count(plan.sums.len()))),
            _ => String::new(),
        };
        let share = if all > 0.0 { 100.0 * seconds / all } else { 0.0 };
        let _ = writeln!(out, "{name:<20} {seconds:>9.3}  {share:>4.0}{bytes}");
    }
    let _ = writeln!(out, "{:<20} {all:>9.3}", "in all, estimated");
}

/// Bytes for the eye.
fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e6 => format!("{:.0} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}
