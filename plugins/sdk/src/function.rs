//! What a library of functions implements, in safe Rust. Functions are pure: a program's compiler calls them for
//! every value of the domains that `extern fn` declares, and what runs encrypted is the table of their results. They
//! never meet data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::abi::Scalar;
use crate::backend::{BackendError, Fault};

/// Most digits after the point.
pub const MAX_DECIMALS: u32 = 18;

/// What is nearer to the middle between two decimals, relative to its size, is not rounded: other machines might
/// round it otherwise.
const CLOSE: f64 = 1e-11;

/// Functions that a plugin supplies.
pub trait Library: 'static {
    /// All of them; programs find them by name.
    const FUNCTIONS: &'static [Function];
}

/// A function with what it takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name: letters, digits, `_`.
    pub name: &'static str,
    /// A sentence about it, with its source.
    pub about: &'static str,
    /// What it takes, in order.
    pub parameters: &'static [Parameter],
    /// What it gives.
    pub gives: Kind,
    /// Its value. Equal arguments must give equal values.
    pub compute: fn(&Arguments<'_>) -> Result<Answer, Refusal>,
}

/// An argument with its name.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name, by which [`Arguments`] finds it.
    pub name: &'static str,
    /// What it may be.
    pub takes: Kind,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// An exact decimal number in `lo..=hi`; the program says with how many digits after the point.
    Number {
        /// Smallest.
        lo: i64,
        /// Largest.
        hi: i64,
    },
    /// One of some words.
    Levels(&'static [&'static str]),
}

/// An exact decimal number: `value / 10^decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The scaled integer.
    pub value: i64,
    /// Digits after the point, at most [`MAX_DECIMALS`].
    pub decimals: u32,
}

impl Decimal {
    /// The nearest double.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "values of programs have at most 53 bits")]
    pub fn to_f64(self) -> f64 {
        // Both are exact up to 2^53 and 10^22, so that the division rounds once.
        self.value as f64 / 10_u64.saturating_pow(self.decimals) as f64
    }
}

/// The value of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// True or false.
    Flag(bool),
    /// A number with no more digits than the program declares.
    Number(Decimal),
    /// A word of its [`Kind::Levels`].
    Level(&'static str),
}

impl Answer {
    /// A whole number.
    #[must_use]
    pub const fn whole(value: i64) -> Self {
        Self::Number(Decimal { value, decimals: 0 })
    }

    /// A number rounded to some digits after the point, half away from zero.
    ///
    /// # Errors
    /// No number, one of more than 53 bits, or one so near to the middle between two decimals that another machine
    /// might round it otherwise.
    pub fn rounded(value: f64, decimals: u32) -> Result<Self, Refusal> {
        if !value.is_finite() || decimals > MAX_DECIMALS {
            return Err(Refusal(format!("{value} cannot be rounded to {decimals} decimals")));
        }
        let scaled = value * 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
        if scaled.abs() >= 9_007_199_254_740_992.0 {
            return Err(Refusal(format!("{value} is too large for {decimals} decimals")));
        }
        if (scaled.abs().fract() - 0.5).abs() <= CLOSE * scaled.abs().max(1.0) {
            return Err(Refusal(format!(
                "{value} lies in the middle between two numbers of {decimals} decimals, but for what a machine rounds"
            )));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked against 2^53 above")]
        Ok(Self::Number(Decimal { value: scaled.round() as i64, decimals }))
    }
}

/// Why a function has no value for its arguments: one sentence without the arguments, which are told with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The arguments of one call, by name.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    parameters: &'static [Parameter],
    values: &'a [Scalar],
}

impl<'a> Arguments<'a> {
    /// Checks the values that a host passes against what a function takes.
    pub(crate) fn of(function: &Function, values: &'a [Scalar]) -> Result<Self, BackendError> {
        let wrong = |what: String| BackendError::new(Fault::Internal, format!("the host passed {what}"));
        let parameters = function.parameters;
        if parameters.len() != values.len() {
            return Err(wrong(format!("{} arguments for {}", values.len(), parameters.len())));
        }
        for (parameter, value) in parameters.iter().zip(values) {
            if !parameter.takes.holds(*value) {
                return Err(wrong(format!("no value of what `{}` takes", parameter.name)));
            }
        }
        Ok(Self { parameters, values })
    }

    fn find(&self, name: &str) -> Result<(Kind, Scalar), Refusal> {
        let found = self.parameters.iter().zip(self.values).find(|(parameter, _)| parameter.name == name);
        found
            .map(|(parameter, value)| (parameter.takes, *value))
            .ok_or_else(|| Refusal(format!("the function asks for `{name}`, which it does not take")))
    }

    /// A number, exactly.
    ///
    /// # Errors
    /// No parameter of that name is a number.
    pub fn decimal(&self, name: &str) -> Result<Decimal, Refusal> {
        match self.find(name)? {
            (Kind::Number { .. }, Scalar { value, decimals, .. }) => Ok(Decimal { value, decimals }),
            (Kind::Flag | Kind::Levels(_), _) => Err(Refusal(format!("`{name}` is no number"))),
        }
    }

