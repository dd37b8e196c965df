//! Which forms a dataset holds, from its schema alone: digits for the numbers that gain most, within a budget of
//! parts, and bits for the rest. A workload of queries chooses better (`hq plan-data`).

use std::collections::BTreeMap;

use hq_dsl::{Column, Dataset, Domain};
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::range::Range;
use serde::{Deserialize, Serialize};

use crate::encoding::{Encoding, Form, bits_of};
use crate::passes::{Encodings, span};
use crate::planner::Target;

/// Domains of at most this many values are held as flags: `==`, `in` and `by` on them are free.
const MAX_LEVELS: u64 = 16;

/// Categories are compared for equality only, so more flags still pay.
const MAX_CATEGORIES: u64 = 64;

/// Most values of a digit with a flag for each threshold.
const DIGIT: u64 = 16;

/// Bytes of ciphertext for each row and column of a table of a million rows. Storage trades for time, and smaller
/// tables may take more: twice as many where they are a thirteenth.
const BYTES_PER_COLUMN: f64 = 264.0;

/// Most times more that smaller tables take.
const MOST_TIMES_MORE: f64 = 3.2;

/// What a word is worth beside the digits of a number, in levels of a comparison.
const WORD_GAIN: f64 = 0.03;

/// Digits that numbers may be held in.
const DIGITS: [u32; 2] = [2, 3];

/// How the columns of a dataset are held, and how much room that may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forms {
    /// Version of the format, as a file.
    pub version: u32,
    /// Name of the dataset.
    pub dataset: String,
    /// Most bytes of ciphertext for each row.
    pub max_bytes_per_row: u64,
    /// The forms of each column.
    pub columns: BTreeMap<String, Encoding>,
}

/// Version of [`Forms`].
pub const VERSION: u32 = 1;

