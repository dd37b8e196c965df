//! From stages to primes: how many primes each stage of a placed plan has, of chains that are wished for and of
//! chains that exist.

use hq_plugin_sdk::parameters::{RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Builder, Level, Linear, NodeId, Op, Plan, Release, Sum};
use hq_plugin_sdk::verify::Invalid;

use crate::algebra::Result as Rebuilt;
use crate::demand::Demand;
use crate::noise::ceil;

/// A special prime has at least so many bits.
const LEAST_SPECIAL_BITS: f64 = 24.0;

/// Primes of a chain may be some bits wider than was asked for, and key switching then adds as much more: the
/// certificate says whether that is too much.
const SPECIAL_SLACK_BITS: f64 = 8.0;

/// How the primes of a chain are shared out among stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Primes of the modulus at each stage.
    pub limbs: Vec<usize>,
    /// Primes of the modulus under which results are opened.
    pub release: usize,
    /// Primes of the modulus under which sums of more than two parts are relinearized; those under more are switched
    /// down to it first.
    pub relinearize: usize,
}

/// A chain that is wished for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Its stages.
    pub chain: Chain,
    /// Bits of each prime.
    pub modulus_bits: Vec<u32>,
    /// Bits of each special prime.
    pub special_bits: Vec<u32>,
    /// Primes per key-switching digit.
    pub digit_limbs: u32,
    /// By power of the secret, from the second: primes under which it is relinearized.
    pub relinearization_limbs: Vec<u32>,
}

/// Bounds of the primes that a backend has.
#[derive(Clone, Copy, Debug)]
pub struct PrimeSizes {
    /// Bits of the least prime that is 1 modulo 2N and t.
    pub least: f64,
    /// Bits of the widest prime.
    pub widest: u32,
}

impl Demand {
    /// The least chains for this demand and one width of key-switching digits, one for each way that sums of more
    /// than two parts can take.
    #[must_use]
    pub fn wishes(&self, sizes: PrimeSizes, digit_limbs: u32, key_switch_unit: f64) -> Vec<Wish> {
        // A prime of b bits is at least 2^(b - 1).
        let widest = f64::from(sizes.widest) - 1.0;
        let mut modulus_bits = Vec::new();
        let mut limbs = vec![0; self.modulus.len()];
        let mut total = 0.0;
        let stages = limbs.iter_mut().zip(&self.modulus).zip(&self.gap).enumerate().skip(1);
        for (stage, ((limbs, modulus), gap)) in stages {
            let bits = if stage == 1 { self.sums_modulus() } else { gap.max(modulus - total) };
            if bits > 0.0 {
                let count = (bits / widest).ceil().max(1.0);
                let least = if stage == 1 { 1.0 } else { sizes.least };
                total += share(bits.max(count * least), ceil(count, 1..=64), sizes, &mut modulus_bits);
            }
            *limbs = modulus_bits.len();
        }
        let log2_q = |count: usize| -> f64 {
            modulus_bits.iter().take(count).map(|&bits| f64::from(bits) - 1.0).sum()
        };
        let primes = Primes { log2_q: &log2_q, bits: &modulus_bits, digit_limbs, key_switch_unit };
        let Some(release) = self.release(&mut limbs, &primes) else { return Vec::new() };
        let wish = |way: Way| {
            let special = way.special.max(LEAST_SPECIAL_BITS);
            let specials = (special / widest).ceil().max(1.0);
            let mut special_bits = Vec::new();
            share(special, ceil(specials, 1..=64), PrimeSizes { least: 1.0, ..sizes }, &mut special_bits);
            Wish {
                chain: Chain { limbs: limbs.clone(), release, relinearize: way.relinearize },
                modulus_bits: modulus_bits.clone(),
                special_bits,
                digit_limbs,
                relinearization_limbs: way.keys.iter().map(|&limbs| primes_of(limbs)).collect(),
            }
        };
        self.ways(&limbs, release, &primes).into_iter().map(wish).collect()
    }

