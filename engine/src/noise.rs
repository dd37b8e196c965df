//! The noise model of leveled RNS-BGV: a bound that holds for every value, dependent operands included.
//!
//! State per value: log2 of a bound on the canonical norm of `v = c0 + c1 s (+ c2 s^2)`, which is the message
//! plus t times the error. The canonical norm (largest |v(zeta)| over the primitive 2N-th roots of unity) is
//! submultiplicative whatever the operands have in common, and bounds every coefficient, so a value opens
//! rightly while its bound is below Q/2. Randomness enters in four places only (encryption, rounding of a
//! modulus switch, key-switching keys, release); there a polynomial with independent coefficients of
//! variance V has norm at most `D sqrt(N V)` with probability `1 - N exp(-D^2)`.
//!
//! Sources: Mono, Marcolla, Land, Guerreschi, Aaraj, "Finding and Evaluating Parameters for BGV"
//! (AFRICACRYPT 2023, ePrint 2022/706), section 3, for the norm bounds; Gentry, Halevi, Smart,
//! "Homomorphic Evaluation of the AES Circuit" (ePrint 2012/099), appendix, for the scheme's steps.

use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::{NodeId, Op, Origin, Plan};

/// Bits of security against a decryption failure.
pub const FAILURE_BITS: f64 = 128.0;

/// Statistical distance of a release, as a power of two: flooding hides the computation's noise.
pub const FLOODING_BITS: u32 = 40;

/// What the formulas need of the parameters; primes may still be wished for rather than chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseParameters {
    /// N.
    pub ring_degree: f64,
    /// log2 t.
    pub log2_t: f64,
    /// log2 of each prime of the chain.
    pub log2_moduli: Vec<f64>,
    /// log2 P.
    pub log2_p: f64,
    /// Primes per key-switching digit.
    pub digit_limbs: usize,
    /// Standard deviation of an error.
    pub error_stddev: f64,
    /// log2 of the bound on the secret's canonical norm; key generation enforces it.
    pub log2_secret: f64,
}

impl NoiseParameters {
    /// Of chosen parameters.
    #[must_use]
    pub fn of(parameters: &RnsParameters, leveled: &Leveled) -> Self {
        Self {
            ring_degree: f64::from(parameters.ring_degree),
            log2_t: log2(parameters.plaintext_modulus),
            log2_moduli: parameters.moduli.iter().map(|&prime| log2(prime)).collect(),
            log2_p: parameters.log2_p(),
            digit_limbs: usize::try_from(parameters.digit_limbs).unwrap_or(1).max(1),
            error_stddev: leveled.error_stddev,
            log2_secret: secret_bound(f64::from(parameters.ring_degree), leveled),
        }
    }

    /// log2 of Q at a level.
    #[must_use]
    pub fn log2_q(&self, level: usize) -> f64 {
        self.log2_moduli.iter().take(level + 1).sum()
    }
}

/// log2 of `factor * sqrt(2N/3)`: ternary coefficients have variance 2/3.
#[must_use]
pub fn secret_bound(ring_degree: f64, leveled: &Leveled) -> f64 {
    (leveled.secret_norm_factor * (2.0 * ring_degree / 3.0).sqrt()).log2()
}

#[expect(clippy::cast_precision_loss, reason = "a logarithm needs no more than a double holds")]
fn log2(prime: u64) -> f64 {
    (prime as f64).log2()
}

