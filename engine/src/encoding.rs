//! How a column is held encrypted: in which forms, which parts those have, and what each part is for a given cell.
//!
//! A column may be held in several forms at once, each for what it is good at: a comparison with a constant is
//! free of products on flags of its values or thresholds, takes one product on two digits, and many on bits; the
//! value itself is one part as a word, and a sum of many otherwise. `passes/encode` takes for each use the form that
//! needs least, and `forms` chooses which forms a dataset holds.
//!
//! Invariant, "absence is zero": in every part a missing cell and an absent row are 0. The planner's
//! presence proofs and the service's erasure of a row rest on it.

use hq_dsl::Column;
use hq_plugin_sdk::plan::{Family, Input, Origin};
use hq_plugin_sdk::range::{Range, RangeSet};
use serde::{Deserialize, Serialize};

use crate::lower::known_input;

/// The encrypted forms of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoding {
    /// Smallest value.
    pub lo: i64,
    /// Largest value.
    pub hi: i64,
    /// Whether a cell may be missing; then there is a part that says whether it is present.
    pub optional: bool,
    /// The forms, each kind at most once.
    pub forms: Vec<Form>,
}

/// One form of a column, over d = value - lo.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case", deny_unknown_fields)]
pub enum Form {
    /// The binary digits of d, lowest first.
    Bits,
    /// A flag for each value.
    Levels,
    /// Digits of d, lowest first, with a flag for each value of a digit.
    OneHot {
        /// Values of each digit.
        bases: Vec<u32>,
    },
    /// Digits of d, lowest first; for each value of a digit but 0 a flag that it is reached.
    Thermometer {
        /// Values of each digit.
        bases: Vec<u32>,
    },
    /// A flag for each cut point that the value reaches it.
    Cuts {
        /// Cut points, rising.
        at: Vec<i64>,
    },
    /// The value.
    Word,
    /// Its square.
    Square,
    /// Digits of d as numbers, lowest first.
    Limbs {
        /// Bits of each.
        bits: u32,
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
    Known,
    /// `scale * value`.
    Value,
    Square,
    /// Whether the value is this one.
    Is(i64),
    /// Whether the value is at least this.
    AtLeast(i64),
    /// `(value - lo) / weight mod base`.
    Digit(Digit),
    DigitIs(Digit, u64),
    DigitAtLeast(Digit, u64),
}

/// A digit of `value - lo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digit {
    lo: i64,
    weight: u64,
    base: u64,
}

impl Digit {
    fn of(self, cell: i64) -> u64 {
        cell.abs_diff(self.lo) / self.weight % self.base
    }
}

impl Part {
    /// The part's value for a cell, `None` being missing.
    #[must_use]
    pub fn value(&self, cell: Option<i64>) -> i64 {
        let Some(cell) = cell else { return 0 };
        match self.kind {
            PartKind::Known => 1,
            PartKind::Value => cell,
            PartKind::Square => cell.wrapping_mul(cell),
            PartKind::Is(value) => i64::from(cell == value),
            PartKind::AtLeast(cut) => i64::from(cell >= cut),
            PartKind::Digit(digit) => i64::try_from(digit.of(cell)).unwrap_or(0),
            PartKind::DigitIs(digit, value) => i64::from(digit.of(cell) == value),
            PartKind::DigitAtLeast(digit, value) => i64::from(digit.of(cell) >= value),
        }
    }
}

impl Encoding {
    /// Of a column in the given forms.
    #[must_use]
    pub fn new(column: &Column, forms: Vec<Form>) -> Self {
        let (lo, hi) = column.domain.range();
        Self { lo, hi, optional: column.optional, forms }
    }