    /// The stages in a chain that exists, once for each way that sums of more than two parts can take.
    ///
    /// # Errors
    /// Bits that the chain and its special primes lack.
    pub fn fit(&self, parameters: &RnsParameters, key_switch_unit: f64) -> Result<Vec<Chain>, f64> {
        let all = parameters.moduli.len();
        let log2_q = |count: usize| count.checked_sub(1).map_or(0.0, |last| parameters.log2_q(last));
        let stages = self.modulus.iter().zip(&self.gap).enumerate().skip(1);
        let (mut limbs, mut count, mut lacking) = (vec![0], 0, 0.0);
        for (stage, (&modulus, &gap)) in stages {
            let needed = if stage == 1 { self.sums_modulus() } else { (log2_q(count) + gap).max(modulus) };
            while count < all && (count == 0 || log2_q(count) < needed) {
                count += 1;
            }
            lacking += (needed - log2_q(count)).max(0.0);
            limbs.push(count);
        }
        let bits: Vec<u32> =
            parameters.moduli.iter().map(|prime| u64::BITS - prime.leading_zeros()).collect();
        let primes =
            Primes { log2_q: &log2_q, bits: &bits, digit_limbs: parameters.digit_limbs, key_switch_unit };
        let Some(release) = self.release(&mut limbs, &primes) else { return Err(lacking.max(1.0)) };
        let (mut chains, mut least) = (Vec::new(), f64::INFINITY);
        for way in self.ways(&limbs, release, &primes) {
            let mut own = lacking + (way.special - parameters.log2_p() - SPECIAL_SLACK_BITS).max(0.0);
            for (index, &wanted) in way.keys.iter().enumerate() {
                let given = parameters.relinearization_limbs.get(index).copied().unwrap_or(0);
                own += f64::from(primes_of(wanted).saturating_sub(given)) * 100.0;
            }
            least = least.min(own);
            if own <= 0.0 {
                chains.push(Chain { limbs: limbs.clone(), release, relinearize: way.relinearize });
            }
        }
        if chains.is_empty() {
            Err(if least.is_finite() { least } else { lacking.max(1.0) })
        } else {
            Ok(chains)
        }
    }

    /// Primes of the modulus under which results are opened: those of stage 0.
    fn release(&self, limbs: &mut [usize], primes: &Primes<'_>) -> Option<usize> {
        let [first, sums, ..] = limbs else { return None };
        let log2_q = primes.log2_q;
        let release = (1..=*sums).find(|&count| self.opens(log2_q(*sums), log2_q(count)))?;
        *first = release;
        Some(release)
    }

    /// Where sums of more than two parts can be relinearized, from the release level up.
    fn ways(&self, limbs: &[usize], release: usize, primes: &Primes<'_>) -> Vec<Way> {
        let limbs = |stage: usize| limbs.get(stage).copied().unwrap_or(0);
        let mut base = Way { relinearize: release, special: f64::NEG_INFINITY, keys: Vec::new() };
        for &(stage, parts, noise) in &self.relinearized {
            base.add(primes, limbs(stage), parts, noise);
        }
        let highest = self.released.iter().map(|&(stage, ..)| limbs(stage)).max().unwrap_or(release);
        let way = |relinearize: usize| {
            let mut way = Way { relinearize, ..base.clone() };
            for &(stage, parts, noise) in &self.released {
                let (from, to) = (limbs(stage), limbs(stage).min(relinearize));
                let noise = self.relinearizes((parts, noise), [from, to, release].map(primes.log2_q))?;
                way.add(primes, to, parts, noise);
            }
            Some(way)
        };
        (release..=highest.max(release)).filter_map(way).collect()
    }
}

/// Primes of a chain, wished for or given.
struct Primes<'a> {
    /// Bits of the product of the first so many, at least.
    log2_q: &'a dyn Fn(usize) -> f64,
    bits: &'a [u32],
    digit_limbs: u32,
    key_switch_unit: f64,
}

/// A way for sums of more than two parts, and what relinearizations need with it.
#[derive(Clone)]
struct Way {
    /// Primes of the modulus under which they are relinearized.
    relinearize: usize,
    /// Bits of P.
    special: f64,
    /// By power of the secret, from the second: primes that its key is for.
    keys: Vec<usize>,
}

/// Keys by power of the secret, from the second, so that they serve the first `powers` under `limbs` primes as well.
pub(crate) fn widen_keys(keys: &mut Vec<usize>, powers: usize, limbs: usize) {
    keys.resize(keys.len().max(powers), 0);
    keys.iter_mut().take(powers).for_each(|most| *most = limbs.max(*most));
}

impl Way {
    /// Adds a relinearization under so many primes of `parts` parts with this noise.
    fn add(&mut self, primes: &Primes<'_>, limbs: usize, parts: u8, noise: f64) {
        let digits = primes.bits.get(..limbs).unwrap_or(primes.bits);
        let needed = special_bits(digits, primes.digit_limbs, parts, primes.key_switch_unit);
        self.special = self.special.max(needed - noise);
        widen_keys(&mut self.keys, usize::from(parts).saturating_sub(2), limbs);
    }
}

fn primes_of(limbs: usize) -> u32 {
    u32::try_from(limbs).unwrap_or(u32::MAX)
}

/// Bits that P needs to bring the noise of key switching to 1.
fn special_bits(primes: &[u32], digit_limbs: u32, parts: u8, key_switch_unit: f64) -> f64 {
    let width = usize::try_from(digit_limbs).unwrap_or(1).max(1);
    let digits: f64 = primes.chunks(width).map(|digit| f64::from(digit.iter().sum::<u32>()).exp2()).sum();
    (digits * key_switch_unit * f64::from(parts.saturating_sub(2))).log2()
}

