//! The average size of noise: the standard deviation of every value and of every released sum of a placed
//! plan, by simulation in the canonical embedding.
//!
//! State per value: `v(zeta)` at some thousand sample points, for `v = c0 + c1 s + … + cd s^d`. At one point every
//! random polynomial with independent coefficients of variance V is a complex Gaussian of variance N V (Murphy
//! and Player, "A central limit framework for ring-LWE decryption", ePrint 2019/452), and products and
//! combinations of values are those of complex numbers, exactly. So squares, powers, shared masks and correlated
//! sums come out as they are, where formulas that take operands as independent are too low. The variance of a
//! coefficient is `mean |v|^2 / N` (Parseval).
//!
//! This chooses and explains; what is promised is the bound of `noise`, which averages nothing.

mod draw;
mod scheme;
#[cfg(test)]
mod tests;

use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::{NodeId, Op, Origin, Plan};
use hq_plugin_sdk::verify::{self, Invalid, Shape};

use draw::{Draw, Point, WIDTH};
use scheme::Scheme;

use crate::certificate::{blocks, not_placed};
use crate::noise::log2_add;

/// Sample points at most and at least. The relative error of a standard deviation is `sqrt(r / points) / 2`, where
/// r is the relative variance of |v|^2: 1 for a fresh value, 23 for a product of two switched ones.
const POINTS: std::ops::RangeInclusive<usize> = 2048..=16_384;

/// Nodes times points that take about 0.1 s.
const WORK: usize = 1 << 23;

/// What noise is on average, log2 of standard deviations of coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviations {
    /// Per node.
    pub node_bits: Vec<f64>,
    /// Per sum.
    pub sums: Vec<SumDeviation>,
}

/// What is expected of one released number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumDeviation {
    /// As it arrives at the release level.
    pub bits: f64,
    /// With flooding: what is opened.
    pub flooded_bits: f64,
}

/// Simulates a placed plan. The same plan gives the same numbers always.
///
/// # Errors
/// The plan is malformed or not placed.
pub fn deviations(plan: &Plan, leveled: &Leveled) -> Result<Deviations, Invalid> {
    let shapes = verify::shapes(plan)?;
    let Some(Parameters::Rns(rns)) = &plan.parameters else {
        return Err(not_placed());
    };
    let simulation = Simulation::new(plan, &shapes, rns, leveled);
    let points = WORK / plan.nodes().len().next_power_of_two();
    let points = points.clamp(*POINTS.start(), *POINTS.end());
    let means = simulation.run(points);
    let log2_n = simulation.scheme.degree.log2();
    Ok(Deviations {
        node_bits: means.iter().map(|mean| (mean.all - log2_n) / 2.0).collect(),
        sums: plan.sums.iter().map(|sum| simulation.released(&means, sum.node)).collect(),
    })
}

/// log2 of mean squares over points.
#[derive(Clone, Copy, Debug)]
struct Mean {
    /// Of v.
    all: f64,
    /// Of what all blocks have in common: the mean of v over everything that is drawn anew for each block.
    /// Values are polynomials in circular Gaussians, so it is v with all those set to 0.
    common: f64,
}

struct Simulation<'a> {
    plan: &'a Plan,
    shapes: &'a [Shape],
    scheme: Scheme,
    /// A rough size of each node in bits: samples are kept in units of it, so that no double overflows.
    units: Vec<f64>,
    /// Whether each node is the same in every block: it reads nothing but parameters.
    same: Vec<bool>,
    /// Whether any is.
    any_same: bool,
    /// The highest power of s.
    powers: u8,
    rows_per_block: u32,
}

impl<'a> Simulation<'a> {
    fn new(plan: &'a Plan, shapes: &'a [Shape], rns: &RnsParameters, leveled: &Leveled) -> Self {
        let scheme = Scheme::of(rns, leveled);
        let powers = shapes.iter().map(|shape| shape.parts).max().unwrap_or(2).max(3) - 1;
        let mut same: Vec<bool> = Vec::with_capacity(plan.nodes().len());
        for op in plan.nodes() {
            let own = if let Op::Input { input, .. } = op {
                plan.origin(*input) == Origin::Parameter
            } else {
                op.operands().iter().all(|node| same.get(node.index()) == Some(&true))
            };
            same.push(own);
        }
        let any_same = same.contains(&true);
        let mut simulation = Self {
            plan,
            shapes,
            scheme,
            units: Vec::new(),
            same,
            any_same,
            powers,
            rows_per_block: rns.ring_degree,
        };
        for (node, op) in plan.iter() {
            let unit = simulation.rough_bits(node, op);
            simulation.units.push(unit);
        }
        simulation
    }