impl Forms {
    /// From the schema alone.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Self {
        Self::with_budget(dataset, default_bytes_per_row(dataset))
    }

    /// From the schema alone, in at most so many bytes a row if bits alone do not take more.
    #[must_use]
    pub fn with_budget(dataset: &Dataset, bytes_per_row: f64) -> Self {
        Self::new(dataset, whole(bytes_per_row), default_encodings(dataset, bytes_per_row))
    }

    /// As a backend takes them if nothing else is said.
    #[must_use]
    pub fn for_backend(dataset: &Dataset, backend: &Capabilities) -> Self {
        if backend.bootstrapped.is_some() { Self::digits(dataset) } else { Self::of(dataset) }
    }

    /// In the fewest parts.
    #[must_use]
    pub fn bits(dataset: &Dataset) -> Self {
        Self::new(dataset, whole(default_bytes_per_row(dataset)), bit_encodings(dataset))
    }

    /// In digits, and words to be summed.
    #[must_use]
    pub fn digits(dataset: &Dataset) -> Self {
        Self::new(dataset, whole(default_bytes_per_row(dataset)), digit_encodings(dataset))
    }

    /// Encodings of a dataset's columns.
    #[must_use]
    pub fn new(dataset: &Dataset, max_bytes_per_row: u64, encodings: Encodings) -> Self {
        let columns = encodings.into_iter().collect();
        Self { version: VERSION, dataset: dataset.name.clone(), max_bytes_per_row, columns }
    }

    /// These forms without words that no sum over the dataset's rows can hold under parameters of tables: no plan reads them,
    /// and the largest could not be encrypted. A column that is held in nothing else keeps its word.
    #[must_use]
    pub fn under(mut self, parameters: &Parameters, rows: u64) -> Self {
        let Parameters::Tfhe(tfhe) = parameters else { return self };
        // A single row's word still has a sign.
        let width = (tfhe.sum_modulus() - 1) / rows.max(2);
        for encoding in self.columns.values_mut().filter(|encoding| encoding.forms.len() > 1) {
            let fits = Range::new(encoding.lo, encoding.hi).is_some_and(|range| span(range) <= width);
            encoding.forms.retain(|form| fits || !matches!(form, Form::Word));
        }
        self
    }

    /// By name, as the planner takes them.
    #[must_use]
    pub fn encodings(&self) -> Encodings {
        self.columns.iter().map(|(name, encoding)| (name.clone(), encoding.clone())).collect()
    }

    /// Parts of a row, presence included.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.columns.iter().map(|(name, encoding)| encoding.parts(name).len()).sum::<usize>() + 1
    }

    /// The cheapest parameters of at least this security whose ciphertexts take no more room.
    #[must_use]
    pub fn target(&self, security_bits: u32) -> Target {
        let bits = self.max_bytes_per_row.saturating_mul(8) / u64::try_from(self.parts()).unwrap_or(u64::MAX);
        Target::Cheapest { security_bits, max_log2_q: u32::try_from(bits).ok() }
    }

    /// Bytes of ciphertext for each row under parameters.
    #[must_use]
    pub fn bytes_per_row(&self, parameters: &RnsParameters) -> u64 {
        let bits = parameters.log2_q(parameters.moduli.len()).ceil();
        (whole(bits) * u64::try_from(self.parts()).unwrap_or(u64::MAX)).div_ceil(8)
    }

    /// Whether ciphertexts under parameters take no more room than they may.
    #[must_use]
    pub fn fits(&self, parameters: &RnsParameters) -> bool {
        // As the planner counts: a prime of b bits is above 2^(b - 1).
        let primes = u64::try_from(parameters.moduli.len()).unwrap_or(u64::MAX);
        let bits = whole(parameters.log2_q(parameters.moduli.len()).ceil()).saturating_sub(primes);
        bits.saturating_mul(u64::try_from(self.parts()).unwrap_or(u64::MAX)) / 8 <= self.max_bytes_per_row
    }

    /// Whether these are forms of a dataset's columns.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, dataset: &Dataset) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("has version {}, this program reads {VERSION}", self.version));
        }
        if self.dataset != dataset.name {
            return Err(format!("is for dataset `{}`, not `{}`", self.dataset, dataset.name));
        }
        for column in &dataset.columns {
            let name = &column.name;
            let encoding = self.columns.get(name).ok_or_else(|| format!("has no form of column `{name}`"))?;
            encoding.check().map_err(|reason| format!("column `{name}`: {reason}"))?;
            if (encoding.lo, encoding.hi) != column.domain.range() || encoding.optional != column.optional {
                return Err(format!("column `{name}` has other values than in the schema"));
            }
        }
        match self.columns.keys().find(|name| dataset.columns.iter().all(|column| column.name != **name)) {
            Some(name) => Err(format!("has a column `{name}` that the schema lacks")),
            None => Ok(()),
        }
    }
}

/// Bytes of ciphertext that a row may take if nothing else is said.
#[must_use]
pub fn default_bytes_per_row(dataset: &Dataset) -> f64 {
    let times = (f64::from(1 << 20) / float(dataset.rows.max(1))).powf(0.27).clamp(1.0, MOST_TIMES_MORE);
    BYTES_PER_COLUMN * float(dataset.columns.len() as u64) * times
}

/// About the bits of a modulus under which two comparisons of numbers in so many digits, a flag and a value are
/// multiplied and summed: a switched factor for each digit, a fresh one, the sum over blocks, flooding, a prime to
/// switch by, and the sizes that primes come in. Terms as in `noise`, at N = 16,384.
fn typical_log2_q(rows: u64, digits: u32) -> f64 {
    let log2_t = float(rows.saturating_add(1)).log2().max(16.0);
    let blocks = (float(rows) / 16_384.0).log2().max(0.0);
    f64::from(digits) * (log2_t + 21.5) + (log2_t + 10.7) + blocks + 47.0 + 50.0 + 3.0
}

