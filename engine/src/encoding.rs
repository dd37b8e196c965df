//! How a column is held encrypted: which parts it has, and what each part is for a given cell.
//!
//! Invariant, "absence is zero": in every part a missing cell and an absent row are 0. The planner's
//! presence proofs and the service's erasure of a row rest on it.

use hq_dsl::Column;
use hq_plugin_sdk::plan::{Input, Origin};
use hq_plugin_sdk::range::Range;
use serde::{Deserialize, Serialize};

use crate::lower::known_input;

/// Domains of at most this many values are held one-hot: `==`, `in` and `by` on them are free.
const MAX_ONE_HOT: u64 = 16;

/// Categories are compared for equality only, so a larger one-hot still pays.
const MAX_ONE_HOT_LEVELS: u64 = 64;

/// The encrypted form of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoding {
    /// The binary digits of `value - lo`, lowest first, and a flag if a cell may be missing.
    Bits {
        /// Value of a present cell whose bits are all 0.
        lo: i64,
        /// Number of digits.
        bits: u8,
        /// Whether there is a part that says whether the cell is present.
        known: bool,
    },
    /// One flag per value; the cell is present where one of them is set.
    OneHot {
        /// Smallest value.
        lo: i64,
        /// Largest value.
        hi: i64,
        /// Whether a cell may be missing.
        optional: bool,
    },
}

/// One encrypted part of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How a plan names it, and the values it takes.
    pub input: Input,
    kind: PartKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartKind {
    Bit { lo: i64, bit: u8 },
    Is(i64),
    Known,
}

impl Part {
    /// The part's value for a cell, `None` being missing.
    #[must_use]
    pub fn value(&self, cell: Option<i64>) -> i64 {
        let Some(cell) = cell else { return 0 };
        match self.kind {
            PartKind::Bit { lo, bit } => (cell.wrapping_sub(lo) >> bit) & 1,
            PartKind::Is(value) => i64::from(cell == value),
            PartKind::Known => 1,
        }
    }
}

impl Encoding {
    /// The form chosen from the domain alone.
    #[must_use]
    pub fn of(column: &Column) -> Self {
        let (lo, hi) = column.domain.range();
        let size = hi.abs_diff(lo).saturating_add(1);
        let categories = matches!(column.domain, hq_dsl::Domain::Levels(_));
        let limit = if categories { MAX_ONE_HOT_LEVELS } else { MAX_ONE_HOT };
        // A flag that is never missing is one bit, not two levels.
        if size > 2 && size <= limit || categories && size == 2 && column.optional {
            return Self::OneHot { lo, hi, optional: column.optional };
        }
        let bits = u8::try_from(u64::BITS - (size - 1).leading_zeros()).unwrap_or(u8::MAX).max(1);
        Self::Bits { lo, bits, known: column.optional }
    }

    /// The parts, in the order in which they are stored.
    #[must_use]
    pub fn parts(&self, column: &str) -> Vec<Part> {
        match *self {
            Self::Bits { lo, bits, known } => {
                let mut parts: Vec<Part> = (0..bits)
                    .map(|bit| Part {
                        input: flag(format!("{column}.bit{bit}"), None),
                        kind: PartKind::Bit { lo, bit },
                    })
                    .collect();
                if known {
                    parts.push(Part { input: flag(known_input(column), None), kind: PartKind::Known });
                }
                parts
            }
            Self::OneHot { lo, hi, .. } => (lo..=hi)
                .map(|value| Part {
                    input: flag(format!("{column}.is{value}"), Some(column.to_owned())),
                    kind: PartKind::Is(value),
                })
                .collect(),
        }
    }
}

fn flag(name: String, one_of: Option<String>) -> Input {
    Input { name, range: Range::BOOL, one_of, origin: Origin::Table }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hq_dsl::{Domain, Span};

    fn column(domain: Domain, optional: bool) -> Column {
        Column {
            name: "x".to_owned(),
            domain,
            optional,
            description: String::new(),
            prepared: None,
            span: Span::default(),
        }
    }

    #[test]
    fn parts_hold_the_value_and_absence_is_zero() {
        for (domain, count) in [
            (Domain::Bool, 1),
            (Domain::Int { lo: 0, hi: 127, step: 1 }, 7),
            (Domain::Int { lo: 35, hi: 255, step: 1 }, 8),
            (Domain::Int { lo: 1, hi: 14, step: 1 }, 14),
            (Domain::Levels(vec!["a".into(), "b".into()]), 1),
            (Domain::Fixed { decimals: 1, lo: -50, hi: 900 }, 10),
        ] {
            let column = column(domain, false);
            let encoding = Encoding::of(&column);
            let parts = encoding.parts("x");
            assert_eq!(parts.len(), count, "{:?}", column.domain);
            assert!(parts.iter().all(|part| part.value(None) == 0));
            for code in column.domain.codes() {
                let value: i64 = match encoding {
                    Encoding::Bits { lo, .. } => {
                        lo + parts.iter().enumerate().map(|(i, p)| p.value(Some(code)) << i).sum::<i64>()
                    }
                    Encoding::OneHot { lo, .. } => {
                        parts.iter().zip(lo..).map(|(p, v)| p.value(Some(code)) * v).sum()
                    }
                };
                assert_eq!(value, code);
            }
        }
    }
}
