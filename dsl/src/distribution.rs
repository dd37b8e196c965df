//! Distribution functions of the clear part: p-values, and the quantiles that intervals are made with.

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, FisherSnedecor, Normal, StudentsT};

/// A function of one number and the parameters of its distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// `normal_cdf(z)`: P(Z <= z), standard normal.
    NormalCdf,
    /// `normal_quantile(p)`: the z with P(Z <= z) = p.
    NormalQuantile,
    /// `t_cdf(t, df)`: P(T <= t), Student's t.
    StudentCdf,
    /// `t_quantile(p, df)`: the t with P(T <= t) = p.
    StudentQuantile,
    /// `chi2_tail(x, df)`: P(X >= x), chi-square.
    ChiSquareTail,
    /// `f_tail(x, df1, df2)`: P(X >= x), Fisher's F.
    FTail,
}

/// Every function with its name.
const NAMES: [(&str, Distribution); 6] = [
    ("normal_cdf", Distribution::NormalCdf),
    ("normal_quantile", Distribution::NormalQuantile),
    ("t_cdf", Distribution::StudentCdf),
    ("t_quantile", Distribution::StudentQuantile),
    ("chi2_tail", Distribution::ChiSquareTail),
    ("f_tail", Distribution::FTail),
];

impl Distribution {
    /// The function of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|&(_, function)| function)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    /// What its arguments are, in order.
    #[must_use]
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::NormalCdf => &["z"],
            Self::NormalQuantile => &["p"],
            Self::StudentCdf => &["t", "df"],
            Self::StudentQuantile => &["p", "df"],
            Self::ChiSquareTail => &["x", "df"],
            Self::FTail => &["x", "df1", "df2"],
        }
    }

    /// Its value; NaN outside its domain.
    #[must_use]
    pub fn value(self, arguments: &[f64]) -> f64 {
        if arguments.iter().any(|x| x.is_nan()) {
            return f64::NAN;
        }
        let value = match (self, arguments) {
            (Self::NormalCdf, &[z]) => Some(normal_cdf(z)),
            (Self::NormalQuantile, &[p]) => (p > 0.0 && p < 1.0).then(|| {
                let normal = Normal::standard();
                let start = normal.inverse_cdf(p);
                polish(start, p, normal_cdf, |x| normal_cdf(-x), |x| normal.pdf(x))
            }),
            (Self::StudentCdf, &[t, df]) => student(df).map(|student| student.cdf(t)),
            (Self::StudentQuantile, &[p, df]) => student(df).filter(|_| p > 0.0 && p < 1.0).map(|student| {
                let start = student.inverse_cdf(p);
                polish(start, p, |x| student.cdf(x), |x| student.sf(x), |x| student.pdf(x))
            }),
            (Self::ChiSquareTail, &[x, df]) => {
                ChiSquared::new(df).ok().filter(|_| x >= 0.0).map(|chi2| chi2.sf(x))
            }
            (Self::FTail, &[x, df1, df2]) => {
                FisherSnedecor::new(df1, df2).ok().filter(|_| x >= 0.0).map(|f| f.sf(x))
            }
            _ => None,
        };
        value.unwrap_or(f64::NAN)
    }
}

fn student(df: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, df).ok()
}

/// The complementary error function of `libm` is good to the last digits; that of `statrs` to eleven.
fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Two Newton steps towards the quantile: a library's own is good to fewer digits than its distribution
/// function.
fn polish(
    start: f64,
    p: f64,
    below: impl Fn(f64) -> f64,
    above: impl Fn(f64) -> f64,
    density: impl Fn(f64) -> f64,
) -> f64 {
    let mut x = start;
    for _ in 0..2 {
        // On the side where the tail is small, so that nothing cancels.
        let error = if p > 0.5 { (1.0 - p) - above(x) } else { below(x) - p };
        let step = error / density(x);
        if step.is_finite() {
            x -= step;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of scipy, by `tests/figures/library.py`.
    #[test]
    fn values_equal_scipy() {
        let cases: [(Distribution, &[f64], f64); 12] = include!("../tests/figures/distributions.in");
        for (function, arguments, expected) in cases {
            let value = function.value(arguments);
            let error = ((value - expected) / expected).abs();
            assert!(error < 1e-11, "{function:?} {arguments:?}: {value} against {expected}, {error:e}");
        }
    }

    #[test]
    fn outside_the_domain_there_is_no_value() {
        assert!(Distribution::NormalQuantile.value(&[0.0]).is_nan());
        assert!(Distribution::StudentQuantile.value(&[0.5, -1.0]).is_nan());
        assert!(Distribution::ChiSquareTail.value(&[-1.0, 2.0]).is_nan());
        assert!(Distribution::FTail.value(&[f64::NAN, 1.0, 1.0]).is_nan());
    }
}
