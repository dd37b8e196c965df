//! Samples at some points at once, and where they come from.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use super::scheme::Scheme;

/// Points that are simulated together: few enough that thousands of nodes stay in cache.
pub(super) const WIDTH: usize = 128;

/// The seed: whoever explains a plan gets the same numbers.
const SEED: u64 = 0x6871_2d6e_6f69_7365;

/// A value at [`WIDTH`] points, in units of its node.
#[derive(Clone, Debug)]
pub(super) struct Point {
    re: [f64; WIDTH],
    im: [f64; WIDTH],
}

impl Point {
    pub(super) const ZERO: Self = Self { re: [0.0; WIDTH], im: [0.0; WIDTH] };

    pub(super) fn constant(value: f64) -> Self {
        Self { re: [value; WIDTH], ..Self::ZERO }
    }

    pub(super) fn scaled(&self, factor: f64) -> Self {
        let mut out = Self::ZERO;
        out.accumulate(factor, self);
        out
    }

    pub(super) fn accumulate(&mut self, factor: f64, other: &Self) {
        for (own, other) in self.re.iter_mut().zip(&other.re).chain(self.im.iter_mut().zip(&other.im)) {
            *own += factor * other;
        }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut out = Self::ZERO;
        let parts = self.re.iter().zip(&self.im).zip(other.re.iter().zip(&other.im));
        for (((a, b), (c, d)), (re, im)) in parts.zip(out.re.iter_mut().zip(&mut out.im)) {
            *re = a * c - b * d;
            *im = a * d + b * c;
        }
        out
    }

    /// The sum of |v|^2 over the points.
    pub(super) fn square(&self) -> f64 {
        self.re.iter().zip(&self.im).map(|(re, im)| re * re + im * im).sum()
    }
}

/// What all of a plan shares at some points.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    points: Vec<Shared>,
}

#[derive(Clone, Debug)]
struct Shared {
    /// |s|^2.
    secret: f64,
    /// |e|^2 of the public key's error.
    public: f64,
    /// |e_j|^2 of relinearization keys, by power of s from 2 on and by digit.
    errors: Vec<Vec<f64>>,
}

impl Keys {
    /// A number for each point, from |s|^2, |e|^2 and |e_j|^2.
    pub(super) fn map(&self, f: impl Fn(f64, f64, &[Vec<f64>]) -> f64) -> Vec<f64> {
        self.points.iter().map(|point| f(point.secret, point.public, &point.errors)).collect()
    }
}

/// A deterministic source of samples.
#[derive(Debug)]
pub(super) struct Draw {
    random: Xoshiro256PlusPlus,
    points: f64,
    /// Points drawn so far.
    drawn: f64,
}

impl Draw {
    pub(super) fn new(points: usize) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(SEED), points: super::count(points), drawn: 0.0 }
    }

    /// The secret and the errors of keys at the next points. |s|^2 is exponential, and one is drawn from each of
    /// as many quantiles as there are points: products hold high powers of it, which rest on few points otherwise.
    pub(super) fn keys(&mut self, scheme: &Scheme, powers: u8) -> Keys {
        let shared = |_| {
            let quantile = (self.drawn + self.random.random::<f64>()) / self.points;
            self.drawn += 1.0;
            let error = scheme.degree * scheme.error;
            let mut exponential = || -self.random.random::<f64>().max(f64::MIN_POSITIVE).ln();
            let digits = scheme.log2_moduli.len().div_ceil(scheme.digit_limbs);
            Shared {
                secret: -(1.0 - quantile).max(f64::MIN_POSITIVE).ln() * scheme.secret(),
                public: error * exponential(),
                errors: (1..powers).map(|_| (0..digits).map(|_| error * exponential()).collect()).collect(),
            }
        };
        Keys { points: (0..WIDTH).map(shared).collect() }
    }

    /// Adds complex Gaussians of these variances, in units `scale`.
    pub(super) fn add_noise(&mut self, value: &mut Point, variances: &[f64], scale: f64) {
        for ((re, im), variance) in value.re.iter_mut().zip(&mut value.im).zip(variances) {
            let deviation = (variance / 2.0).sqrt() * scale;
            let mut normal = || -> f64 { StandardNormal.sample(&mut self.random) };
            *re += deviation * normal();
            *im += deviation * normal();
        }
    }
}
