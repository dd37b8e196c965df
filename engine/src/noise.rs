//! The noise model of leveled RNS-BGV: a bound that holds for every value, dependent operands included.
//!
//! State per value: a bound on the canonical norm of `v = c0 + c1 s + ... + cd s^d`, which is the message plus t
//! times the error. The canonical norm (largest |v(zeta)| over the primitive 2N-th roots of unity) is
//! submultiplicative whatever the operands have in common and whatever their number of parts, and bounds every
//! coefficient, so a value opens rightly while its bound is below Q/2. Randomness enters in four places only
//! (encryption, rounding of a modulus switch, key-switching keys, release); there a polynomial with independent
//! coefficients of variance V has norm at most `D sqrt(N V)` with probability `1 - N exp(-D^2)`. Fresh values
//! under the secret key need no such argument: encryption measures their norm and enforces the bound.
//!
//! Bounds are plain doubles: they stay below 2^1000, and what is infinite certifies nothing.
//!
//! Sources: Mono, Marcolla, Land, Guerreschi, Aaraj, "Finding and Evaluating Parameters for BGV"
//! (AFRICACRYPT 2023, ePrint 2022/706), section 3, for the norm bounds; Gentry, Halevi, Smart,
//! "Homomorphic Evaluation of the AES Circuit" (ePrint 2012/099), appendix, for the scheme's steps.

use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{Level, NodeId, Op, Origin, Plan, Release};
use hq_plugin_sdk::verify::Shape;

/// Bits of security against a decryption failure.
pub const FAILURE_BITS: f64 = 128.0;

/// Statistical distance of a release, as a power of two: flooding hides the computation's noise.
pub const FLOODING_BITS: u32 = 40;

/// Roundings of doubles, taken off every modulus: thousands of additions stay within it.
pub const SLACK_BITS: f64 = 1e-6;

/// What the formulas need of the parameters; primes may still be wished for rather than chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseParameters {
    /// N.
    pub ring_degree: f64,
    /// t.
    pub plaintext_modulus: f64,
    /// By what a modulus switch divides at each level: a prime, or all primes of a stage.
    pub divisors: Vec<f64>,
    /// Sum of the key-switching digits' moduli at each level, over P.
    pub digits_over_p: Vec<f64>,
    /// Standard deviation of an error.
    pub error_stddev: f64,
    /// Bound of the secret's canonical norm; key generation enforces it.
    pub secret: f64,
    /// Bound of a fresh value's canonical norm; encryption enforces it.
    pub fresh: f64,
}

impl NoiseParameters {
    /// Of a ring and a plaintext modulus, with no levels yet.
    #[must_use]
    pub fn new(ring_degree: u32, plaintext_modulus: u64, leveled: &Leveled) -> Self {
        let (n, t) = (f64::from(ring_degree), float(plaintext_modulus));
        let stddev = leveled.error_stddev;
        Self {
            ring_degree: n,
            plaintext_modulus: t,
            divisors: Vec::new(),
            digits_over_p: Vec::new(),
            error_stddev: stddev,
            // Ternary coefficients have variance 2/3.
            secret: leveled.secret_norm_factor * (2.0 * n / 3.0).sqrt(),
            fresh: leveled.fresh_norm_factor * t * (n * (1.0 / 12.0 + stddev * stddev)).sqrt(),
        }
    }

