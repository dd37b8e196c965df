//! Estimated CPU time of a placed plan: how often each kernel runs over a limb, times what the backend says
//! a slot of it costs.

use hq_plugin_sdk::capabilities::{KernelCosts, Leveled};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{NodeId, Op, Plan};
use hq_plugin_sdk::verify::Shape;

use crate::chain::{Chain, widen_keys};

/// What the price of an operation depends on besides its number of limbs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// N.
    pub degree: u32,
    /// Primes of the chain.
    pub limbs: usize,
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
            limbs: parameters.moduli.len(),
            digit_limbs: parameters.digit_limbs,
            specials: u32::try_from(parameters.special_moduli.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Kernel runs over one limb of N slots.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kernels {
    /// Limbs of ciphertexts read, both parts.
    pub loads: f64,
    /// Transforms, forward and back.
    pub transforms: f64,
    /// Products of a digit with a key.
    pub key_products: f64,
    /// Source limbs of base conversions.
    pub conversions: f64,
    /// Products of ciphertext parts.
    pub products: f64,
    /// Terms of linear combinations, part by part.
    pub linear_terms: f64,
    /// Limbs of released samples.
    pub releases: f64,
    /// Limbs of keys and of sums: memory that is touched for the first time.
    pub setups: f64,
}

impl Kernels {
    /// Nanoseconds for each slot.
    #[must_use]
    pub fn nanoseconds(self, costs: &KernelCosts) -> f64 {
        self.loads * costs.load
            + self.transforms * costs.transform
            + self.key_products * costs.key_product
            + self.conversions * costs.conversion
            + self.products * costs.product
            + self.linear_terms * costs.linear_term
            + self.releases * costs.release
            + self.setups * costs.setup
    }

    fn times(self, count: usize) -> Self {
        self.with(Self::default(), |own, _| own * float(count))
    }

    fn plus(self, other: Self) -> Self {
        self.with(other, |own, other| own + other)
    }

    /// Count by count.
    fn with(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            loads: f(self.loads, other.loads),
            transforms: f(self.transforms, other.transforms),
            key_products: f(self.key_products, other.key_products),
            conversions: f(self.conversions, other.conversions),
            products: f(self.products, other.products),
            linear_terms: f(self.linear_terms, other.linear_terms),
            releases: f(self.releases, other.releases),
            setups: f(self.setups, other.setups),
        }
    }

    /// Key switching of `powers` parts of `limbs` primes each, before the division by P.
    fn key_switch(limbs: usize, powers: usize, ring: Ring) -> Self {
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
        let one = Self {
            transforms: float(transforms),
            key_products: float(key_products),
            conversions: float(conversions),
            ..Self::default()
        };
        one.times(powers)
    }

    /// Division of so many parts by `dropped` primes towards `kept`; the last subtraction and product cost
    /// as much as the conversion of one more prime.
    fn division(dropped: usize, kept: usize, parts: usize) -> Self {
        if dropped == 0 {
            return Self::default();
        }
        Self {
            transforms: float(parts * (dropped + kept)),
            conversions: float(parts * (dropped + 1) * kept),
            ..Self::default()
        }
    }
}

/// A step of a placed plan, with how many there are of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    #[default]
    Load,
    /// Products of parts.
    Product,
    /// Terms times parts.
    Terms,
    /// Relinearization of so many parts, with a division to a level.
    Relinearize { parts: u8, to: u8 },
    /// A switch of so many parts on its own, to a level.
    Switch { parts: u8, to: u8 },
    /// Release of a sum of so many parts.
    Release { parts: u8 },
}

/// How many steps of each kind a placed plan takes at each of its levels: all that its cost depends on.
#[derive(Clone, Debug)]
pub struct Census {
    rows: u64,
    steps: Vec<(u8, Step, usize)>,
}

