//! Which forms a dataset holds, from its schema alone: digits for the numbers that gain most, within a budget of
//! parts, and bits for the rest. A workload of queries chooses better (`hq plan-data`).

use hq_dsl::{Column, Dataset, Domain};

use crate::encoding::{Encoding, Form};
use crate::passes::Encodings;

/// Domains of at most this many values are held as flags: `==`, `in` and `by` on them are free.
const MAX_LEVELS: u64 = 16;

/// Categories are compared for equality only, so more flags still pay.
const MAX_CATEGORIES: u64 = 64;

/// Values of a digit with a flag for each threshold; a power of two, so that the flags make up bits without products.
const DIGIT: u64 = 16;

/// Numbers of more values are held as bits: their digits would take too many flags.
const MAX_DIGITS: u64 = DIGIT * DIGIT * DIGIT;

/// Parts for each column of a dataset: at the 23 bytes a row that a part takes for two products in sequence and a
/// million rows, 280 bytes a row and column.
const PARTS_PER_COLUMN: usize = 12;

/// What a word is worth beside the digits of a small number, in bits of comparison.
const WORD_GAIN: f64 = 0.1;

/// The forms of every column of a dataset that holds all of them, from their domains.
#[must_use]
pub fn default_encodings(dataset: &Dataset) -> Encodings {
    let mut encodings: Encodings = bit_encodings(dataset);
    let held: usize = encodings.iter().map(|(name, encoding)| encoding.parts(name).len()).sum();
    let room = (PARTS_PER_COLUMN * dataset.columns.len()).saturating_sub(held);
    let upgrades: Vec<Upgrade> = dataset.columns.iter().flat_map(|column| upgrades(column)).collect();
    for upgrade in chosen(&upgrades, room) {
        let Some(encoding) = encodings.get_mut(upgrade.column) else { continue };
        match &upgrade.form {
            Form::Word => encoding.forms.push(Form::Word),
            // Digits serve for what bits do.
            form => {
                encoding.forms.retain(|form| *form != Form::Bits);
                encoding.forms.insert(0, form.clone());
            }
        }
    }
    encodings
}

/// The fewest parts: bits, and a flag for each value of small domains.
#[must_use]
pub fn bit_encodings(dataset: &Dataset) -> Encodings {
    dataset.columns.iter().map(|column| (column.name.clone(), fewest_parts(column))).collect()
}

/// The form of a column in the fewest parts, which is also that of a secret parameter.
#[must_use]
pub fn fewest_parts(column: &Column) -> Encoding {
    let size = size(column);
    let categories = matches!(column.domain, Domain::Levels(_));
    let limit = if categories { MAX_CATEGORIES } else { MAX_LEVELS };
    // A flag that is never missing is one bit, not two levels.
    let levels = size > 2 && size <= limit || categories && size == 2 && column.optional;
    Encoding::new(column, vec![if levels { Form::Levels } else { Form::Bits }])
}

fn size(column: &Column) -> u64 {
    let (lo, hi) = column.domain.range();
    hi.abs_diff(lo).saturating_add(1)
}

/// A form that a column could have besides, or instead of bits.
struct Upgrade<'a> {
    column: &'a str,
    form: Form,
    /// Parts more.
    parts: usize,
    gain: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a gain")]
fn upgrades(column: &Column) -> Vec<Upgrade<'_>> {
    let size = size(column);
    if matches!(column.domain, Domain::Bool | Domain::Levels(_)) || size <= 2 {
        return Vec::new();
    }
    let own = |form: Form, parts: usize, gain: f64| Upgrade { column: &column.name, form, parts, gain };
    let mut upgrades = vec![own(Form::Word, 1, WORD_GAIN)];
    if size > MAX_LEVELS && size <= MAX_DIGITS {
        let form = Form::Thermometer { bases: digit_bases(size) };
        let encoding = fewest_parts(column);
        let parts = encoding.parts_of("", &form).len();
        let parts = parts.saturating_sub(encoding.parts_of("", &Form::Bits).len());
        upgrades.push(own(form, parts, (size as f64).log2()));
    }
    upgrades
}

/// Digits of sixteen values, lowest first, the last as small as it may be.
#[must_use]
pub fn digit_bases(size: u64) -> Vec<u32> {
    let mut bases = Vec::new();
    let mut left = size;
    while left > DIGIT {
        bases.push(u32::try_from(DIGIT).unwrap_or(u32::MAX));
        left = left.div_ceil(DIGIT);
    }
    bases.push(u32::try_from(left.max(2)).unwrap_or(u32::MAX));
    bases
}

/// The upgrades of largest gain that fit (a knapsack, exactly).
fn chosen<'a, 'b>(upgrades: &'b [Upgrade<'a>], room: usize) -> Vec<&'b Upgrade<'a>> {
    // best[r] is the largest gain in r parts, taken[i][r] whether the i-th is in it.
    let mut best = vec![0.0_f64; room + 1];
    let mut taken = Vec::with_capacity(upgrades.len());
    for upgrade in upgrades {
        let before = best.clone();
        let mut own = vec![false; room + 1];
        for (parts, (best, own)) in best.iter_mut().zip(&mut own).enumerate() {
            let without = parts.checked_sub(upgrade.parts).and_then(|rest| before.get(rest));
            if let Some(gain) = without.map(|gain| gain + upgrade.gain).filter(|gain| *gain > *best) {
                (*best, *own) = (gain, true);
            }
        }
        taken.push(own);
    }
    let mut left = room;
    let mut chosen = Vec::new();
    for (upgrade, own) in upgrades.iter().zip(&taken).rev() {
        if own.get(left).copied().unwrap_or(false) {
            chosen.push(upgrade);
            left -= upgrade.parts;
        }
    }
    chosen.reverse();
    chosen
}
