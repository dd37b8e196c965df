//! A plan at work: row by row, rotation by rotation. What is summed is added to one ciphertext for each table; nothing is
//! bootstrapped for adding up.
#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::plan::NodeId;
use hq_plugin_sdk::rotations::Use;
use tfhe::core_crypto::prelude::{
    ContiguousEntityContainer, GlweCiphertextListOwned, LweCiphertextListOwned, LweCiphertextOwned,
    MonomialDegree, extract_lwe_sample_from_glwe_ciphertext,
};

use crate::ciphertext;
use crate::error::{Error, WireError};
use crate::params::{Params, modulus};
use crate::prepare::{Combination, Prepared, Source, Step};
use crate::squash::Squasher;
use crate::sums;
use crate::wire::{Reader, VERSION, put_words};
use crate::workspace::Workspace;

/// A plan with the sums so far.
pub struct Session {
    prepared: Arc<Prepared>,
    done: u64,
    shares: BTreeMap<NodeId, LweCiphertextOwned<u64>>,
    /// Of the row at hand.
    digits: HashMap<NodeId, LweCiphertextOwned<u64>>,
    workspace: Workspace,
}

/// One input's ciphertexts for a block.
enum Column {
    Digits(LweCiphertextListOwned<u64>),
    Entries(GlweCiphertextListOwned<u64>),
    Parameter(LweCiphertextOwned<u64>),
}

impl Session {
    pub(crate) fn of(prepared: Arc<Prepared>) -> Self {
        let params = prepared.key.params();
        let zero = || LweCiphertextOwned::new(0, params.big_dimension().to_lwe_size(), modulus());
        let shares = prepared.shares.keys().map(|&node| (node, zero())).collect();
        let workspace = Workspace::new(params);
        Self { done: 0, shares, digits: HashMap::new(), workspace, prepared }
    }

    pub(crate) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Computes a block; the sums are as before where an input does not conform.
    pub(crate) fn block(&mut self, inputs: &[&[u8]]) -> Result<(), Error> {
        self.block_seen(inputs, &mut |_, _| {})
    }

    /// The same, showing each digit that a table gives.
    pub(crate) fn block_seen(
        &mut self,
        inputs: &[&[u8]],
        seen: &mut dyn FnMut(NodeId, &LweCiphertextOwned<u64>),
    ) -> Result<(), Error> {
        let prepared = Arc::clone(&self.prepared);
        let columns = columns(&prepared, inputs)?;
        if self.done >= prepared.most_blocks {
            return Err(Error::TooManyBlocks { allowed: prepared.most_blocks });
        }
        for row in 0..prepared.key.params().rows() {
            self.digits.clear();
            for step in &prepared.steps {
                self.rotate(&prepared, step, &columns, row)?;
                for (table, &node) in step.rotation.lookups.iter().enumerate() {
                    self.output(step, table, node)?;
                    if let (Use::Digit, Some(digit)) = (step.rotation.role, self.digits.get(&node)) {
                        seen(node, digit);
                    }
                }
            }
        }
        self.done += 1;
        Ok(())
    }

    /// Rotates the tables of a step by its argument.
    fn rotate(
        &mut self,
        prepared: &Prepared,
        step: &Step,
        columns: &[Column],
        row: usize,
    ) -> Result<(), Error> {
        let params = prepared.key.params();
        let Workspace { arg, tables, .. } = &mut self.workspace;
        combine(params, &step.arg, columns, &self.digits, row, arg)?;
        tables.as_mut().fill(0);
        tables.get_mut_body().as_mut().copy_from_slice(&step.template.body);
        for &(input, power) in &step.template.entries {
            let Some(Column::Entries(list)) = columns.get(input.index()) else {
                return Err(Error::Internal("an entry that is none"));
            };
            let entry = list.iter().nth(row).ok_or(Error::Internal("a row that is not there"))?;
            add_moved(tables.as_mut(), entry.as_ref(), params.polynomial_size().0, power);
        }
        self.workspace.key_switch(&prepared.key)?;
        self.workspace.rotate(&prepared.key, step.rotation.role)
    }

    /// Reads the output of one table after its rotation.
    fn output(&mut self, step: &Step, table: usize, node: NodeId) -> Result<(), Error> {
        let params = Arc::clone(self.prepared.key.params());
        let wrong = || Error::Internal("a table without a place");
        let place = step.template.places.get(table).copied().ok_or_else(wrong)?;
        let Workspace { output, tables, .. } = &mut self.workspace;
        extract_lwe_sample_from_glwe_ciphertext(tables, output, MonomialDegree(place));
        match step.rotation.role {
            Use::Digit => {
                let halves = step.template.halves.get(table).copied().ok_or_else(wrong)?;
                add_constant(output, params.half_digits(halves));
                self.digits.insert(node, output.clone());
            }
            // What was moved is put back once, at the end.
            Use::Share => add(self.shares.get_mut(&node).ok_or_else(wrong)?, output),
        }
        Ok(())
    }