impl Census {
    /// Of a placed plan with its shapes; its levels may be stages.
    #[must_use]
    pub fn of(plan: &Plan, shapes: &[Shape]) -> Self {
        let mut counts: std::collections::BTreeMap<(u8, Step), usize> = std::collections::BTreeMap::new();
        let shape = |node: NodeId| shapes.get(node.index()).map_or((0, 2), |s| (s.level.0, s.parts));
        let mut readers = vec![0_u32; plan.nodes().len()];
        let operands = plan.nodes().iter().flat_map(Op::operands).chain(plan.sums.iter().map(|sum| sum.node));
        for node in operands {
            if let Some(count) = readers.get_mut(node.index()) {
                *count += 1;
            }
        }
        let alone = |node: NodeId| readers.get(node.index()) == Some(&1);
        // What a switch on the way of a merged division comes from, and the divisions that go on.
        let mut origin: Vec<Option<(u8, Step)>> = vec![None; plan.nodes().len()];
        let mut add =
            |level: u8, step: Step, count: usize| *counts.entry((level, step)).or_default() += count;
        let goes_on: Vec<bool> = {
            let mut goes_on = vec![false; plan.nodes().len()];
            for op in plan.nodes() {
                if let Op::ModSwitch { arg } = op
                    && alone(*arg)
                    && let Some(flag) = goes_on.get_mut(arg.index())
                {
                    *flag = true;
                }
            }
            goes_on
        };
        for (node, op) in plan.iter() {
            let (level, parts) = shape(node);
            let division = match op {
                Op::Input { .. } => {
                    add(level, Step::Load, 1);
                    None
                }
                Op::Linear(linear) => {
                    let terms = linear.terms().iter().map(|&(_, term)| usize::from(shape(term).1)).sum();
                    add(level, Step::Terms, terms);
                    None
                }
                Op::Mul { left, right } => {
                    add(level, Step::Product, usize::from(shape(*left).1) * usize::from(shape(*right).1));
                    None
                }
                Op::Relinearize { arg } => {
                    Some((level, Step::Relinearize { parts: shape(*arg).1, to: level }))
                }
                Op::ModSwitch { arg } => {
                    let merged = if alone(*arg) { origin.get(arg.index()).copied().flatten() } else { None };
                    Some(match merged {
                        Some((from, Step::Relinearize { parts, .. })) => {
                            (from, Step::Relinearize { parts, to: level })
                        }
                        Some((from, Step::Switch { parts, .. })) => (from, Step::Switch { parts, to: level }),
                        _ => (shape(*arg).0, Step::Switch { parts, to: level }),
                    })
                }
                Op::Drop { .. }
                | Op::Member { .. }
                | Op::Less { .. }
                | Op::Equal { .. }
                | Op::Lookup { .. } => None,
            };
            if let Some((from, step)) = division {
                let unfinished = goes_on.get(node.index()).copied().unwrap_or(false);
                if unfinished {
                    if let Some(place) = origin.get_mut(node.index()) {
                        *place = Some((from, step));
                    }
                } else {
                    add(from, step, 1);
                }
            }
        }
        for sum in &plan.sums {
            let (level, parts) = shape(sum.node);
            add(level, Step::Release { parts }, 1);
        }
        Self {
            rows: plan.rows,
            steps: counts.into_iter().map(|((level, step), count)| (level, step, count)).collect(),
        }
    }

    /// Kernels of a block and of everything that is done once, for a ring and a chain.
    #[must_use]
    pub fn kernels(&self, ring: Ring, chain: &Chain) -> (Kernels, Kernels) {
        let at = |level: u8| chain.limbs.get(usize::from(level)).copied().unwrap_or(1);
        let (specials, release) = (size(ring.specials), chain.release);
        let (mut block, mut once) = (Kernels::default(), Kernels::default());
        // Keys are expanded for what is relinearized: primes, by power.
        let mut keys = Vec::new();
        for &(level, step, count) in &self.steps {
            let limbs = at(level);
            let kernels = |kernels: Kernels| kernels.times(count);
            match step {
                Step::Load => {
                    block = block.plus(kernels(Kernels { loads: float(limbs), ..Kernels::default() }))
                }
                Step::Product => {
                    block = block.plus(kernels(Kernels { products: float(limbs), ..Kernels::default() }));
                }
                Step::Terms => {
                    block = block.plus(kernels(Kernels { linear_terms: float(limbs), ..Kernels::default() }));
                }
                Step::Relinearize { parts, to } => {
                    let own = usize::from(parts).saturating_sub(2);
                    widen_keys(&mut keys, own, limbs);
                    let kept = at(to);
                    let switch = Kernels::key_switch(limbs, own, ring);
                    block =
                        block.plus(kernels(switch.plus(Kernels::division(specials + limbs - kept, kept, 2))));
                }
                Step::Switch { parts, to } => {
                    let kept = at(to);
                    block = block.plus(kernels(Kernels::division(limbs - kept, kept, usize::from(parts))));
                }
                Step::Release { parts } => {
                    let own = usize::from(parts).saturating_sub(2);
                    let kept = release.min(limbs);
                    let mut kernel = Kernels {
                        releases: float(kept),
                        transforms: float(kept),
                        setups: float((own + 1) * limbs),
                        ..Kernels::default()
                    };
                    if own > 0 {
                        let middle = chain.relinearize.clamp(kept, limbs);
                        widen_keys(&mut keys, own, middle);
                        kernel = kernel.plus(Kernels::division(limbs - middle, middle, own + 1));
                        kernel = kernel.plus(Kernels::key_switch(middle, own, ring));
                        kernel = kernel.plus(Kernels::division(specials + middle - kept, kept, 1));
                    } else {
                        kernel = kernel.plus(Kernels::division(limbs - kept, kept, 1));
                    }
                    once = once.plus(kernels(kernel));
                }
            }
        }
        let key = |&limbs: &usize| limbs.div_ceil(size(ring.digit_limbs).max(1)) * (limbs + specials);
        let keys: usize = keys.iter().map(key).sum();
        once.setups += float(2 * (keys + release));
        (block, once)
    }

    /// Estimated CPU nanoseconds of all blocks and of the release of the sums.
    #[must_use]
    pub fn nanoseconds(&self, leveled: &Leveled, ring: Ring, chain: &Chain) -> f64 {
        let Some(costs) = nearest(leveled, ring.degree) else { return f64::INFINITY };
        let (block, once) = self.kernels(ring, chain);
        let blocks = crate::certificate::blocks(self.rows, ring.degree);
        let blocks = float(usize::try_from(blocks).unwrap_or(usize::MAX));
        (block.nanoseconds(costs) * blocks + once.nanoseconds(costs)) * f64::from(ring.degree)
    }
}

/// The costs at the ring degree nearest to this.
#[must_use]
pub fn nearest(leveled: &Leveled, ring_degree: u32) -> Option<&KernelCosts> {
    leveled.costs.iter().min_by_key(|costs| costs.ring_degree.abs_diff(ring_degree))
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "estimates need no more than a double holds")]
fn float(value: usize) -> f64 {
    value as f64
}