/// Shares bits out among primes as evenly as whole bits go; a prime of b bits counts as b - 1. Returns their sum.
fn share(bits: f64, count: u32, sizes: PrimeSizes, out: &mut Vec<u32>) -> f64 {
    let whole = ceil(bits, 1..=1 << 16);
    let mut total = 0;
    for index in 0..count {
        let own = whole / count + u32::from(index < whole % count) + 1;
        let own = own.clamp(ceil(sizes.least, 1..=64), sizes.widest);
        out.push(own);
        total += own - 1;
    }
    f64::from(total)
}

impl Wish {
    /// What the backend is asked for.
    #[must_use]
    pub fn request(&self, ring_degree: u32, min_plaintext_modulus: u64, security_bits: u32) -> RnsRequest {
        RnsRequest {
            ring_degree,
            min_plaintext_modulus,
            modulus_bits: self.modulus_bits.clone(),
            special_bits: self.special_bits.clone(),
            digit_limbs: self.digit_limbs,
            relinearization_limbs: self.relinearization_limbs.clone(),
            security_bits,
        }
    }

    /// At least log2 of Q.
    #[must_use]
    pub fn log2_q(&self) -> u32 {
        self.modulus_bits.iter().map(|bits| bits - 1).sum()
    }

    /// At least log2 of Q P.
    #[must_use]
    pub fn log2_qp(&self) -> u32 {
        self.modulus_bits.iter().chain(&self.special_bits).map(|bits| bits - 1).sum()
    }
}

/// The level of so many primes.
fn level(limbs: usize) -> Level {
    Level(u8::try_from(limbs.saturating_sub(1)).unwrap_or(u8::MAX))
}

impl Chain {
    /// A given chain with its own levels as stages.
    #[must_use]
    pub fn of(parameters: &RnsParameters, release: Release) -> Self {
        Self {
            limbs: (1..=parameters.moduli.len()).collect(),
            release: release.level.limbs(),
            relinearize: release.relinearize.limbs(),
        }
    }

    /// The level of a stage.
    fn level(&self, stage: Level) -> Level {
        level(self.limbs.get(usize::from(stage.0)).copied().unwrap_or(1))
    }

    /// Under this chain, with flooding of so many bits.
    #[must_use]
    pub fn release(&self, flood_bits: u32) -> Release {
        Release { level: level(self.release), relinearize: level(self.relinearize), flood_bits }
    }

    /// The placed plan with levels of primes for stages: a switch between stages is one for each prime.
    ///
    /// # Errors
    /// The plan is not placed.
    pub fn spread(&self, plan: &Plan) -> Rebuilt<Plan> {
        let mut builder = Builder::like(plan);
        // New name and stage of each old node.
        let mut placed: Vec<(NodeId, Level)> = Vec::with_capacity(plan.nodes().len());
        let wrong = |node: NodeId| Invalid { place: node.to_string(), reason: "is not placed".to_owned() };
        for (node, op) in plan.iter() {
            let at = |arg: &NodeId| placed.get(arg.index()).copied().ok_or_else(|| wrong(node));
            let new = match op {
                Op::Input { input, level } => {
                    let stage = level.ok_or_else(|| wrong(node))?;
                    (builder.push(Op::Input { input: *input, level: Some(self.level(stage)) }), stage)
                }
                Op::Linear(linear) => {
                    let first = linear.terms().first().ok_or_else(|| wrong(node))?;
                    let stage = at(&first.1)?.1;
                    let terms = linear.terms().iter().map(|(c, term)| Ok((*c, at(term)?.0)));
                    let terms = terms.collect::<Rebuilt<Vec<_>>>()?;
                    let linear = Linear::new(linear.constant(), terms).ok_or_else(|| wrong(node))?;
                    (builder.push(Op::Linear(linear)), stage)
                }
                Op::Mul { left, right } => {
                    let ((left, stage), (right, _)) = (at(left)?, at(right)?);
                    (builder.push(Op::Mul { left, right }), stage)
                }
                Op::Relinearize { arg } => {
                    let (arg, stage) = at(arg)?;
                    (builder.push(Op::Relinearize { arg }), stage)
                }
                Op::ModSwitch { arg } => {
                    let (mut new, stage) = at(arg)?;
                    let below = Level(stage.0.checked_sub(1).ok_or_else(|| wrong(node))?);
                    for _ in self.level(below).0..self.level(stage).0 {
                        new = builder.push(Op::ModSwitch { arg: new });
                    }
                    (new, below)
                }
                Op::Drop { arg, to } => {
                    let (new, stage) = at(arg)?;
                    if self.level(*to) < self.level(stage) {
                        (builder.push(Op::Drop { arg: new, to: self.level(*to) }), *to)
                    } else {
                        (new, *to)
                    }
                }
                Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => {
                    return Err(wrong(node));
                }
            };
            if let Some(range) = plan.proved(node) {
                builder.prove(new.0, range);
            }
            placed.push(new);
        }
        for sum in &plan.sums {
            let (node, _) = placed.get(sum.node.index()).copied().ok_or_else(|| wrong(sum.node))?;
            builder.sum(Sum { node, range: sum.range });
        }
        builder.plan_mut().aggregates.clone_from(&plan.aggregates);
        Ok(builder.finish())
    }
}
