//! Estimated CPU time of a placed plan: how often each kernel runs over a limb, times what the backend says
//! a slot of it costs.

use hq_plugin_sdk::capabilities::{KernelCosts, Leveled};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{Level, NodeId, Op, Plan};
use hq_plugin_sdk::verify::Shape;

/// What the price of an operation depends on besides its level.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// N.
    pub degree: u32,
    /// Primes per key-switching digit.
    pub digit_limbs: u32,
    /// Special primes.
    pub specials: u32,
}

impl Ring {
    /// Of chosen parameters.
    #[must_use]
    pub fn of(parameters: &RnsParameters) -> Self {
        Self {
            degree: parameters.ring_degree,
            digit_limbs: parameters.digit_limbs,
            specials: u32::try_from(parameters.special_moduli.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Kernel runs over one limb of N slots.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Kernels {
    loads: f64,
    transforms: f64,
    key_products: f64,
    conversions: f64,
    products: f64,
    linear_terms: f64,
}

impl Kernels {
    fn nanoseconds(self, costs: &KernelCosts) -> f64 {
        self.loads * costs.load
            + self.transforms * costs.transform
            + self.key_products * costs.key_product
            + self.conversions * costs.conversion
            + self.products * costs.product
            + self.linear_terms * costs.linear_term
    }

    /// Key switching from `limbs` primes, and the division of two parts by P and by the last `dropped`.
    fn key_switch(limbs: usize, dropped: usize, ring: Ring) -> Self {
        let (width, specials) = (size(ring.digit_limbs).max(1), size(ring.specials));
        let (mut transforms, mut key_products, mut conversions) = (limbs, 0, 0);
        let mut left = limbs;
        while left > 0 {
            // A digit is lifted to every prime but its own.
            let own = left.min(width);
            let lifted = limbs + specials - own;
            transforms += lifted;
            conversions += own * lifted;
            key_products += 2 * (limbs + specials);
            left -= own;
        }
        let division = Self::division(specials + dropped, limbs - dropped, 2);
        Self {
            transforms: float(transforms) + division.transforms,
            key_products: float(key_products),
            conversions: float(conversions) + division.conversions,
            ..Self::default()
        }
    }

    /// Division of so many parts by `dropped` primes towards `kept`; the last subtraction and product cost
    /// as much as the conversion of one more prime.
    fn division(dropped: usize, kept: usize, parts: usize) -> Self {
        Self {
            transforms: float(parts * (dropped + kept)),
            conversions: float(parts * (dropped + 1) * kept),
            ..Self::default()
        }
    }
}

/// The steps of a placed plan at one number of limbs.
#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    inputs: usize,
    /// Terms of linear combinations, times the parts of their results.
    terms: usize,
    products: usize,
    relinearizations: usize,
    /// Parts of values that are switched down.
    switched_parts: usize,
    /// Sums of values of two parts.
    sums: usize,
    /// Sums of values of three.
    product_sums: usize,
}

/// How many steps of each kind a placed plan takes: all that its cost depends on.
#[derive(Clone, Debug)]
pub struct Census {
    rows: u64,
    /// By the number of limbs on which a step works.
    steps: Vec<Steps>,
}

impl Census {
    /// Of a placed plan with its shapes.
    #[must_use]
    pub fn of(plan: &Plan, shapes: &[Shape]) -> Self {
        let mut census = Self { rows: plan.rows, steps: Vec::new() };
        let shape = |node: NodeId| {
            shapes.get(node.index()).map_or((0, 2), |s| (s.level.limbs(), usize::from(s.parts)))
        };
        for (node, op) in plan.iter() {
            let (limbs, parts) = shape(node);
            let steps = census.at(limbs);
            match op {
                Op::Input { .. } => steps.inputs += 1,
                Op::Linear(linear) => steps.terms += linear.terms().len() * parts,
                Op::Mul { .. } => steps.products += 1,
                Op::Relinearize { .. } => steps.relinearizations += 1,
                // A switch after a relinearization is part of its division, at no price of its own.
                Op::ModSwitch { arg } if matches!(plan.op(*arg), Some(Op::Relinearize { .. })) => {}
                Op::ModSwitch { .. } => steps.switched_parts += parts,
                Op::Drop { .. } | Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } => {}
            }
        }
        for sum in &plan.sums {
            let (limbs, parts) = shape(sum.node);
            let steps = census.at(limbs);
            *(if parts == 3 { &mut steps.product_sums } else { &mut steps.sums }) += 1;
        }
        census
    }

    /// Of nothing but the release of so many sums, which arrive at the release level.
    #[must_use]
    pub fn releases(sums: usize) -> Self {
        let mut census = Self { rows: 0, steps: Vec::new() };
        census.at(0).sums = sums;
        census
    }

    fn at(&mut self, limbs: usize) -> &mut Steps {
        if self.steps.len() <= limbs {
            self.steps.resize(limbs + 1, Steps::default());
        }
        // Just made long enough; a level has at most 256 limbs.
        #[expect(clippy::indexing_slicing, reason = "resized above")]
        &mut self.steps[limbs]
    }

    /// Estimated CPU nanoseconds of all blocks and of the release of the sums at `release`.
    #[must_use]
    pub fn nanoseconds(&self, leveled: &Leveled, ring: Ring, release: Level) -> f64 {
        let nearest = |costs: &&KernelCosts| costs.ring_degree.abs_diff(ring.degree);
        let Some(costs) = leveled.costs.iter().min_by_key(nearest) else { return f64::INFINITY };
        let kept = release.limbs();
        let (mut per_block, mut at_the_end) = (0.0, 0.0);
        for (limbs, steps) in self.steps.iter().enumerate() {
            let plain = Kernels {
                loads: float(steps.inputs * limbs),
                linear_terms: float(steps.terms * limbs),
                products: float(4 * steps.products * limbs),
                ..Kernels::default()
            };
            let price = |kernels: Kernels| kernels.nanoseconds(costs);
            per_block += price(plain)
                + float(steps.relinearizations) * price(Kernels::key_switch(limbs, 0, ring))
                + price(Kernels::division(1, limbs, steps.switched_parts));
            let dropped = limbs.saturating_sub(kept);
            let fresh = costs.release * float(kept);
            at_the_end += float(steps.product_sums)
                * (price(Kernels::key_switch(limbs, dropped, ring)) + fresh)
                + float(steps.sums) * (price(Kernels::division(dropped, kept, 1)) + fresh);
        }
        let blocks = crate::certificate::blocks(self.rows, ring.degree);
        let blocks = float(usize::try_from(blocks).unwrap_or(usize::MAX));
        (per_block * blocks + at_the_end) * f64::from(ring.degree)
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "estimates need no more than a double holds")]
fn float(value: usize) -> f64 {
    value as f64
}
