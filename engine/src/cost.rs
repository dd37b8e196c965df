//! Estimated CPU time of a placed plan: how often each kernel runs over a limb, times what the backend says
//! a slot of it costs.

use hq_plugin_sdk::capabilities::{KernelCosts, Leveled};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{Level, Op, Plan};
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
    tensors: f64,
    linear_terms: f64,
}

impl Kernels {
    fn nanoseconds(self, costs: &KernelCosts) -> f64 {
        self.loads * costs.load
            + self.transforms * costs.transform
            + self.key_products * costs.key_product
            + self.conversions * costs.conversion
            + self.tensors * costs.tensor
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

/// Estimated CPU nanoseconds of all blocks and of the release of the sums at `release`.
#[must_use]
pub fn nanoseconds(plan: &Plan, shapes: &[Shape], leveled: &Leveled, ring: Ring, release: Level) -> f64 {
    let nearest = |costs: &&KernelCosts| costs.ring_degree.abs_diff(ring.degree);
    let Some(costs) = leveled.costs.iter().min_by_key(nearest) else { return f64::INFINITY };
    let shape = |node: usize| shapes.get(node).map_or((0, 2), |s| (s.level.limbs(), usize::from(s.parts)));
    let per_block: f64 = plan
        .iter()
        .map(|(node, op)| {
            let (limbs, parts) = shape(node.index());
            let kernels = match op {
                Op::Input { .. } => Kernels { loads: float(limbs), ..Kernels::default() },
                Op::Linear(linear) => {
                    let terms = linear.terms().len();
                    Kernels { linear_terms: float(terms * parts * limbs), ..Kernels::default() }
                }
                Op::Mul { .. } => Kernels { tensors: float(limbs), ..Kernels::default() },
                Op::Relinearize { .. } => Kernels::key_switch(limbs, 0, ring),
                // A switch after a relinearization is part of its division, at no price of its own.
                Op::ModSwitch { arg } if matches!(plan.op(*arg), Some(Op::Relinearize { .. })) => {
                    Kernels::default()
                }
                Op::ModSwitch { .. } => Kernels::division(1, limbs, parts),
                Op::Drop { .. } | Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } => {
                    Kernels::default()
                }
            };
            kernels.nanoseconds(costs)
        })
        .sum();
    let kept = release.limbs();
    let at_the_end: f64 = plan
        .sums
        .iter()
        .map(|sum| {
            let (limbs, parts) = shape(sum.node.index());
            let dropped = limbs.saturating_sub(kept);
            let lowered = if parts == 3 {
                Kernels::key_switch(limbs, dropped, ring)
            } else {
                Kernels::division(dropped, kept, 1)
            };
            lowered.nanoseconds(costs) + costs.release * float(kept)
        })
        .sum();
    let blocks = float(usize::try_from(crate::certificate::blocks(plan, ring.degree)).unwrap_or(usize::MAX));
    (per_block * blocks + at_the_end) * f64::from(ring.degree)
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "estimates need no more than a double holds")]
fn float(value: usize) -> f64 {
    value as f64
}