    fn shape(&self, node: NodeId) -> (usize, u8) {
        self.shapes.get(node.index()).map_or((0, 2), |shape| (usize::from(shape.level.0), shape.parts))
    }

    fn unit(&self, node: NodeId) -> f64 {
        self.units.get(node.index()).copied().unwrap_or(0.0)
    }

    /// log2 of a deviation, dependence neglected.
    fn rough_bits(&self, node: NodeId, op: &Op) -> f64 {
        let bits = |variance: f64| variance.log2() / 2.0;
        let secret = self.scheme.secret();
        match op {
            Op::Input { .. } => bits(self.scheme.public_zero(secret, self.scheme.degree * self.scheme.error)),
            Op::Linear(linear) => linear.terms().iter().fold(0.0, |most, &(coefficient, term)| {
                most.max(magnitude(coefficient).log2() + self.unit(term))
            }),
            Op::Mul { left, right } => self.unit(*left) + self.unit(*right),
            Op::Relinearize { arg } => {
                let errors =
                    vec![vec![self.scheme.degree * self.scheme.error; self.scheme.log2_moduli.len()]];
                self.unit(*arg).max(bits(self.scheme.key_switch(secret, self.shape(node).0, &errors)))
            }
            Op::ModSwitch { arg } => {
                let (level, parts) = self.shape(*arg);
                let rounding = bits(self.scheme.rounding(secret, parts));
                rounding.max(self.unit(*arg) - self.scheme.log2_prime(level))
            }
            Op::Drop { arg, .. } => self.unit(*arg),
            Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => 0.0,
        }
    }

    /// Mean squares of all nodes.
    fn run(&self, points: usize) -> Vec<Mean> {
        let nodes = self.plan.nodes().len();
        let mut draw = Draw::new(points);
        let (mut squares, mut commons) = (vec![0.0; nodes], vec![0.0; nodes]);
        let mut values = vec![Point::ZERO; nodes];
        let mut common = vec![Point::ZERO; if self.any_same { nodes } else { 0 }];
        for _ in 0..points / WIDTH {
            let keys = draw.keys(&self.scheme, self.powers);
            for (node, op) in self.plan.iter() {
                let (before, _) = values.split_at(node.index());
                let mut value = self.apply(before, node, op);
                if let Some(variances) = self.noise(&keys, node, op) {
                    draw.add_noise(&mut value, &variances, (-self.unit(node)).exp2());
                }
                if self.any_same {
                    let same = self.same.get(node.index()) == Some(&true);
                    let (before, _) = common.split_at(node.index());
                    let own = if same { value.clone() } else { self.apply(before, node, op) };
                    add(&mut commons, node, own.square());
                    put(&mut common, node, own);
                }
                add(&mut squares, node, value.square());
                put(&mut values, node, value);
            }
        }
        let mean = |sum: f64, unit: f64| (sum / count(points)).log2() + 2.0 * unit;
        let zipped = squares.iter().zip(&commons).zip(&self.units);
        zipped
            .map(|((&all, &common), &unit)| Mean { all: mean(all, unit), common: mean(common, unit) })
            .collect()
    }

    /// A node from its operands, without noise of its own.
    fn apply(&self, values: &[Point], node: NodeId, op: &Op) -> Point {
        let zero = Point::ZERO;
        let of = |node: NodeId| values.get(node.index()).unwrap_or(&zero);
        let unit = self.unit(node);
        let moved = |arg: NodeId, down: f64| of(arg).scaled((self.unit(arg) - down - unit).exp2());
        match op {
            Op::Input { .. } | Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => {
                zero
            }
            Op::Linear(linear) => {
                let mut sum = Point::constant(signed(linear.constant()) * (-unit).exp2());
                for &(coefficient, term) in linear.terms() {
                    sum.accumulate(signed(coefficient) * (self.unit(term) - unit).exp2(), of(term));
                }
                sum
            }
            Op::Mul { left, right } => of(*left).times(of(*right)),
            Op::Relinearize { arg } | Op::Drop { arg, .. } => moved(*arg, 0.0),
            Op::ModSwitch { arg } => moved(*arg, self.scheme.log2_prime(self.shape(*arg).0)),
        }
    }

