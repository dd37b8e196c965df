//! Ciphertexts as they come from outside: checked as a whole, then read limb by limb and a few rows of the packed
//! layout at a time.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{KeyId, Kind};
use hq_plugin_sdk::plan::Origin;

use crate::error::WireError;
use crate::modular::Modulus;
use crate::params::Params;
use crate::sample::{Expansion, Use};
use crate::wire::{Reader, packed, unpack_rows};

/// The second part of a ciphertext.
#[derive(Debug)]
enum Mask<'a> {
    /// Of the secret key's encryption: expanded from here.
    Seed([u8; 32]),
    /// Of the public key's.
    Packed(Vec<&'a [u8]>),
}

/// A ciphertext frame, checked but not expanded.
#[derive(Debug)]
pub struct Sealed<'a> {
    packed: Vec<&'a [u8]>,
    mask: Mask<'a>,
}

impl<'a> Sealed<'a> {
    /// Checks a frame for the given key: framing, key and lengths. Residues are checked where they are read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(
        bytes: &'a [u8],
        params: &Params,
        key: KeyId,
        limbs: usize,
        origin: Origin,
    ) -> Result<Self, WireError> {
        let kind = match origin {
            Origin::Table => Kind::Ciphertext,
            Origin::Parameter => Kind::Parameter,
        };
        let (found, mut reader) = Reader::open(bytes, kind)?;
        if found != key {
            return Err(WireError::Key { found, wanted: key });
        }
        let stored = usize::from(reader.u8()?);
        if stored > params.chain() {
            return Err(WireError::Count("more primes than the chain has"));
        }
        if stored < limbs {
            return Err(WireError::Count("fewer primes than the plan needs"));
        }
        let part = |reader: &mut Reader<'a>| {
            let limb = |index| packed(reader, params.degree(), params.residue_bits(index));
            (0..stored).map(limb).collect::<Result<Vec<_>, _>>()
        };
        let sealed = match origin {
            Origin::Table => {
                let mask = Mask::Seed(reader.array()?);
                Self { packed: part(&mut reader)?, mask }
            }
            Origin::Parameter => Self { packed: part(&mut reader)?, mask: Mask::Packed(part(&mut reader)?) },
        };
        reader.end()?;
        Ok(sealed)
    }

    /// Begins to read both parts modulo prime `index` of the chain.
    ///
    /// # Errors
    /// There is no such prime: [`Sealed::open`] was called for fewer.
    pub fn limb(&self, params: &Params, index: usize) -> Result<Reading<'a>, WireError> {
        let body = self.packed.get(index).ok_or(WireError::Short)?;
        let q = params.rings().get(index).ok_or(WireError::Short)?.q;
        let mask = match &self.mask {
            Mask::Seed(seed) => MaskReading::Expanded(Expansion::new(seed, Use::Ciphertext, q)),
            Mask::Packed(packed) => MaskReading::Packed(packed.get(index).ok_or(WireError::Short)?),
        };
        Ok(Reading { q, bits: params.residue_bits(index), degree: params.degree(), at: 0, body, mask })
    }
}

/// Both parts of a ciphertext modulo one prime, read from the first slot to the last.
#[derive(Debug)]
pub struct Reading<'a> {
    q: Modulus,
    bits: u32,
    degree: usize,
    /// Slots read so far.
    at: usize,
    body: &'a [u8],
    mask: MaskReading<'a>,
}

#[derive(Debug)]
enum MaskReading<'a> {
    Expanded(Expansion),
    Packed(&'a [u8]),
}

impl Reading<'_> {
    /// The residues of the next slots, of both parts: whole rows of the packed layout (see `wire`).
    ///
    /// # Errors
    /// A residue is not below the prime.
    pub fn next(&mut self, c0: &mut [u64], c1: &mut [u64]) -> Result<(), WireError> {
        let at = self.at;
        self.at += c0.len();
        unpack_rows(self.body, self.bits, self.q, (self.degree, at), c0)?;
        match &mut self.mask {
            MaskReading::Expanded(expansion) => {
                expansion.fill(c1);
                Ok(())
            }
            MaskReading::Packed(bytes) => unpack_rows(bytes, self.bits, self.q, (self.degree, at), c1),
        }
    }
}