/// log2(2^a + 2^b).
#[must_use]
pub fn log2_add(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small == f64::NEG_INFINITY {
        large
    } else if large - small > 60.0 {
        // log2(1 + 2^-60) is less than the distance to the next double, which is a bound without logarithms.
        large.next_up()
    } else {
        large + (small - large).exp2().ln_1p() / std::f64::consts::LN_2
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

/// The model at given parameters and tail.
#[derive(Clone, Debug)]
pub struct Noise {
    parameters: NoiseParameters,
    log2_tail: f64,
    /// [`Noise::key_switch`] at each level; asked for at every product.
    key_switches: Vec<f64>,
}

impl Noise {
    /// For a plan whose random polynomials number at most `sources`: the tail factor D is such that all of
    /// them together exceed their bounds with probability at most 2^-128 (union bound over N embeddings).
    #[must_use]
    pub fn new(parameters: NoiseParameters, sources: f64) -> Self {
        let tail = (FAILURE_BITS * std::f64::consts::LN_2 + (parameters.ring_degree * sources).ln()).sqrt();
        let mut noise = Self { parameters, log2_tail: tail.log2(), key_switches: Vec::new() };
        let levels = noise.parameters.log2_moduli.len();
        noise.key_switches = (0..levels).map(|level| noise.key_switch_at(level)).collect();
        noise
    }

    /// D.
    #[must_use]
    pub fn tail(&self) -> f64 {
        self.log2_tail.exp2()
    }

    /// The parameters it was made for.
    #[must_use]
    pub fn parameters(&self) -> &NoiseParameters {
        &self.parameters
    }

    fn log2_n(&self) -> f64 {
        self.parameters.ring_degree.log2()
    }

    /// `D sqrt(N V)` for coefficients of standard deviation `stddev`.
    fn random(&self, log2_stddev: f64) -> f64 {
        self.log2_tail + self.log2_n() / 2.0 + log2_stddev
    }

    fn error(&self) -> f64 {
        self.random(self.parameters.error_stddev.log2())
    }

    /// Secret-key encryption `v = m + t e`: at most `N t/2 + t D sigma sqrt(N)`; nothing is assumed of m.
    #[must_use]
    pub fn fresh(&self) -> f64 {
        self.parameters.log2_t + log2_add(self.log2_n() - 1.0, self.error())
    }

    /// Public-key encryption `v = m + t (e u + e0 + e1 s)`, with the message of [`Noise::fresh`].
    #[must_use]
    pub fn fresh_parameter(&self) -> f64 {
        log2_add(self.fresh(), self.public_zero())
    }

    /// The rounding of a division of c0, c1 (and c2): `t D sqrt(N/12) (1 + |s| (+ |s|^2))`.
    #[must_use]
    pub fn rounding(&self, parts: u8) -> f64 {
        let secret = self.parameters.log2_secret;
        let mut factor = log2_add(0.0, secret);
        if parts > 2 {
            factor = log2_add(factor, 2.0 * secret);
        }
        self.parameters.log2_t + self.random(-12_f64.log2() / 2.0) + factor
    }

    /// Hybrid key switching at `level` adds `t sum over digits of |d_j| |e_j| / P` and one rounding. A digit
    /// d_j is lifted exactly and centred, so its coefficients are uniform within Q_j/2:
    /// `|d_j| <= D sqrt(N/12) Q_j`.
    #[must_use]
    pub fn key_switch(&self, level: usize) -> f64 {
        self.key_switches.get(level).copied().unwrap_or(f64::INFINITY)
    }

    fn key_switch_at(&self, level: usize) -> f64 {
        let primes = self.parameters.log2_moduli.get(..=level).unwrap_or(&self.parameters.log2_moduli);
        let digits = primes.chunks(self.parameters.digit_limbs).fold(f64::NEG_INFINITY, |sum, digit| {
            log2_add(sum, digit.iter().sum::<f64>() + self.random(-12_f64.log2() / 2.0))
        });
        let inner = self.parameters.log2_t + digits + self.error() - self.parameters.log2_p;
        log2_add(inner, self.rounding(2))
    }

    /// Modulus switching from `level`: `v / q_level` and one rounding.
    #[must_use]
    pub fn mod_switch(&self, bits: f64, level: usize, parts: u8) -> f64 {
        log2_add(bits - self.log2_prime(level), self.rounding(parts))
    }

    fn log2_prime(&self, level: usize) -> f64 {
        self.parameters.log2_moduli.get(level).copied().unwrap_or(0.0)
    }

    /// The fresh public-key encryption of zero of a release, without its flooding:
    /// `t (|e u| + |e0| + |e1 s|)` with ternary u.
    #[must_use]
    pub fn public_zero(&self) -> f64 {
        let masked = self.error() + self.random((2.0_f64 / 3.0).log2() / 2.0);
        let keyed = self.error() + self.parameters.log2_secret;
        self.parameters.log2_t + log2_add(log2_add(masked, keyed), self.error())
    }

    /// Bounds of all nodes of a placed plan, in its order. `shapes` are those of the plan.
    #[must_use]
    pub fn bounds(&self, plan: &Plan, shapes: &[hq_plugin_sdk::verify::Shape]) -> Vec<f64> {
        let mut bounds: Vec<f64> = Vec::with_capacity(plan.nodes().len());
        let (fresh, parameter) = (self.fresh(), self.fresh_parameter());
        let rounding = [self.rounding(2), self.rounding(3)];
        for (node, op) in plan.iter() {
            let at = |node: NodeId| bounds.get(node.index()).copied().unwrap_or(f64::INFINITY);
            let shape = |node: NodeId| shapes.get(node.index());
            let level = |node: NodeId| shape(node).map_or(0, |shape| usize::from(shape.level.0));
            let bound = match op {
                Op::Input { input, .. } => match plan.origin(*input) {
                    Origin::Table => fresh,
                    Origin::Parameter => parameter,
                },
                Op::Linear(linear) => linear.terms().iter().fold(
                    // A constant is a constant polynomial: its norm is its magnitude.
                    log2_magnitude(linear.constant()),
                    |sum, &(coefficient, term)| log2_add(sum, log2_magnitude(coefficient) + at(term)),
                ),
                Op::Mul { left, right } => at(*left) + at(*right),
                Op::Relinearize { arg } => log2_add(at(*arg), self.key_switch(level(node))),
                Op::ModSwitch { arg } => {
                    let parts = shape(*arg).map_or(3, |shape| shape.parts);
                    log2_add(at(*arg) - self.log2_prime(level(*arg)), rounding[usize::from(parts > 2)])
                }
                Op::Drop { arg, .. } => at(*arg),
                Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } => f64::INFINITY,
            };
            bounds.push(bound);
        }
        bounds
    }

    /// The bound of a sum over `blocks` blocks when it arrives at the release level, before flooding.
    #[must_use]
    pub fn released(
        &self,
        bits: f64,
        blocks: f64,
        shape: hq_plugin_sdk::verify::Shape,
        release: usize,
    ) -> f64 {
        let mut bits = bits + blocks.log2();
        let mut level = usize::from(shape.level.0);
        if shape.parts == 3 {
            bits = log2_add(bits, self.key_switch(level));
        }
        while level > release {
            bits = self.mod_switch(bits, level, 2);
            level -= 1;
        }
        log2_add(bits, self.public_zero())
    }
}

fn log2_magnitude(value: i64) -> f64 {
    if value == 0 { f64::NEG_INFINITY } else { log2(value.unsigned_abs()) }
}