    /// The variances at each point of what a node adds, given the keys; `None` where it adds nothing.
    fn noise(&self, keys: &draw::Keys, node: NodeId, op: &Op) -> Option<Vec<f64>> {
        let scheme = &self.scheme;
        match op {
            Op::Input { input, .. } => Some(match self.plan.origin(*input) {
                Origin::Table => vec![scheme.fresh(); WIDTH],
                Origin::Parameter => keys.map(|secret, public, _| scheme.public_zero(secret, public)),
            }),
            Op::Relinearize { arg } => {
                let (level, powers) = (self.shape(node).0, usize::from(self.shape(*arg).1).saturating_sub(2));
                Some(keys.map(|secret, _, errors| {
                    scheme.key_switch(secret, level, errors.get(..powers).unwrap_or(errors))
                }))
            }
            Op::ModSwitch { arg } => {
                let parts = self.shape(*arg).1;
                Some(keys.map(|secret, _, _| scheme.rounding(secret, parts)))
            }
            Op::Linear(_) | Op::Mul { .. } | Op::Drop { .. } => None,
            Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => None,
        }
    }

    /// A sum over all blocks at the release level, by the way that its release tells: flooded.
    fn released(&self, means: &[Mean], node: NodeId) -> SumDeviation {
        let scheme = &self.scheme;
        let blocks = blocks(self.plan.rows, self.rows_per_block);
        let blocks = u32::try_from(blocks).map_or(f64::MAX, f64::from);
        let nothing = Mean { all: f64::NEG_INFINITY, common: f64::NEG_INFINITY };
        let mean = means.get(node.index()).copied().unwrap_or(nothing);
        // B (all - common) + B^2 common
        let mut bits = log2_add(mean.all + blocks.log2(), mean.common + (blocks * (blocks - 1.0)).log2());
        let (level, parts) = self.shape(node);
        let (secret, public) = (scheme.secret(), scheme.degree * scheme.error);
        let way = self.plan.release.map_or((0, 0), |release| (release.relinearize.0, release.level.0));
        let (relinearize, release) = (usize::from(way.0), usize::from(way.1));
        let divided = |bits: f64, from: usize, to: usize, parts: u8| {
            let dropped: f64 = (to + 1..=from).map(|level| scheme.log2_prime(level)).sum();
            if dropped > 0.0 {
                log2_add(bits - 2.0 * dropped, scheme.mean_rounding(parts).log2())
            } else {
                bits
            }
        };
        let mut level = level;
        if parts > 2 {
            let keys = vec![vec![public; scheme.log2_moduli.len()]; usize::from(parts - 2)];
            bits = divided(bits, level, relinearize, parts);
            level = level.min(relinearize);
            bits = log2_add(bits, scheme.key_switch(secret, level, &keys).log2());
        }
        bits = divided(bits, level, release, 2);
        let flood = self.plan.release.map_or(0, |release| release.flood_bits);
        let uniform = 2.0 * (scheme.modulus.log2() + f64::from(flood)) - 3_f64.log2();
        let log2_n = scheme.degree.log2();
        // Flooding is added to one coefficient.
        let flooded = log2_add(log2_add(bits, scheme.public_zero(secret, public).log2()) - log2_n, uniform);
        SumDeviation { bits: (bits - log2_n) / 2.0, flooded_bits: flooded / 2.0 }
    }
}

fn add(sums: &mut [f64], node: NodeId, value: f64) {
    if let Some(sum) = sums.get_mut(node.index()) {
        *sum += value;
    }
}

fn put(values: &mut [Point], node: NodeId, value: Point) {
    if let Some(place) = values.get_mut(node.index()) {
        *place = value;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a coefficient counts as a double")]
fn signed(coefficient: i64) -> f64 {
    coefficient as f64
}

fn magnitude(coefficient: i64) -> f64 {
    signed(coefficient).abs().max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "points are few")]
fn count(points: usize) -> f64 {
    points as f64
}
