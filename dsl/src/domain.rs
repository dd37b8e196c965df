//! The set of values a column may take, and the integer codes that stand for them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::number::{Decimal, format_date, parse_date};

/// The set of values that may occur. Each value has an integer code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// `bool`: codes 0 and 1.
    Bool,
    /// `0..80` or `0..100 step 5`: a number is its own code.
    Int {
        /// Smallest value.
        lo: i64,
        /// Largest value; `lo` plus a multiple of `step`.
        hi: i64,
        /// Distance of neighbours, at least 1.
        step: i64,
    },
    /// `10.0..90.0`: a number times `10^decimals` is its code.
    Fixed {
        /// Digits after the point, at least 1.
        decimals: u8,
        /// Smallest code.
        lo: i64,
        /// Largest code.
        hi: i64,
    },
    /// `{female, male}`: codes 0, 1, … in the order written.
    Levels(Vec<String>),
    /// `2009-01-01..2012-12-31`: days since 1970-01-01.
    Date {
        /// First day.
        lo: i64,
        /// Last day.
        hi: i64,
    },
}

impl Domain {
    /// Smallest and largest code.
    #[must_use]
    pub fn range(&self) -> (i64, i64) {
        match self {
            Self::Bool => (0, 1),
            Self::Int { lo, hi, .. } | Self::Fixed { lo, hi, .. } | Self::Date { lo, hi } => (*lo, *hi),
            Self::Levels(levels) => (0, i64::try_from(levels.len()).unwrap_or(i64::MAX) - 1),
        }
    }

    /// Number of values.
    #[must_use]
    pub fn size(&self) -> u64 {
        let (lo, hi) = self.range();
        let step = if let Self::Int { step, .. } = self { step.unsigned_abs().max(1) } else { 1 };
        (hi.abs_diff(lo) / step).saturating_add(1)
    }

    /// Digits after the point.
    #[must_use]
    pub fn decimals(&self) -> u8 {
        if let Self::Fixed { decimals, .. } = self { *decimals } else { 0 }
    }

    /// All codes in rising order.
    pub fn codes(&self) -> impl Iterator<Item = i64> + use<> {
        let (lo, hi) = self.range();
        let step = if let Self::Int { step, .. } = self { (*step).max(1) } else { 1 };
        std::iter::successors(Some(lo), move |code| code.checked_add(step))
            .take_while(move |&code| code <= hi)
    }

    /// Whether a code stands for a value of the domain.
    #[must_use]
    pub fn contains(&self, code: i64) -> bool {
        let (lo, hi) = self.range();
        let step = if let Self::Int { step, .. } = self { (*step).max(1) } else { 1 };
        lo <= code && code <= hi && code.abs_diff(lo).is_multiple_of(step.unsigned_abs())
    }

    /// The value of a code as text, without quotes.
    #[must_use]
    pub fn label(&self, code: i64) -> String {
        match self {
            Self::Bool => if code == 0 { "false" } else { "true" }.to_owned(),
            Self::Int { .. } => code.to_string(),
            Self::Fixed { decimals, .. } => Decimal { value: code.into(), decimals: *decimals }.to_string(),
            Self::Levels(levels) => usize::try_from(code)
                .ok()
                .and_then(|index| levels.get(index).cloned())
                .unwrap_or_else(|| format!("level {code}")),
            Self::Date { .. } => format_date(code),
        }
    }

    /// The code of a parameter's value as it is given: as [`Self::parse`], and with `_` between digits.
    #[must_use]
    pub fn parse_parameter(&self, text: &str) -> Option<i64> {
        self.parse(&text.replace('_', "")).or_else(|| self.parse(text))
    }

    /// The code of a cell of a table: `0`, `1`, `true`, `false`; exact decimals (more digits than the
    /// domain has only if they are zeros); a level's name; an ISO date. `None` outside the domain.
    #[must_use]
    pub fn parse(&self, cell: &str) -> Option<i64> {
        let code = match self {
            Self::Bool => match cell {
                "0" | "false" | "False" | "FALSE" => 0,
                "1" | "true" | "True" | "TRUE" => 1,
                _ => return None,
            },
            Self::Int { .. } | Self::Fixed { .. } => {
                if cell.contains('_') {
                    return None;
                }
                i64::try_from(Decimal::parse(cell)?.rescale(self.decimals())?).ok()?
            }
            Self::Levels(levels) => i64::try_from(levels.iter().position(|level| level == cell)?).ok()?,
            Self::Date { .. } => parse_date(cell)?,
        };
        self.contains(code).then_some(code)
    }
}

/// A level as it is written in a program: in quotes unless it is a plain word.
#[must_use]
pub(crate) fn quote_level(level: &str) -> String {
    if crate::lexis::is_plain_name(level) { level.to_owned() } else { format!("\"{level}\"") }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int { lo, hi, step: 1 } => write!(f, "{lo}..{hi}"),
            Self::Int { lo, hi, step } => write!(f, "{lo}..{hi} step {step}"),
            Self::Fixed { lo, hi, .. } | Self::Date { lo, hi } => {
                write!(f, "{}..{}", self.label(*lo), self.label(*hi))
            }
            Self::Levels(levels) => {
                let names: Vec<String> = levels.iter().map(|level| quote_level(level)).collect();
                write!(f, "{{{}}}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_codes() {
        let bmi = Domain::Fixed { decimals: 1, lo: 100, hi: 900 };
        assert_eq!(
            ["30", "30.0", "30.00", "30.05", "95"].map(|cell| bmi.parse(cell)),
            [Some(300), Some(300), Some(300), None, None]
        );
        let karnofsky = Domain::Int { lo: 0, hi: 100, step: 10 };
        assert_eq!([karnofsky.parse("90"), karnofsky.parse("95")], [Some(90), None]);
        assert_eq!(karnofsky.size(), 11);
        assert_eq!(karnofsky.codes().last(), Some(100));
        let sex = Domain::Levels(vec!["female".into(), "8th Grade".into()]);
        assert_eq!([sex.parse("8th Grade"), sex.parse("Male")], [Some(1), None]);
        assert_eq!(sex.to_string(), "{female, \"8th Grade\"}");
        let date = Domain::Date { lo: 0, hi: 10_000 };
        assert_eq!(date.parse("1970-01-11"), Some(10));
        assert_eq!(date.to_string(), "1970-01-01..1997-05-19");
        assert_eq!([Domain::Bool.parse("true"), Domain::Bool.parse("yes")], [Some(1), None]);
    }
}