    /// Of chosen parameters.
    #[must_use]
    pub fn of(parameters: &RnsParameters, leveled: &Leveled) -> Self {
        let primes: Vec<f64> = parameters.moduli.iter().map(|&prime| float(prime)).collect();
        let p = parameters.log2_p();
        let width = usize::try_from(parameters.digit_limbs).unwrap_or(1).max(1);
        let digits = |level: usize| {
            let digits = primes.get(..=level).unwrap_or(&primes).chunks(width);
            digits.map(|digit| (digit.iter().map(|prime| prime.log2()).sum::<f64>() - p).exp2()).sum()
        };
        Self {
            digits_over_p: (0..primes.len()).map(digits).collect(),
            divisors: primes.clone(),
            ..Self::new(parameters.ring_degree, parameters.plaintext_modulus, leveled)
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a bound needs no more than a double holds")]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

/// log2(2^a + 2^b).
pub(crate) fn log2_add(a: f64, b: f64) -> f64 {
    let (less, more) = if a < b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY {
        more
    } else {
        more + (less - more).exp2().ln_1p() / std::f64::consts::LN_2
    }
}

/// The next whole number of bits within `range`.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what 32 bits hold; float to integer has no checked conversion"
)]
pub fn ceil(bits: f64, range: std::ops::RangeInclusive<u32>) -> u32 {
    bits.ceil().clamp(f64::from(*range.start()), f64::from(*range.end())) as u32
}

/// The model at given parameters and tail. Every function gives a bound of a canonical norm.
#[derive(Clone, Debug)]
pub struct Noise {
    parameters: NoiseParameters,
    tail: f64,
}

impl Noise {
    /// For a plan whose random polynomials number at most `sources`: the tail factor D is such that all of
    /// them together exceed their bounds with probability at most 2^-128 (union bound over N embeddings).
    #[must_use]
    pub fn new(parameters: NoiseParameters, sources: f64) -> Self {
        let tail = (FAILURE_BITS * std::f64::consts::LN_2 + (parameters.ring_degree * sources).ln()).sqrt();
        Self { parameters, tail }
    }

    /// D.
    #[must_use]
    pub fn tail(&self) -> f64 {
        self.tail
    }

    /// The parameters it was made for.
    #[must_use]
    pub fn parameters(&self) -> &NoiseParameters {
        &self.parameters
    }

    /// The parameters, to be changed level by level while they are chosen.
    pub(crate) fn parameters_mut(&mut self) -> &mut NoiseParameters {
        &mut self.parameters
    }

    /// `D sqrt(N V)` for coefficients of this standard deviation.
    fn random(&self, stddev: f64) -> f64 {
        self.tail * self.parameters.ring_degree.sqrt() * stddev
    }

    fn error(&self) -> f64 {
        self.random(self.parameters.error_stddev)
    }

    /// A coefficient that is uniform in an interval of length 1.
    fn uniform(&self) -> f64 {
        self.random(12_f64.sqrt().recip())
    }

    /// Secret-key encryption `v = m + t e`: the bound that encryption enforces.
    #[must_use]
    pub fn fresh(&self) -> f64 {
        self.parameters.fresh
    }

    /// Public-key encryption `v = m + t (e u + e0 + e1 s)` of a constant m of at most t/2.
    #[must_use]
    pub fn fresh_parameter(&self) -> f64 {
        self.parameters.plaintext_modulus / 2.0 + self.public_zero()
    }

    /// The rounding of a division of `parts` parts: `t D sqrt(N/12) (1 + |s| + |s|^2 + ...)`.
    #[must_use]
    pub fn rounding(&self, parts: u8) -> f64 {
        let powers = (0..parts).fold(0.0, |sum, _| sum * self.parameters.secret + 1.0);
        self.parameters.plaintext_modulus * self.uniform() * powers
    }

    /// Hybrid key switching of `parts - 2` parts at `level` adds, for each, `t sum over digits of |d_j| |e_j| / P`,
    /// and one rounding. A digit d_j is lifted exactly and centred, so its coefficients are uniform within
    /// Q_j/2: `|d_j| <= D sqrt(N/12) Q_j`.
    #[must_use]
    pub fn key_switch(&self, level: usize, parts: u8) -> f64 {
        let digits = self.parameters.digits_over_p.get(level).copied().unwrap_or(f64::INFINITY);
        f64::from(parts.saturating_sub(2)) * self.key_switch_unit() * digits + self.rounding(2)
    }