    /// A number as the nearest double.
    ///
    /// # Errors
    /// No parameter of that name is a number.
    pub fn number(&self, name: &str) -> Result<f64, Refusal> {
        self.decimal(name).map(Decimal::to_f64)
    }

    /// A truth value.
    ///
    /// # Errors
    /// No parameter of that name is a flag.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.find(name)? {
            (Kind::Flag, scalar) => Ok(scalar.value != 0),
            (Kind::Number { .. } | Kind::Levels(_), _) => Err(Refusal(format!("`{name}` is no flag"))),
        }
    }

    /// A word.
    ///
    /// # Errors
    /// No parameter of that name has levels.
    pub fn level(&self, name: &str) -> Result<&'static str, Refusal> {
        let word = |levels: &'static [&'static str], at: i64| levels.get(usize::try_from(at).ok()?).copied();
        match self.find(name)? {
            (Kind::Levels(levels), scalar) => {
                word(levels, scalar.value).ok_or_else(|| "no such level".into())
            }
            (Kind::Number { .. } | Kind::Flag, _) => Err(Refusal(format!("`{name}` has no levels"))),
        }
    }
}

impl Kind {
    /// Whether a value is one of these.
    fn holds(self, scalar: Scalar) -> bool {
        match self {
            Self::Flag => scalar.kind == Scalar::FLAG && matches!(scalar.value, 0 | 1),
            Self::Number { lo, hi } => scalar.kind == Scalar::NUMBER && within(scalar, lo, hi),
            Self::Levels(levels) => {
                scalar.kind == Scalar::LEVEL
                    && usize::try_from(scalar.value).is_ok_and(|level| level < levels.len())
            }
        }
    }
}

/// Whether a number lies in `lo..=hi`.
pub(crate) fn within(number: Scalar, lo: i64, hi: i64) -> bool {
    let unit = 10_i128.pow(number.decimals.min(MAX_DECIMALS));
    let value = i128::from(number.value);
    number.decimals <= MAX_DECIMALS && i128::from(lo) * unit <= value && value <= i128::from(hi) * unit
}

/// A function as data, for those who load it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// A sentence about it.
    pub about: String,
    /// Names and domains of what it takes.
    pub parameters: Vec<(String, Domain)>,
    /// What it gives.
    pub gives: Domain,
}

/// A [`Kind`] as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Domain {
    /// True or false.
    Flag,
    /// Numbers in a range.
    Number {
        /// Smallest.
        lo: i64,
        /// Largest.
        hi: i64,
    },
    /// Some words.
    Levels(Vec<String>),
}

impl fmt::Display for Domain {
    /// As a program writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("bool"),
            Self::Number { lo, hi } => write!(f, "{lo}..{hi}"),
            Self::Levels(levels) => {
                let quoted: Vec<String> = levels.iter().map(|level| format!("{level:?}")).collect();
                write!(f, "{{{}}}", quoted.join(", "))
            }
        }
    }
}

impl From<Kind> for Domain {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Flag => Self::Flag,
            Kind::Number { lo, hi } => Self::Number { lo, hi },
            Kind::Levels(levels) => Self::Levels(levels.iter().map(|&level| level.to_owned()).collect()),
        }
    }
}

impl From<&Function> for Signature {
    fn from(function: &Function) -> Self {
        let parameter = |parameter: &Parameter| (parameter.name.to_owned(), parameter.takes.into());
        Self {
            name: function.name.to_owned(),
            about: function.about.to_owned(),
            parameters: function.parameters.iter().map(parameter).collect(),
            gives: function.gives.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_refuses_what_machines_might_round_otherwise() {
        let number = |value, decimals| Ok(Answer::Number(Decimal { value, decimals }));
        assert_eq!(Answer::rounded(90.0449, 2), number(9004, 2));
        assert_eq!(Answer::rounded(-1.26, 1), number(-13, 1));
        assert_eq!(Answer::rounded(7.0, 0), number(7, 0));
        for (value, decimals) in
            [(0.125, 2), (-2.5, 0), (f64::NAN, 1), (f64::INFINITY, 1), (1e17, 0), (1.0, 19)]
        {
            assert!(Answer::rounded(value, decimals).is_err(), "{value}");
        }
        let third = Decimal { value: 333, decimals: 3 };
        assert!((third.to_f64() - 0.333).abs() < f64::EPSILON);
    }

    #[test]
    fn bounds_hold_at_any_number_of_decimals() {
        let number = |value, decimals| Scalar { value, decimals, kind: Scalar::NUMBER };
        assert!(within(number(3000, 2), 0, 30) && !within(number(3001, 2), 0, 30));
        assert!(!within(number(0, 19), 0, 30) && !within(number(i64::MIN, 18), 0, i64::MAX));
    }
}
