//! What a placed plan asks of a modulus chain: the noise gap of each stage, and the room for what is opened.

use hq_plugin_sdk::plan::{NodeId, Op, Plan};
use hq_plugin_sdk::verify::Shape;

use crate::noise::{FLOODING_BITS, Noise, log2_add};

/// Bits between the noise before flooding and the modulus under which a number is opened: the flooding, the sign,
/// and the rounding of both to whole bits.
const OPENING_BITS: f64 = FLOODING_BITS as f64 + 2.5;

/// Demands of a plan whose levels are stages, in bits (log2).
#[derive(Clone, Debug)]
pub struct Demand {
    /// By stage: the modulus must be larger than every value there, and its sign.
    pub modulus: Vec<f64>,
    /// By stage: what a switch from it should divide by.
    pub gap: Vec<f64>,
    /// Noisiest sum over all blocks, relinearized; minus infinity without sums.
    pub sum: f64,
    /// Noise that every released number has: rounding and the encryption of zero.
    pub floor: f64,
    /// Relinearizations: stage, parts, and noise of what is relinearized.
    pub relinearized: Vec<(usize, u8, f64)>,
    /// The same of sums of more than two parts.
    pub released: Vec<(usize, u8, f64)>,
    /// By number of parts: the rounding of a switch.
    rounding: Vec<f64>,
}

impl Demand {
    /// Of a placed plan. `noise` has a ring and a tail; its levels are found here, from the top stage down:
    /// each switch brings its noisiest value to the rounding of the switch itself.
    #[must_use]
    pub fn of(plan: &Plan, shapes: &[Shape], blocks: f64, noise: &mut Noise) -> Self {
        let stages = shapes.iter().map(|shape| shape.level.limbs()).max().unwrap_or(1).max(2);
        let mut by_stage: Vec<Vec<(NodeId, &Op)>> = vec![Vec::new(); stages];
        for (node, op) in plan.iter() {
            // A switch is worked out with the stage that it leaves.
            let lift = usize::from(matches!(op, Op::ModSwitch { .. }));
            let stage = shapes.get(node.index()).map_or(0, |shape| usize::from(shape.level.0) + lift);
            if let Some(nodes) = by_stage.get_mut(stage) {
                nodes.push((node, op));
            }
        }
        let parameters = noise.parameters_mut();
        parameters.divisors = vec![1.0; stages];
        parameters.digits_over_p = vec![0.0; stages];
        let rounding = noise.rounding(2);
        let most_parts = shapes.iter().map(|shape| shape.parts).max().unwrap_or(2);
        let mut demand = Self {
            modulus: vec![0.0; stages],
            gap: vec![0.0; stages],
            sum: f64::NEG_INFINITY,
            floor: (rounding + noise.public_zero()).log2(),
            relinearized: Vec::new(),
            released: Vec::new(),
            rounding: (0..=most_parts).map(|parts| noise.rounding(parts).log2()).collect(),
        };
        let mut bounds = vec![f64::INFINITY; plan.nodes().len()];
        for (stage, nodes) in by_stage.iter().enumerate().rev() {
            demand.stage(plan, shapes, stage, nodes, noise, &mut bounds);
        }
        let mut sums = 0.0_f64;
        for sum in &plan.sums {
            let (bound, shape) = (bounds.get(sum.node.index()), shapes.get(sum.node.index()));
            let (Some(&bound), Some(shape)) = (bound, shape) else { continue };
            let mut bound = bound * blocks;
            if shape.parts > 2 {
                demand.released.push((usize::from(shape.level.0), shape.parts, bound.log2()));
                bound = 2.0 * bound + rounding;
            }
            if let Some(modulus) = demand.modulus.get_mut(usize::from(shape.level.0)) {
                *modulus = modulus.max(bound.log2() + 1.0);
            }
            sums = sums.max(bound);
        }
        demand.sum = sums.log2();
        demand
    }

    fn stage(
        &mut self,
        plan: &Plan,
        shapes: &[Shape],
        stage: usize,
        nodes: &[(NodeId, &Op)],
        noise: &mut Noise,
        bounds: &mut [f64],
    ) {
        let rounding = noise.rounding(2);
        let at = |bounds: &[f64], node: NodeId| bounds.get(node.index()).copied().unwrap_or(f64::INFINITY);
        let mut switched = 0.0_f64;
        let mut most = 0.0_f64;
        for &(node, op) in nodes {
            let bound = match op {
                Op::ModSwitch { arg } => {
                    switched = switched.max(at(bounds, *arg));
                    continue;
                }
                Op::Relinearize { arg } => {
                    // P is made so large that key switching adds no more than there is.
                    let (bound, parts) = (at(bounds, *arg), shapes.get(arg.index()).map_or(2, |s| s.parts));
                    self.relinearized.push((stage, parts, bound.log2()));
                    2.0 * bound + rounding
                }
                Op::Input { .. }
                | Op::Member { .. }
                | Op::Less { .. }
                | Op::Equal { .. }
                | Op::Linear(_)
                | Op::Mul { .. }
                | Op::Drop { .. }
                | Op::Lookup { .. } => noise.bound(plan, shapes, bounds, node, op),
            };
            most = most.max(bound);
            if let Some(place) = bounds.get_mut(node.index()) {
                *place = bound;
            }
        }
        let gap = (switched / rounding).max(1.0);
        if let Some(divisor) = noise.parameters_mut().divisors.get_mut(stage) {
            *divisor = gap;
        }
        for &(node, op) in nodes {
            if matches!(op, Op::ModSwitch { .. }) {
                let bound = noise.bound(plan, shapes, bounds, node, op);
                if let Some(place) = bounds.get_mut(node.index()) {
                    *place = bound;
                }
            }
        }
        if let (Some(modulus), Some(place)) = (self.modulus.get_mut(stage), self.gap.get_mut(stage)) {
            *modulus = most.max(switched).log2().max(0.0) + 1.0;
            *place = gap.log2();
        }
    }

    /// Bits that the modulus of the sums' stage needs so that they can be opened, flooded, under it or after a
    /// switch.
    #[must_use]
    pub fn sums_modulus(&self) -> f64 {
        let opened = self.sum.max(self.floor) + OPENING_BITS;
        self.modulus.get(1).copied().unwrap_or(0.0).max(opened)
    }

    /// Whether numbers can be opened under a modulus of `release` bits, coming from one of `sums` bits.
    #[must_use]
    pub fn opens(&self, sums: f64, release: f64) -> bool {
        self.opens_from(self.sum, sums, release)
    }

    fn opens_from(&self, noise: f64, sums: f64, release: f64) -> bool {
        release >= log2_add(noise - (sums - release), self.floor) + OPENING_BITS
    }

    /// The noise of a sum of `parts` parts that is switched from a modulus of `from` bits to one of `to` bits and
    /// relinearized there, before the latter; `None` where it could not be opened under one of `release` bits then.
    #[must_use]
    pub fn relinearizes(&self, (parts, noise): (u8, f64), [from, to, release]: [f64; 3]) -> Option<f64> {
        let rounding = |parts: u8| self.rounding.get(usize::from(parts)).copied().unwrap_or(f64::INFINITY);
        let switched = if to < from { log2_add(noise - (from - to), rounding(parts)) } else { noise };
        // P is made so large that key switching adds no more than there is.
        let relinearized = log2_add(switched + 1.0, rounding(2));
        (to > relinearized + 1.0 && self.opens_from(relinearized, to, release)).then_some(switched)
    }
}
