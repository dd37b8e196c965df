//! The canonical norm of an integer polynomial v: the largest |v(zeta)| over the primitive 2N-th roots of
//! unity zeta.

use std::fmt;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use zeroize::Zeroize;

/// The embedding of one ring degree, prepared.
///
/// With zeta = exp(-i pi / N), zeta^((4k+1) N/2) is -i for every k, so that v(zeta^(4k+1)) is the sum over j < N/2
/// of (v_j - i v_(j+N/2)) zeta^j (zeta^4)^(jk): one transform of length N/2. The roots left out, zeta^(4k+3),
/// are the conjugates of these.
pub struct Canonical {
    /// `zeta^j`.
    twist: Vec<Complex<f64>>,
    transform: Arc<dyn Fft<f64>>,
}

impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical({})", 2 * self.twist.len())
    }
}

impl Canonical {
    /// For polynomials of `degree` coefficients, a power of two.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "positions below 2^16")]
    pub fn new(degree: usize) -> Self {
        let half = degree / 2;
        let angle = |j: usize| -std::f64::consts::PI * j as f64 / degree as f64;
        Self {
            twist: (0..half).map(|j| Complex::from_polar(1.0, angle(j))).collect(),
            transform: FftPlanner::new().plan_fft_forward(half),
        }
    }

    /// The norm of the polynomial with these coefficients; what is computed on the way is wiped.
    pub fn norm(&self, coefficient: impl Fn(usize) -> f64) -> f64 {
        let half = self.twist.len();
        let fold = |(j, &twist)| Complex::new(coefficient(j), -coefficient(j + half)) * twist;
        let mut values: Vec<Complex<f64>> = self.twist.iter().enumerate().map(fold).collect();
        let mut scratch = vec![Complex::default(); self.transform.get_inplace_scratch_len()];
        self.transform.process_with_scratch(&mut values, &mut scratch);
        let square = values.iter().map(Complex::norm_sqr).fold(0.0, f64::max);
        for value in values.iter_mut().chain(&mut scratch) {
            value.re.zeroize();
            value.im.zeroize();
        }
        square.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition() {
        let degree = 64;
        let v = |k: usize| ((k * k * 7 + k * 3) % 11) as f64 - 5.0;
        let at = |root: usize| {
            let angle = |k: usize| std::f64::consts::PI * (root * k % (2 * degree)) as f64 / degree as f64;
            (0..degree).map(|k| Complex::from_polar(v(k), angle(k))).sum::<Complex<f64>>().norm()
        };
        let expected = (0..degree).map(|k| at(2 * k + 1)).fold(0.0, f64::max);
        assert!((Canonical::new(degree).norm(v) / expected - 1.0).abs() < 1e-12);
    }
}