/// The forms of every column from their domains, in at most so many bytes a row if bits alone do not take more.
#[must_use]
pub fn default_encodings(dataset: &Dataset, bytes_per_row: f64) -> Encodings {
    let mut encodings: Encodings = bit_encodings(dataset);
    let held: usize = encodings.iter().map(|(name, encoding)| encoding.parts(name).len()).sum::<usize>() + 1;
    let upgrades: Vec<Vec<Upgrade<'_>>> =
        dataset.columns.iter().map(|column| upgrades(column, dataset.rows)).collect();
    let within = |digits: &[u32]| {
        let most = digits.iter().copied().max().unwrap_or_default();
        let parts = bytes_per_row * 8.0 / typical_log2_q(dataset.rows, most);
        chosen(&upgrades, digits, usize::try_from(whole(parts)).unwrap_or(0).saturating_sub(held))
    };
    let in_digits = |upgrade: &Upgrade<'_>| upgrade.digits > 0;
    let numbers = upgrades.iter().filter(|upgrades| upgrades.iter().any(in_digits)).count();
    let all =
        |chosen: &Vec<&Upgrade<'_>>| chosen.iter().filter(|upgrade| in_digits(upgrade)).count() == numbers;
    // The number of most digits decides how long ciphertexts are, so two digits pay where none stays in bits.
    let sets: [&[u32]; 2] = [&[2], &DIGITS];
    let chosen = sets.into_iter().map(within).find(all).unwrap_or_else(|| within(&[3]));
    for upgrade in chosen {
        if let Some(encoding) = encodings.get_mut(upgrade.column) {
            encoding.forms.clone_from(&upgrade.forms);
        }
    }
    encodings
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what 32 bits hold")]
fn whole(value: f64) -> u64 {
    value.floor().clamp(0.0, f64::from(u32::MAX)) as u64
}

/// The fewest parts: bits, and a flag for each value of small domains.
#[must_use]
pub fn bit_encodings(dataset: &Dataset) -> Encodings {
    dataset.columns.iter().map(|column| (column.name.clone(), fewest_parts(column))).collect()
}

/// The form of a column in the fewest parts, which is also that of a secret parameter on levels.
#[must_use]
pub fn fewest_parts(column: &Column) -> Encoding {
    let size = size(column);
    let categories = matches!(column.domain, Domain::Levels(_));
    let limit = if categories { MAX_CATEGORIES } else { MAX_LEVELS };
    // A flag that is never missing is one bit, not two levels.
    let levels = size > 2 && size <= limit || categories && size == 2 && column.optional;
    Encoding::new(column, vec![if levels { Form::Levels } else { Form::Bits }])
}

/// Bits of a digit for a table.
const TABLE_DIGIT_BITS: u32 = 4;

/// The form of a column in digits for tables.
fn digits(column: &Column) -> Encoding {
    Encoding::new(column, vec![Form::Limbs { bits: TABLE_DIGIT_BITS }])
}

/// The form of a secret parameter for a backend.
#[must_use]
pub fn parameter_form(column: &Column, backend: &Capabilities) -> Encoding {
    if backend.bootstrapped.is_some() { digits(column) } else { fewest_parts(column) }
}

/// The forms of every column for a backend with tables: digits to compare, and a word to sum under conditions where a
/// value has several digits.
fn digit_encodings(dataset: &Dataset) -> Encodings {
    let form = |column: &Column| {
        let mut encoding = digits(column);
        if bits_of(encoding.size()) > TABLE_DIGIT_BITS {
            encoding.forms.push(Form::Word);
        }
        (column.name.clone(), encoding)
    };
    dataset.columns.iter().map(form).collect()
}

fn size(column: &Column) -> u64 {
    let (lo, hi) = column.domain.range();
    hi.abs_diff(lo).saturating_add(1)
}

/// Forms that a column could have instead of the fewest parts.
struct Upgrade<'a> {
    column: &'a str,
    forms: Vec<Form>,
    /// Of a number held so; 0 where it stays in bits.
    digits: u32,
    /// Parts more.
    parts: usize,
    /// Levels that a comparison saves.
    gain: f64,
}

/// Largest sum that is carried in one piece.
const MAX_WHOLE_SUM: u64 = 1 << 26;

