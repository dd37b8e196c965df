//! The certificate of a plan: a noise bound for every value, a failure probability of at most 2^-128 for
//! every released number, and the proof that no sum wraps. A plan without one is not run.

use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::{Plan, Release};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::{self, Invalid, Shape};
use serde::{Deserialize, Serialize};

use crate::noise::{FAILURE_BITS, FLOODING_BITS, Noise, NoiseParameters, SLACK_BITS, ceil};
use crate::passes::span;

/// Proves what a placed plan promises. Recomputed from the plan whenever it is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// log2 of the probability that any released number is wrong; of that alone which is computed on levels.
    pub failure_log2: f64,
    /// log2 of the statistical distance between a released ciphertext and one that depends on nothing but
    /// the number it holds.
    pub release_distance_log2: i32,
    /// Standard deviations of margin at every random source (D).
    pub tail: f64,
    /// Security of the parameters in bits, and its table.
    pub security_bits: u32,
    /// log2 of Q P and the largest that the table allows.
    pub log2_qp: (f64, u32),
    /// Bound of each node, log2; it stays below log2 Q - 1 of its level.
    pub node_bits: Vec<f64>,
    /// Level of each node.
    pub node_levels: Vec<u8>,
    /// log2 Q of each level.
    pub level_bits: Vec<f64>,
    /// Per sum.
    pub sums: Vec<SumCertificate>,
}

/// What is proved of one released number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SumCertificate {
    /// Smallest value of the sum over all rows.
    pub lo: i128,
    /// Largest value; `hi - lo < t`, so the residue determines it.
    pub hi: i128,
    /// Bound of the noise before flooding, log2.
    pub bits: f64,
    /// Bound of what is opened, flooding included, log2; below log2 Q - 1 of the release level.
    pub flooded_bits: f64,
}

/// Why a plan cannot be certified.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Uncertified {
    /// The plan is malformed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A node may exceed its modulus.
    #[error("%{node} may reach 2^{bits:.1}, more than half of the modulus 2^{modulus_bits:.1} of its level")]
    Noise {
        /// The node.
        node: usize,
        /// Its bound.
        bits: f64,
        /// log2 Q there.
        modulus_bits: f64,
    },
    /// A sum, flooded, may exceed the modulus of the release level.
    #[error(
        "sum {sum} may reach 2^{bits:.1} with flooding, more than half of the modulus 2^{modulus_bits:.1}"
    )]
    Release {
        /// The sum.
        sum: usize,
        /// Its bound.
        bits: f64,
        /// log2 Q there.
        modulus_bits: f64,
    },
    /// A sum may wrap.
    #[error("sum {sum} may span {span} values, more than the plaintext modulus {modulus} tells apart")]
    Wraps {
        /// The sum.
        sum: usize,
        /// Values it may take.
        span: u128,
        /// t.
        modulus: u64,
    },
    /// No gates of the offered parameters can be certified.
    #[error("small counts cannot be found out encrypted: {reason}")]
    Gates {
        /// Why.
        reason: &'static str,
    },
    /// The parameters are not secure.
    #[error("log2(QP) = {log2_qp:.1} exceeds the {limit} bits that N = {ring_degree} allows")]
    Insecure {
        /// log2 of Q P.
        log2_qp: f64,
        /// The table's limit.
        limit: u32,
        /// N.
        ring_degree: u32,
    },
}

/// Random polynomials that one node, block by block, or one release draws at most: error and digit of each power
/// and key-switching digit, and the roundings of the parts.
const SOURCES_PER_STEP: f64 = 1024.0;

/// The model for a plan of this size: every draw counts in the union bound.
#[must_use]
pub fn model(parameters: NoiseParameters, plan: &Plan, blocks: f64) -> Noise {
    let steps = u32::try_from(plan.nodes().len() + plan.sums.len()).map_or(f64::MAX, f64::from);
    let share = (failure_bits(plan) - FAILURE_BITS).exp2();
    Noise::new(parameters, (steps * blocks * SOURCES_PER_STEP * share).max(1.0))
}

/// Bits of the failure probability that is left to levels: with gates, these have the other half.
fn failure_bits(plan: &Plan) -> f64 {
    if plan.gates.is_some() { FAILURE_BITS + 1.0 } else { FAILURE_BITS }
}

/// Blocks of N rows that a table of at most `rows` rows needs.
#[must_use]
pub fn blocks(rows: u64, rows_per_block: u32) -> u64 {
    rows.div_ceil(u64::from(rows_per_block).max(1)).max(1)
}

/// The flooding that a plan at these parameters needs: its noise, hidden by [`FLOODING_BITS`].
///
/// # Errors
/// The plan is malformed.
pub fn flood_bits(plan: &Plan, rns: &RnsParameters, leveled: &Leveled) -> Result<u32, Invalid> {
    let analysis = Analysis::of(plan, rns, leveled)?;
    let release = plan.release.ok_or_else(not_placed)?;
    let log2_t = analysis.noise.parameters().plaintext_modulus.log2();
    let most = (0..plan.sums.len())
        .map(|sum| analysis.released(plan, sum, release).log2() - log2_t)
        .fold(0.0_f64, f64::max);
    Ok(ceil(most, 0..=4096) + FLOODING_BITS)
}