    /// The encrypted sums, ready to be opened.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, Error> {
        sums::release(&self.prepared, &self.squashed()?)
    }

    /// The sums with the noise of their squashing alone.
    pub(crate) fn squashed(&self) -> Result<Vec<LweCiphertextOwned<u128>>, Error> {
        let sums = sums::samples(&self.prepared, self.done, &self.shares)?;
        let mut squasher = Squasher::new(&self.prepared.key);
        sums.into_iter().map(|sum| squasher.squash(sum)).collect()
    }

    pub(crate) fn fork(&self) -> Self {
        Self::of(Arc::clone(&self.prepared))
    }

    pub(crate) fn absorb(&mut self, other: &Self) -> Result<(), Error> {
        let own = (self.prepared.digest, self.prepared.key.id());
        if own != (other.prepared.digest, other.prepared.key.id()) {
            return Err(Error::StatePlan);
        }
        self.done = self.done.saturating_add(other.done);
        for (share, more) in self.shares.values_mut().zip(other.shares.values()) {
            add(share, more);
        }
        Ok(())
    }

    /// The state: digest of the plan, blocks done, and the ciphertext of each table that is summed.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut payload = vec![VERSION];
        payload.extend_from_slice(&self.prepared.digest);
        payload.extend_from_slice(&self.done.to_le_bytes());
        self.shares.values().for_each(|share| put_words(&mut payload, share.as_ref()));
        frame::seal(Kind::State, self.prepared.key.id(), &payload)
    }

    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        if self.done > 0 {
            return Err(Error::StateLate);
        }
        let (found, mut reader) = Reader::open(state, Kind::State).map_err(Error::State)?;
        let wanted = self.prepared.key.id();
        if found != wanted {
            return Err(Error::State(WireError::Key { found, wanted }));
        }
        if reader.array::<32>().map_err(Error::State)? != self.prepared.digest {
            return Err(Error::StatePlan);
        }
        let done = reader.u64().map_err(Error::State)?;
        if done > self.prepared.most_blocks {
            return Err(Error::State(WireError::Content("more blocks than the plan's rows fill")));
        }
        let words = self.prepared.key.params().big_dimension().to_lwe_size().0;
        let mut shares = BTreeMap::new();
        for &node in self.shares.keys() {
            let share = reader.words(words).map_err(Error::State)?;
            shares.insert(node, LweCiphertextOwned::from_container(share, modulus()));
        }
        reader.end().map_err(Error::State)?;
        (self.done, self.shares) = (done, shares);
        Ok(())
    }
}

/// All inputs of a block, read and checked before anything is computed.
fn columns(prepared: &Prepared, inputs: &[&[u8]]) -> Result<Vec<Column>, Error> {
    let declared = &prepared.plan.inputs;
    if inputs.len() != declared.len() {
        return Err(Error::InputCount { found: inputs.len(), wanted: declared.len() });
    }
    let column = |(index, bytes): (usize, &&[u8])| {
        let read = if prepared.is_parameter(index) {
            ciphertext::parameter(bytes, &prepared.key).map(Column::Parameter)
        } else if prepared.entries.get(index) == Some(&true) {
            ciphertext::entries(bytes, &prepared.key).map(Column::Entries)
        } else {
            ciphertext::digits(bytes, &prepared.key).map(Column::Digits)
        };
        let name = || declared.get(index).map_or_else(String::new, |input| input.name.clone());
        read.map_err(|cause| Error::Input { index, name: name(), cause })
    };
    inputs.iter().enumerate().map(column).collect()
}

/// A combination of a row's digits.
fn combine(
    params: &Params,
    combination: &Combination,
    columns: &[Column],
    digits: &HashMap<NodeId, LweCiphertextOwned<u64>>,
    row: usize,
    out: &mut LweCiphertextOwned<u64>,
) -> Result<(), Error> {
    out.as_mut().fill(0);
    for &(coefficient, source) in &combination.terms {
        let missing = || Error::Internal("a digit that is not there");
        match source {
            Source::Input(input) => match columns.get(input.index()) {
                Some(Column::Digits(list)) => {
                    let digit = list.iter().nth(row).ok_or_else(missing)?;
                    add_scaled(out.as_mut(), digit.as_ref(), coefficient);
                }
                Some(Column::Parameter(digit)) => add_scaled(out.as_mut(), digit.as_ref(), coefficient),
                Some(Column::Entries(_)) | None => return Err(missing()),
            },
            Source::Table(node) => {
                let digit = digits.get(&node).ok_or_else(missing)?;
                add_scaled(out.as_mut(), digit.as_ref(), coefficient);
            }
        }
    }
    add_constant(out, params.digit(combination.constant));
    Ok(())
}

pub(crate) fn add_scaled(out: &mut [u64], words: &[u64], coefficient: i64) {
    let coefficient = coefficient.cast_unsigned();
    for (out, &word) in out.iter_mut().zip(words) {
        *out = out.wrapping_add(word.wrapping_mul(coefficient));
    }
}

pub(crate) fn add(out: &mut LweCiphertextOwned<u64>, more: &LweCiphertextOwned<u64>) {
    add_scaled(out.as_mut(), more.as_ref(), 1);
}

pub(crate) fn add_constant(out: &mut LweCiphertextOwned<u64>, encoded: u64) {
    let body = out.get_mut_body();
    *body.data = body.data.wrapping_add(encoded);
}

/// Adds polynomials times a power of X, modulo `X^size + 1`.
fn add_moved(out: &mut [u64], polynomials: &[u64], size: usize, power: i64) {
    let turn = 2 * i64::try_from(size).unwrap_or(1).max(1);
    let power = usize::try_from(power.rem_euclid(turn)).unwrap_or(0);
    let (negated, shift) = (power >= size, power % size.max(1));
    for (out, polynomial) in out.chunks_exact_mut(size.max(1)).zip(polynomials.chunks_exact(size.max(1))) {
        let (kept, wrapped) = polynomial.split_at(size - shift);
        let (low, high) = out.split_at_mut(shift);
        add_scaled(high, kept, if negated { -1 } else { 1 });
        add_scaled(low, wrapped, if negated { 1 } else { -1 });
    }
}
