//! Variances at a point of the embedding of what is drawn at random.

use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::RnsParameters;

/// What the distributions depend on.
#[derive(Clone, Debug)]
pub(super) struct Scheme {
    /// N.
    pub(super) degree: f64,
    /// t.
    pub(super) modulus: f64,
    /// Variance of an error's coefficient.
    pub(super) error: f64,
    pub(super) log2_moduli: Vec<f64>,
    pub(super) log2_p: f64,
    pub(super) digit_limbs: usize,
}

impl Scheme {
    #[expect(clippy::cast_precision_loss, reason = "estimates need no more than a double holds")]
    pub(super) fn of(rns: &RnsParameters, leveled: &Leveled) -> Self {
        Self {
            degree: f64::from(rns.ring_degree),
            modulus: rns.plaintext_modulus as f64,
            error: leveled.error_stddev.powi(2),
            log2_moduli: rns.moduli.iter().map(|&prime| (prime as f64).log2()).collect(),
            log2_p: rns.log2_p(),
            digit_limbs: usize::try_from(rns.digit_limbs).unwrap_or(1).max(1),
        }
    }

    /// `E |s|^2`: ternary coefficients have variance 2/3.
    pub(super) fn secret(&self) -> f64 {
        2.0 * self.degree / 3.0
    }

    /// Rounding of `parts` parts: `t^2 (N/12) (1 + |s|^2 + … + |s|^(2 parts - 2))` where |s|^2 is `secret`.
    pub(super) fn rounding(&self, secret: f64, parts: u8) -> f64 {
        let powers = (1..parts).fold(1.0, |sum, _| 1.0 + secret * sum);
        self.modulus.powi(2) * self.degree / 12.0 * powers
    }

    /// The same on average over secrets: `E |s|^(2k) = k! (E |s|^2)^k`, as of any complex Gaussian.
    pub(super) fn mean_rounding(&self, parts: u8) -> f64 {
        let powers = (1..parts).rev().fold(1.0, |sum, power| 1.0 + f64::from(power) * self.secret() * sum);
        self.modulus.powi(2) * self.degree / 12.0 * powers
    }

    /// Secret-key encryption, `t (e + m/t)` with m uniform modulo t.
    pub(super) fn fresh(&self) -> f64 {
        self.modulus.powi(2) * self.degree * (self.error + 1.0 / 12.0)
    }

    /// Public-key encryption of zero, `t (e u + e0 + e1 s)`; `public` is |e|^2, u is ternary.
    pub(super) fn public_zero(&self, secret: f64, public: f64) -> f64 {
        let ternary = 2.0 * self.degree / 3.0;
        self.modulus.powi(2) * (public * ternary + self.degree * self.error * (1.0 + secret))
    }

    /// `Q_j / P` of each digit of a ciphertext at `level`.
    fn digits(&self, level: usize) -> impl Iterator<Item = f64> {
        let primes = self.log2_moduli.get(..=level).unwrap_or(&self.log2_moduli);
        primes.chunks(self.digit_limbs).map(|digit| (digit.iter().sum::<f64>() - self.log2_p).exp2())
    }

    /// `t sum of d_j e_j / P` over digits and powers above the first, and a rounding; `keys` holds `|e_j|^2` power
    /// by power. Digits are uniform within `Q_j / 2`, errors of keys are the same in all of a plan.
    pub(super) fn key_switch(&self, secret: f64, level: usize, keys: &[Vec<f64>]) -> f64 {
        let digits = |errors: &Vec<f64>| -> f64 {
            self.digits(level).zip(errors).map(|(ratio, error)| ratio * ratio * error).sum()
        };
        let inner: f64 = keys.iter().map(digits).sum();
        self.modulus.powi(2) * self.degree / 12.0 * inner + self.rounding(secret, 2)
    }

    pub(super) fn log2_prime(&self, level: usize) -> f64 {
        self.log2_moduli.get(level).copied().unwrap_or(0.0)
    }
}