struct Analysis {
    noise: Noise,
    shapes: Vec<Shape>,
    bounds: Vec<f64>,
    blocks: f64,
}

impl Analysis {
    fn of(plan: &Plan, rns: &RnsParameters, leveled: &Leveled) -> Result<Self, Invalid> {
        let shapes = verify::shapes(plan)?;
        let blocks = u32::try_from(blocks(plan.rows, rns.ring_degree)).map_or(f64::MAX, f64::from);
        let noise = model(NoiseParameters::of(rns, leveled), plan, blocks);
        let bounds = noise.bounds(plan, &shapes);
        Ok(Self { noise, shapes, bounds, blocks })
    }

    fn released(&self, plan: &Plan, sum: usize, release: Release) -> f64 {
        let Some(sum) = plan.sums.get(sum) else { return f64::INFINITY };
        match (self.bounds.get(sum.node.index()), self.shapes.get(sum.node.index())) {
            (Some(&bits), Some(&shape)) => self.noise.released(bits, self.blocks, shape, release),
            _ => f64::INFINITY,
        }
    }
}

/// Certifies a placed plan.
///
/// # Errors
/// Whatever cannot be proved.
pub fn certify(plan: &Plan, leveled: &Leveled) -> Result<Certificate, Uncertified> {
    verify::verify(plan)?;
    let (Some(Parameters::Rns(rns)), Some(release)) = (&plan.parameters, plan.release) else {
        return Err(not_placed().into());
    };
    let limit = security_limit(leveled, rns)?;
    let analysis = Analysis::of(plan, rns, leveled)?;
    let level_bits: Vec<f64> = (0..rns.moduli.len()).map(|level| rns.log2_q(level)).collect();
    let node_bits: Vec<f64> = analysis.bounds.iter().map(|bound| bound.log2()).collect();
    for (node, (&bits, shape)) in node_bits.iter().zip(&analysis.shapes).enumerate() {
        let modulus_bits = level_bits.get(usize::from(shape.level.0)).copied().unwrap_or(0.0);
        if !is_less(bits, modulus_bits - 1.0 - SLACK_BITS) {
            return Err(Uncertified::Noise { node, bits, modulus_bits });
        }
    }
    let sums = (0..plan.sums.len())
        .map(|sum| certify_sum(plan, rns, release, &analysis, sum))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Certificate {
        failure_log2: -failure_bits(plan),
        release_distance_log2: -i32::try_from(FLOODING_BITS).unwrap_or(i32::MAX),
        tail: analysis.noise.tail(),
        security_bits: rns.security_bits,
        log2_qp: (rns.log2_q(rns.moduli.len()) + rns.log2_p(), limit),
        node_bits,
        node_levels: analysis.shapes.iter().map(|shape| shape.level.0).collect(),
        level_bits,
        sums,
    })
}

pub(crate) fn not_placed() -> Invalid {
    Invalid { place: "parameters".to_owned(), reason: "the plan is not placed".to_owned() }
}

/// What is no number is not less.
fn is_less(bits: f64, limit: f64) -> bool {
    bits.partial_cmp(&limit) == Some(std::cmp::Ordering::Less)
}

fn security_limit(leveled: &Leveled, rns: &RnsParameters) -> Result<u32, Uncertified> {
    let log2_qp = rns.log2_q(rns.moduli.len()) + rns.log2_p();
    let limit = leveled
        .security
        .iter()
        .find(|limit| limit.ring_degree == rns.ring_degree && limit.security_bits == rns.security_bits)
        .map_or(0, |limit| limit.max_log2_qp);
    // Security 0 marks test parameters: a release build of a backend refuses them.
    if rns.security_bits > 0 && log2_qp > f64::from(limit) {
        return Err(Uncertified::Insecure { log2_qp, limit, ring_degree: rns.ring_degree });
    }
    Ok(limit)
}

fn certify_sum(
    plan: &Plan,
    rns: &RnsParameters,
    release: Release,
    analysis: &Analysis,
    index: usize,
) -> Result<SumCertificate, Uncertified> {
    let range = plan.sums.get(index).map_or(Range::BOOL, |sum| sum.range);
    let span = u128::from(span(range)) * u128::from(plan.rows);
    if span >= u128::from(rns.plaintext_modulus) {
        return Err(Uncertified::Wraps { sum: index, span, modulus: rns.plaintext_modulus });
    }
    let bound = analysis.released(plan, index, release);
    let bits = bound.log2();
    let flooding = analysis.noise.parameters().plaintext_modulus * f64::from(release.flood_bits).exp2();
    let flooded_bits = (bound + flooding).log2();
    let modulus_bits = rns.log2_q(usize::from(release.level.0));
    if !is_less(flooded_bits, modulus_bits - 1.0 - SLACK_BITS) {
        return Err(Uncertified::Release { sum: index, bits: flooded_bits, modulus_bits });
    }
    let hull = range.hull(Range::single(0));
    let total = |end: i64| i128::from(end) * i128::from(plan.rows);
    Ok(SumCertificate { lo: total(hull.lo()), hi: total(hull.hi()), bits, flooded_bits })
}
