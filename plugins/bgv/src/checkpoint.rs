//! Sessions split and brought together again, and their state as bytes.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::error::{Error, WireError};
use crate::execute::{Accumulator, Session};
use crate::modular;
use crate::prepare::Prepared;
use crate::wire::{Reader, VERSION, pack, packed, packed_bytes, unpack};

impl Session {
    /// A session of the same plan and key that has done no block; whatever is only read is shared.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(Arc::clone(&self.prepared))
    }

    /// Adds the sums and blocks of a session that [`Session::fork`] split off.
    ///
    /// # Errors
    /// It is of another plan or key.
    pub fn absorb(&mut self, other: Self) -> Result<(), Error> {
        let same = Arc::ptr_eq(&self.prepared, &other.prepared)
            || (self.prepared.digest, self.key().id()) == (other.prepared.digest, other.key().id());
        if !same {
            return Err(Error::StatePlan);
        }
        let begun = self.done > 0;
        self.done = self.done.saturating_add(other.done);
        if !begun {
            self.sums = other.sums;
            return Ok(());
        }
        if other.done == 0 {
            return Ok(());
        }
        let rings = self.prepared.key.params().rings();
        for (sum, other) in self.sums.iter_mut().zip(other.sums) {
            for ((total, add), ring) in sum.constants.iter_mut().zip(other.constants).zip(rings) {
                *total = ring.q.add(*total, add);
            }
            for (part, add) in sum.tail.iter_mut().zip(&other.tail) {
                for ((limb, add), ring) in part.iter_mut().zip(add).zip(rings) {
                    modular::add_assign(ring.q, limb, add);
                }
            }
        }
        Ok(())
    }

    /// The sums and the number of blocks done, as [`Session::restore`] reads them: version (1 byte), key id (16),
    /// digest of the plan (32), blocks (8), and for each sum and prime the slot sum of the first part (8) and the
    /// residues of the others, packed.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let params = self.prepared.key.params();
        let limb = |(index, parts): (usize, usize)| {
            8 + parts * packed_bytes(params.degree(), params.residue_bits(index))
        };
        let sizes =
            self.sums.iter().flat_map(|sum| (0..sum.constants.len()).map(|i| limb((i, sum.tail.len()))));
        let mut out = Vec::with_capacity(57 + sizes.sum::<usize>());
        out.push(VERSION);
        out.extend_from_slice(&self.key().id().0);
        out.extend_from_slice(&self.prepared.digest);
        out.extend_from_slice(&self.done.to_le_bytes());
        for sum in &self.sums {
            for (index, constant) in sum.constants.iter().enumerate() {
                out.extend_from_slice(&constant.to_le_bytes());
                for limb in sum.tail.iter().filter_map(|part| part.get(index)) {
                    pack(limb, params.residue_bits(index), &mut out);
                }
            }
        }
        out
    }

    /// Takes on a saved state, in place of the session's own.
    ///
    /// # Errors
    /// It does not conform, or is of another plan or key; the session is then as before.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::payload_of(state).map_err(Error::State)?;
        let key: [u8; 16] = reader.array().map_err(Error::State)?;
        let digest: [u8; 32] = reader.array().map_err(Error::State)?;
        if key != self.key().id().0 || digest != self.prepared.digest {
            return Err(Error::StatePlan);
        }
        let mut restored = self.fork();
        restored.read_state(&mut reader).map_err(Error::State)?;
        if restored.done > self.prepared.allowed {
            return Err(Error::TooManyBlocks { allowed: self.prepared.allowed });
        }
        (self.done, self.sums) = (restored.done, restored.sums);
        Ok(())
    }

    fn read_state(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        self.done = u64::from_le_bytes(reader.array()?);
        let Prepared { key, release, one_block, .. } = &*self.prepared;
        let params = key.params();
        if *one_block && self.done > 0 {
            // What is whole stands at the release level.
            self.sums.fill_with(|| {
                let mut sum = Accumulator::unopened((release.level.limbs(), 2));
                sum.open(params);
                sum
            });
        }
        for sum in &mut self.sums {
            for (index, (constant, ring)) in sum.constants.iter_mut().zip(params.rings()).enumerate() {
                *constant = u64::from_le_bytes(reader.array()?);
                if *constant >= ring.q.value() {
                    return Err(WireError::Residue);
                }
                let bits = params.residue_bits(index);
                for limb in sum.tail.iter_mut().filter_map(|part| part.get_mut(index)) {
                    unpack(packed(reader, params.degree(), bits)?, bits, ring.q, limb)?;
                }
            }
        }
        reader.end()
    }
}
