//! From stages to primes: how many primes each stage of a placed plan has, of chains that are wished for and of
//! chains that exist.

use hq_plugin_sdk::parameters::{RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Builder, Level, Linear, NodeId, Op, Plan, Sum};
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
    /// Largest power of the secret that a relinearization needs.
    pub relinearization_degree: u32,
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
    /// The least chain for this demand and one width of key-switching digits.
    #[must_use]
    pub fn wish(&self, sizes: PrimeSizes, digit_limbs: u32, key_switch_unit: f64) -> Option<Wish> {
        // A prime of b bits is at least 2^(b - 1).
        let widest = f64::from(sizes.widest) - 1.0;
        let mut modulus_bits = Vec::new();
        let mut limbs = vec![0; self.modulus.len()];
        let mut total = 0.0;
        for stage in 1..self.modulus.len() {
            let (modulus, gap) = (*self.modulus.get(stage)?, *self.gap.get(stage)?);
            let bits = if stage == 1 { self.sums_modulus() } else { gap.max(modulus - total) };
            if bits > 0.0 {
                let count = (bits / widest).ceil().max(1.0);
                let least = if stage == 1 { 1.0 } else { sizes.least };
                total += share(bits.max(count * least), ceil(count, 1..=64), sizes, &mut modulus_bits);
            }
            *limbs.get_mut(stage)? = modulus_bits.len();
        }
        let bits_to = |count: usize| -> f64 {
            modulus_bits.iter().take(count).map(|&bits| f64::from(bits) - 1.0).sum()
        };
        let at_sums = *limbs.get(1)?;
        let release = (1..=at_sums).find(|&count| self.opens(bits_to(at_sums), bits_to(count)))?;
        *limbs.get_mut(0)? = release;
        let mut special = LEAST_SPECIAL_BITS;
        for &(stage, parts, noise) in &self.relinearized {
            let primes = modulus_bits.get(..*limbs.get(stage)?)?;
            special = special.max(special_bits(primes, digit_limbs, parts, key_switch_unit) - noise);
        }
        let specials = (special / widest).ceil().max(1.0);
        let mut special_bits = Vec::new();
        share(special, ceil(specials, 1..=64), PrimeSizes { least: 1.0, ..sizes }, &mut special_bits);
        let degree = self.relinearized.iter().map(|&(_, parts, _)| u32::from(parts) - 1).max();
        Some(Wish {
            chain: Chain { limbs, release },
            modulus_bits,
            special_bits,
            digit_limbs,
            relinearization_degree: degree.unwrap_or(2).max(2),
        })
    }

    /// The stages in a chain that exists.
    ///
    /// # Errors
    /// Bits that the chain and its special primes lack.
    pub fn fit(&self, parameters: &RnsParameters, key_switch_unit: f64) -> Result<Chain, f64> {
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
        let at_sums = limbs.get(1).copied().unwrap_or(all);
        let release = (1..=at_sums).find(|&count| self.opens(log2_q(at_sums), log2_q(count)));
        let bits: Vec<u32> =
            parameters.moduli.iter().map(|prime| u64::BITS - prime.leading_zeros()).collect();
        for &(stage, parts, noise) in &self.relinearized {
            let primes = limbs.get(stage).and_then(|&count| bits.get(..count)).unwrap_or_default();
            let needed = special_bits(primes, parameters.digit_limbs, parts, key_switch_unit) - noise;
            lacking += (needed - parameters.log2_p() - SPECIAL_SLACK_BITS).max(0.0);
            let degree = u32::from(parts).saturating_sub(1);
            lacking += f64::from(degree.saturating_sub(parameters.relinearization_degree)) * 100.0;
        }
        match release {
            Some(release) if lacking <= 0.0 => {
                if let Some(first) = limbs.first_mut() {
                    *first = release;
                }
                Ok(Chain { limbs, release })
            }
            Some(_) => Err(lacking),
            None => Err(lacking.max(1.0)),
        }
    }
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
            relinearization_degree: self.relinearization_degree,
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

impl Chain {
    /// The level of a stage.
    fn level(&self, stage: Level) -> Level {
        let limbs = self.limbs.get(usize::from(stage.0)).copied().unwrap_or(1);
        Level(u8::try_from(limbs.saturating_sub(1)).unwrap_or(u8::MAX))
    }

    /// Level at which results are opened.
    #[must_use]
    pub fn release_level(&self) -> Level {
        Level(u8::try_from(self.release.saturating_sub(1)).unwrap_or(u8::MAX))
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
                Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } => return Err(wrong(node)),
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
