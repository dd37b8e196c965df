//! A table of a small value: what a programmable bootstrap looks up.

use std::fmt;

use crate::plan::InputId;
use crate::range::Range;

/// Most entries of a table that is read or made.
pub const MAX_ENTRIES: usize = 64;

/// What a table holds at one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A number that everyone knows.
    Value(i64),
    /// The row's value of an input: an encrypted entry.
    Input(InputId),
}

/// Entries for consecutive values from `first` on; looking up any other value is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    first: i64,
    entries: Vec<Entry>,
}

impl Table {
    /// `None` without entries, with more than [`MAX_ENTRIES`], or past 62 bits.
    #[must_use]
    pub fn new(first: i64, entries: Vec<Entry>) -> Option<Self> {
        let count = i64::try_from(entries.len()).ok()?;
        let fits = first.unsigned_abs() < 1 << 62 && (1..=MAX_ENTRIES).contains(&entries.len());
        (fits && count > 0).then_some(Self { first, entries })
    }

    /// The table of a function over a range; `None` where the range is too wide.
    #[must_use]
    pub fn of(range: Range, f: impl Fn(i64) -> Entry) -> Option<Self> {
        let most = u64::try_from(MAX_ENTRIES).unwrap_or(u64::MAX);
        if range.size() > most {
            return None;
        }
        Self::new(range.lo(), (range.lo()..=range.hi()).map(f).collect())
    }

    /// The value of the first entry.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.first
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The values that have an entry.
    #[must_use]
    pub fn domain(&self) -> Range {
        let more = i64::try_from(self.entries.len()).unwrap_or(1).saturating_sub(1);
        Range::new(self.first, self.first.saturating_add(more)).unwrap_or(Range::single(self.first))
    }

    /// The entry of a value.
    #[must_use]
    pub fn entry(&self, value: i64) -> Option<Entry> {
        let index = usize::try_from(value.checked_sub(self.first)?).ok()?;
        self.entries.get(index).copied()
    }

    /// The inputs that stand in it.
    pub fn inputs(&self) -> impl Iterator<Item = InputId> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Input(input) => Some(*input),
            Entry::Value(_) => None,
        })
    }

    /// The same with other inputs.
    #[must_use]
    pub fn with_inputs(&self, mut other: impl FnMut(InputId) -> InputId) -> Self {
        let entry = |entry: &Entry| match entry {
            Entry::Value(value) => Entry::Value(*value),
            Entry::Input(input) => Entry::Input(other(*input)),
        };
        Self { first: self.first, entries: self.entries.iter().map(entry).collect() }
    }

    /// Its text, with the names of inputs: `0 [0,1,age.word]`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut impl fmt::Write, name: impl Fn(InputId) -> String) -> fmt::Result {
        write!(out, "{} [", self.first)?;
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                out.write_char(',')?;
            }
            match entry {
                Entry::Value(value) => write!(out, "{value}")?,
                Entry::Input(input) => out.write_str(&name(*input))?,
            }
        }
        out.write_char(']')
    }
}