fn upgrades(column: &Column, rows: u64) -> Vec<Upgrade<'_>> {
    let size = size(column);
    if matches!(column.domain, Domain::Bool | Domain::Levels(_)) || size <= 2 {
        return Vec::new();
    }
    let fewest = fewest_parts(column);
    let held = fewest.parts("").len();
    let upgrade = |forms: Vec<Form>, digits: u32, gain: f64| {
        let encoding = Encoding { forms: forms.clone(), ..fewest.clone() };
        let parts = encoding.parts("").len().saturating_sub(held);
        Upgrade { column: &column.name, forms, digits, parts, gain }
    };
    // A word serves where a sum fits one plaintext.
    let whole = size.saturating_mul(rows) < MAX_WHOLE_SUM;
    let mut upgrades = Vec::new();
    let mut add = |forms: &[Form], digits: u32, gain: f64| {
        upgrades.push(upgrade(forms.to_vec(), digits, gain));
        if whole {
            upgrades.push(upgrade([forms, &[Form::Word]].concat(), digits, gain + WORD_GAIN));
        }
    };
    if size > MAX_LEVELS {
        // A comparison takes a tree of products over bits, and a chain of them over digits.
        let levels = float(bits_of(size).into()).log2().ceil();
        for digits in DIGITS {
            if let Some(bases) = digit_bases(size, digits) {
                add(&[Form::Thermometer { bases }], digits, levels - f64::from(digits - 1));
            }
        }
    }
    if whole {
        add(&fewest.forms, 0, 0.0);
    }
    upgrades.retain(|upgrade| upgrade.forms != fewest.forms);
    upgrades
}

/// So many digits, lowest first, each of as many values as a power of two and the last as small as it may be: their flags
/// make up bits without products. The highest digits are the longest, since the last loses the values that do not occur.
/// `None` where a digit would have more than [`DIGIT`] values, or fewer digits do.
#[must_use]
pub fn digit_bases(size: u64, digits: u32) -> Option<Vec<u32>> {
    let bits = bits_of(size);
    let (each, longer) = (bits.checked_div(digits)?, bits.checked_rem(digits)?);
    let (mut bases, mut left) = (Vec::new(), size);
    for index in 0..digits {
        let base = 1_u64 << (each + u32::from(index >= digits - longer)).min(62);
        let base = if index + 1 == digits { left } else { base };
        bases.push(u32::try_from(base).ok().filter(|base| (2..=DIGIT).contains(&u64::from(*base)))?);
        left = left.div_ceil(base);
    }
    Some(bases)
}

/// Digits of so many values, lowest first, the last as small as it may be; at least two.
#[must_use]
pub fn equal_digits(size: u64, base: u64) -> Option<Vec<u32>> {
    let (mut bases, mut left) = (Vec::new(), size);
    while left > base {
        bases.push(u32::try_from(base).ok()?);
        left = left.div_ceil(base);
    }
    bases.push(u32::try_from(left).ok()?);
    (bases.len() > 1 && left > 1).then_some(bases)
}

/// At most one upgrade of each column, in one of these numbers of digits or none, of largest gain together, that fit (a knapsack,
/// exactly). Among equals those of the columns that the schema names first.
fn chosen<'a, 'b>(columns: &'b [Vec<Upgrade<'a>>], digits: &[u32], room: usize) -> Vec<&'b Upgrade<'a>> {
    // best[r] is the largest gain in r parts, taken[i][r] what the i-th column adds to it.
    let mut best = vec![0.0_f64; room + 1];
    let mut taken: Vec<Vec<Option<&Upgrade<'a>>>> = Vec::with_capacity(columns.len());
    for upgrades in columns {
        let before = best.clone();
        let mut own = vec![None; room + 1];
        for (parts, (best, own)) in best.iter_mut().zip(&mut own).enumerate() {
            for upgrade in
                upgrades.iter().filter(|upgrade| upgrade.digits == 0 || digits.contains(&upgrade.digits))
            {
                let without = parts.checked_sub(upgrade.parts).and_then(|rest| before.get(rest));
                if let Some(gain) = without.map(|gain| gain + upgrade.gain).filter(|gain| *gain > *best) {
                    (*best, *own) = (gain, Some(upgrade));
                }
            }
        }
        taken.push(own);
    }
    let mut left = room;
    let mut chosen = Vec::new();
    for own in taken.iter().rev() {
        if let Some(upgrade) = own.get(left).copied().flatten() {
            chosen.push(upgrade);
            left -= upgrade.parts;
        }
    }
    chosen.reverse();
    chosen
}
