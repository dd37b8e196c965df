//! Tables as polynomials. Box i of a table is centred i N/E coefficients above its place, which is where its output is
//! read after the rotation. Half of the first box lies below 0, where the polynomial comes back with its sign changed; where
//! all boxes are taken, the last table's last entry stands there too, and the first table is moved by a constant so that
//! both agree.

use hq_plugin_sdk::plan::{InputId, Op, Plan};
use hq_plugin_sdk::rotations::{Rotation, Use, first_coefficient};
use hq_plugin_sdk::table::{Entry, Table};

use crate::error::Error;
use crate::params::Params;

/// The tables of a rotation.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// What is public of them, as the coefficients of one polynomial.
    pub(crate) body: Vec<u64>,
    /// Encrypted entries, and the power of X that brings each to its box.
    pub(crate) entries: Vec<(InputId, i64)>,
    /// Of each table: the coefficient of its output.
    pub(crate) places: Vec<usize>,
    /// What is to be added to each output, in half units.
    pub(crate) halves: Vec<i64>,
}

impl Template {
    /// Of the tables that share a rotation.
    pub(crate) fn new(plan: &Plan, rotation: &Rotation, params: &Params) -> Result<Self, Error> {
        let tables: Vec<&Table> = rotation
            .lookups
            .iter()
            .filter_map(|&node| match plan.op(node) {
                Some(Op::Lookup { table, .. }) => Some(table),
                _ => None,
            })
            .collect();
        let size = i64::from(params.tfhe().polynomial_size);
        let mut template = Self {
            body: vec![0; params.polynomial_size().0],
            entries: Vec::new(),
            places: Vec::with_capacity(tables.len()),
            halves: halves(&tables, rotation, params)?,
        };
        for index in 0..tables.len() as u64 {
            let place = rotation.place(index, params.tfhe());
            template.places.push(usize::try_from(place).map_err(|_| Error::Internal("a place"))?);
        }
        // The first table is written last: where boxes touch, it is the one that stays whole.
        let placed = tables.iter().zip(&template.places).zip(&template.halves);
        let mut written: Vec<(i64, i64, Entry, i64)> = Vec::new();
        for ((table, &place), &halves) in placed {
            let place = i64::try_from(place).unwrap_or(0);
            for (index, value) in (0_u64..).zip(rotation.range.lo()..=rotation.range.hi()) {
                let entry = table.entry(value).ok_or(Error::Internal("a table without an entry"))?;
                let [from, to] =
                    [index, index + 1].map(|index| place + first_coefficient(index, params.tfhe()));
                written.push((from, to, entry, halves));
            }
        }
        for (from, to, entry, halves) in written.into_iter().rev() {
            match entry {
                Entry::Value(value) => {
                    let halves = value.saturating_mul(2).saturating_sub(halves);
                    let encoded = match rotation.role {
                        Use::Digit => params.half_digits(halves),
                        Use::Share => params.half_shares(halves),
                    };
                    (from..to).for_each(|position| template.put(position, size, encoded));
                }
                Entry::Input(input) => template.entries.push((input, from)),
            }
        }
        Ok(template)
    }

    fn put(&mut self, position: i64, size: i64, encoded: u64) {
        let negated = position.div_euclid(size).rem_euclid(2) == 1;
        let index = usize::try_from(position.rem_euclid(size)).unwrap_or(0);
        if let Some(coefficient) = self.body.get_mut(index) {
            *coefficient = if negated { encoded.wrapping_neg() } else { encoded };
        }
    }
}

/// By what each table is moved, in half units.
fn halves(tables: &[&Table], rotation: &Rotation, params: &Params) -> Result<Vec<i64>, Error> {
    let mut halves = vec![0; tables.len()];
    let boxes = tables.len() as u64 * rotation.range.size();
    if boxes <= u64::from(params.tfhe().boxes) {
        return Ok(halves);
    }
    let public = |table: Option<&&Table>, value: i64| match table.and_then(|table| table.entry(value)) {
        Some(Entry::Value(value)) => Ok(value),
        Some(Entry::Input(_)) | None => Err(Error::Internal("an encrypted entry in a shared box")),
    };
    let first = public(tables.first(), rotation.range.lo())?;
    let last = public(tables.last(), rotation.range.hi())?;
    let both = first.checked_add(last).ok_or(Error::Internal("an entry that is too large"))?;
    let moved = if tables.len() == 1 { both } else { both.saturating_mul(2) };
    if let Some(place) = halves.first_mut() {
        *place = moved;
    }
    Ok(halves)
}