    /// Number of values.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.hi.abs_diff(self.lo).saturating_add(1)
    }

    /// Whether a part of its own says that a cell is present; flags of all values say it together.
    #[must_use]
    pub fn has_known(&self) -> bool {
        self.optional && !self.forms.contains(&Form::Levels)
    }

    /// Whether the encoding is one that can be computed with: what the table of a column may look like is bounded,
    /// and its digits reach its values.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.lo > self.hi || self.forms.is_empty() {
            return Err("a column has values and a form");
        }
        for (index, form) in self.forms.iter().enumerate() {
            let again = self.forms.iter().skip(index + 1);
            if again.into_iter().any(|other| std::mem::discriminant(other) == std::mem::discriminant(form)) {
                return Err("a column is held in each form once at most");
            }
            match form {
                Form::OneHot { bases } | Form::Thermometer { bases } => {
                    let reached =
                        bases.iter().try_fold(1_u64, |product, &base| product.checked_mul(u64::from(base)));
                    if bases.iter().any(|base| !(2..=MAX_FLAGS).contains(base)) || bases.is_empty() {
                        return Err("a digit has 2 to 4,096 values");
                    }
                    if reached.is_some_and(|reached| reached < self.size()) {
                        return Err("the digits do not reach all values");
                    }
                }
                Form::Levels if self.size() > u64::from(MAX_FLAGS) => {
                    return Err("too many values for a flag each");
                }
                Form::Cuts { at } => {
                    if at.is_empty() || at.len() > MAX_FLAGS as usize || !at.is_sorted_by(|a, b| a < b) {
                        return Err("cut points rise, and are 4,096 at most");
                    }
                }
                Form::Limbs { bits } if !(1..=32).contains(bits) => return Err("limbs have 1 to 32 bits"),
                Form::Square if self.lo.unsigned_abs().max(self.hi.unsigned_abs()) >= 1 << 31 => {
                    return Err("its square leaves 62 bits");
                }
                Form::Bits | Form::Levels | Form::Word | Form::Square | Form::Limbs { .. } => {}
            }
        }
        Ok(())
    }

    /// The parts, in the order in which they are stored.
    #[must_use]
    pub fn parts(&self, column: &str) -> Vec<Part> {
        let mut parts: Vec<Part> = self.forms.iter().flat_map(|form| self.parts_of(column, form)).collect();
        if self.has_known() {
            parts.push(Part { input: flag(known_input(column), None), kind: PartKind::Known });
        }
        parts
    }

    /// The parts of one of its forms.
    #[must_use]
    pub fn parts_of(&self, column: &str, form: &Form) -> Vec<Part> {
        let part =
            |name: String, family: Option<Family>, kind: PartKind| Part { input: flag(name, family), kind };
        let (lo, size) = (self.lo, self.size());
        match form {
            Form::Bits => (0..bits_of(size))
                .map(|bit| {
                    let digit = Digit { lo, weight: 1 << bit, base: 2 };
                    part(format!("{column}.bit{bit}"), None, PartKind::Digit(digit))
                })
                .collect(),
            Form::Levels => (lo..=self.hi)
                .map(|value| {
                    let family = Family::OneOf(column.to_owned());
                    part(format!("{column}.is{value}"), Some(family), PartKind::Is(value))
                })
                .collect(),
            Form::OneHot { bases } => digits(lo, size, bases)
                .flat_map(|(index, digit, count)| {
                    (0..count).map(move |value| {
                        let family = Family::OneOf(format!("{column}.d{index}"));
                        part(
                            format!("{column}.d{index}is{value}"),
                            Some(family),
                            PartKind::DigitIs(digit, value),
                        )
                    })
                })
                .collect(),
            Form::Thermometer { bases } => digits(lo, size, bases)
                .flat_map(|(index, digit, count)| {
                    (1..count).map(move |value| {
                        let rank = u32::try_from(value).unwrap_or(u32::MAX);
                        let family = Family::Nested(format!("{column}.d{index}"), rank);
                        let kind = PartKind::DigitAtLeast(digit, value);
                        part(format!("{column}.d{index}ge{value}"), Some(family), kind)
                    })
                })
                .collect(),
            Form::Cuts { at } => (0..)
                .zip(at)
                .map(|(rank, &cut)| {
                    let family = Family::Nested(format!("{column}.cuts"), rank);
                    part(format!("{column}.ge{cut}"), Some(family), PartKind::AtLeast(cut))
                })
                .collect(),
            Form::Word => vec![number(format!("{column}.word"), Range::new(lo, self.hi), PartKind::Value)],
            Form::Square => {
                let most = lo.unsigned_abs().max(self.hi.unsigned_abs()).min(1 << 31);
                let most = i64::try_from(most * most).unwrap_or(i64::MAX);
                vec![number(format!("{column}.square"), Range::new(0, most), PartKind::Square)]
            }
            Form::Limbs { bits } => (0..bits_of(size).div_ceil(*bits))
                .map(|limb| {
                    let (weight, base) = (1_u64 << (limb * bits).min(63), 1_u64 << bits);
                    let most = ((size - 1) / weight).min(base - 1);
                    let range = Range::new(0, i64::try_from(most).unwrap_or(i64::MAX));
                    number(format!("{column}.limb{limb}"), range, PartKind::Digit(Digit { lo, weight, base }))
                })
                .collect(),
        }
    }

    /// Whether flags at cut points decide membership in a set.
    #[must_use]
    pub fn cuts_decide(&self, at: &[i64], set: &RangeSet) -> bool {
        set.ranges().iter().all(|range| {
            let above = range.hi().saturating_add(1);
            (range.lo() <= self.lo || at.binary_search(&range.lo()).is_ok())
                && (range.hi() >= self.hi || at.binary_search(&above).is_ok())
        })
    }
}