    /// What a key switch adds per unit of digit over P: `t D sqrt(N/12) |e|`.
    #[must_use]
    pub fn key_switch_unit(&self) -> f64 {
        self.parameters.plaintext_modulus * self.uniform() * self.error()
    }

    /// Modulus switching from `level`: `v / q_level` and one rounding.
    #[must_use]
    pub fn mod_switch(&self, bound: f64, level: usize, parts: u8) -> f64 {
        bound / self.parameters.divisors.get(level).copied().unwrap_or(1.0) + self.rounding(parts)
    }

    /// The fresh public-key encryption of zero of a release, without its flooding:
    /// `t (|e u| + |e0| + |e1 s|)` with ternary u.
    #[must_use]
    pub fn public_zero(&self) -> f64 {
        let masked = self.random((2.0_f64 / 3.0).sqrt());
        self.parameters.plaintext_modulus * self.error() * (masked + self.parameters.secret + 1.0)
    }

    /// Bounds of all nodes of a placed plan, in its order. `shapes` are those of the plan.
    #[must_use]
    pub fn bounds(&self, plan: &Plan, shapes: &[Shape]) -> Vec<f64> {
        let mut bounds = vec![f64::INFINITY; plan.nodes().len()];
        for (node, op) in plan.iter() {
            let bound = self.bound(plan, shapes, &bounds, node, op);
            if let Some(place) = bounds.get_mut(node.index()) {
                *place = bound;
            }
        }
        bounds
    }

    /// The bound of one node from those of its operands.
    #[must_use]
    pub fn bound(&self, plan: &Plan, shapes: &[Shape], bounds: &[f64], node: NodeId, op: &Op) -> f64 {
        let at = |node: NodeId| bounds.get(node.index()).copied().unwrap_or(f64::INFINITY);
        let shape = |node: NodeId| shapes.get(node.index());
        let level = |node: NodeId| shape(node).map_or(0, |shape| usize::from(shape.level.0));
        let parts = |node: NodeId| shape(node).map_or(u8::MAX, |shape| shape.parts);
        match op {
            Op::Input { input, .. } => match plan.origin(*input) {
                Origin::Table => self.fresh(),
                Origin::Parameter => self.fresh_parameter(),
            },
            Op::Linear(linear) => linear.terms().iter().fold(
                // A constant is a constant polynomial: its norm is its magnitude.
                float(linear.constant().unsigned_abs()),
                |sum, &(coefficient, term)| sum + float(coefficient.unsigned_abs()) * at(term),
            ),
            Op::Mul { left, right } => at(*left) * at(*right),
            Op::Relinearize { arg } => at(*arg) + self.key_switch(level(node), parts(*arg)),
            Op::ModSwitch { arg } => self.mod_switch(at(*arg), level(*arg), parts(*arg)),
            Op::Drop { arg, .. } => at(*arg),
            Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => f64::INFINITY,
        }
    }

    /// The bound of a sum over `blocks` blocks when it arrives at the release level, before flooding: the way
    /// that [`Release`] tells. The division by P and by the primes above the release level is one, with one
    /// rounding.
    #[must_use]
    pub fn released(&self, bound: f64, blocks: f64, shape: Shape, release: Release) -> f64 {
        let mut bound = bound * blocks;
        let mut level = shape.level;
        if shape.parts > 2 {
            bound = self.divided(bound, level, release.relinearize, shape.parts);
            level = level.min(release.relinearize);
            bound += self.key_switch(usize::from(level.0), shape.parts);
        }
        self.divided(bound, level, release.level, 2) + self.public_zero()
    }

    /// A value of so many parts divided by the primes from one level down to another at once.
    fn divided(&self, bound: f64, from: Level, to: Level, parts: u8) -> f64 {
        let (from, to) = (usize::from(from.0), usize::from(to.0));
        if from <= to {
            return bound;
        }
        let divisors = self.parameters.divisors.get(to + 1..=from).unwrap_or_default();
        divisors.iter().fold(bound, |bound, divisor| bound / divisor) + self.rounding(parts)
    }
}