/// Whether a part is the value of a column in one piece.
#[must_use]
pub fn is_word(part: &str) -> bool {
    part.ends_with(".word")
}

/// Most flags of one digit, or of the values or cut points of a column.
const MAX_FLAGS: u32 = 4096;

/// Binary digits of numbers below `size`.
#[must_use]
pub fn bits_of(size: u64) -> u32 {
    (u64::BITS - size.saturating_sub(1).leading_zeros()).max(1)
}

/// Index, digit, and how many values of it occur.
fn digits(lo: i64, size: u64, bases: &[u32]) -> impl Iterator<Item = (usize, Digit, u64)> {
    let mut weight = 1_u64;
    bases.iter().enumerate().map(move |(index, &base)| {
        let digit = Digit { lo, weight, base: u64::from(base) };
        let count = size.div_ceil(weight).min(u64::from(base));
        weight = weight.saturating_mul(u64::from(base));
        (index, digit, count)
    })
}

fn flag(name: String, family: Option<Family>) -> Input {
    Input { name, range: Range::BOOL, family, origin: Origin::Table }
}

/// A part that is a number; an absent row has 0.
fn number(name: String, range: Option<Range>, kind: PartKind) -> Part {
    let range = range.unwrap_or(Range::BOOL).hull(Range::single(0));
    Part { input: Input { name, range, family: None, origin: Origin::Table }, kind }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

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

    fn forms() -> Vec<Form> {
        vec![
            Form::Bits,
            Form::Levels,
            Form::OneHot { bases: vec![16, 16] },
            Form::Thermometer { bases: vec![7, 4, 10] },
            Form::Cuts { at: vec![-3, 0, 17, 40] },
            Form::Word,
            Form::Square,
            Form::Limbs { bits: 3 },
        ]
    }

    #[test]
    fn parts_hold_the_value_and_absence_is_zero() {
        for (lo, hi) in [(0, 127), (35, 255), (-50, 90), (1, 14), (3, 4)] {
            let encoding = Encoding::new(&column(Domain::Int { lo, hi, step: 1 }, true), forms());
            encoding.check().unwrap();
            let parts = encoding.parts("x");
            let names: std::collections::HashSet<&String> =
                parts.iter().map(|part| &part.input.name).collect();
            assert_eq!(names.len(), parts.len());
            assert!(parts.iter().all(|part| part.value(None) == 0 && part.input.range.contains(0)));
            for code in lo..=hi {
                assert!(parts.iter().all(|part| part.input.range.contains(part.value(Some(code)))), "{code}");
                let of = |form: &Form| encoding.parts_of("x", form).into_iter();
                let bits = of(&Form::Bits).rev().fold(0, |sum, part| 2 * sum + part.value(Some(code)));
                assert_eq!(lo + bits, code);
                let limbs =
                    of(&Form::Limbs { bits: 3 }).rev().fold(0, |sum, part| 8 * sum + part.value(Some(code)));
                assert_eq!(lo + limbs, code);
                let sum = |form: &Form| of(form).map(|part| part.value(Some(code))).sum::<i64>();
                assert_eq!(sum(&Form::Levels), 1);
                assert_eq!(
                    sum(&Form::OneHot { bases: vec![16, 16] }),
                    2.min(sum(&Form::OneHot { bases: vec![16, 16] }))
                );
                assert_eq!(sum(&Form::Word), code);
                assert_eq!(sum(&Form::Square), code * code);
                let digit = |index: u32| {
                    let flags = of(&Form::Thermometer { bases: vec![7, 4, 10] });
                    let own = flags.filter(|part| part.input.name.starts_with(&format!("x.d{index}ge")));
                    own.map(|part| part.value(Some(code))).sum::<i64>()
                };
                assert_eq!(lo + digit(0) + 7 * digit(1) + 28 * digit(2), code);
            }
        }
    }

    #[test]
    fn encodings_from_outside_are_checked() {
        let wrong = |forms: Vec<Form>| Encoding { lo: 0, hi: 200, optional: false, forms }.check().is_err();
        assert!(wrong(vec![]));
        assert!(wrong(vec![Form::Bits, Form::Bits]));
        assert!(wrong(vec![Form::Thermometer { bases: vec![10, 10] }]));
        assert!(wrong(vec![Form::OneHot { bases: vec![1, 300] }]));
        assert!(wrong(vec![Form::Cuts { at: vec![3, 3] }]));
        assert!(wrong(vec![Form::Limbs { bits: 0 }]));
        assert!(!wrong(vec![Form::Thermometer { bases: vec![16, 13] }, Form::Word]));
    }
}
