//! How sums leave, and how they are opened.
//!
//! A released sum is a sample of `sum / 2^w` under the ring key. A fresh encryption of zero under the public key is added,
//! so that the samples of two sums, or of one sum twice, have nothing in common but the key; the errors of the rotations stay
//! in it.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::plan::NodeId;
use tfhe::core_crypto::prelude::{LweCiphertext, LweCiphertextOwned, decrypt_lwe_ciphertext};

use crate::ciphertext;
use crate::error::{Error, WireError};
use crate::key::SecretKey;
use crate::params::modulus;
use crate::prepare::{Prepared, Source as Term};
use crate::random::Source;
use crate::session::{add, add_constant, add_scaled};
use crate::wire::{Reader, VERSION, put_parameters, put_words};

/// Most sums of a result.
const MAX_SUMS: u64 = 1 << 16;

/// The frame of all sums over so many blocks, from the shares of each table.
pub(crate) fn release(
    prepared: &Prepared,
    blocks: u64,
    shares: &BTreeMap<NodeId, LweCiphertextOwned<u64>>,
) -> Result<Vec<u8>, Error> {
    let params = prepared.key.params();
    let rows = blocks.wrapping_mul(u64::from(params.tfhe().rows_per_block)).cast_signed();
    let mut source = Source::new()?;
    let mut payload = vec![VERSION];
    put_parameters(&mut payload, params.tfhe());
    payload.extend_from_slice(&(prepared.sums.len() as u64).to_le_bytes());
    for sum in &prepared.sums {
        let mut sample = ciphertext::public(&prepared.key, 0, &mut source);
        add_constant(&mut sample, params.share(sum.constant.wrapping_mul(rows)));
        for &(coefficient, term) in &sum.terms {
            let missing = || Error::Internal("a share that is not there");
            let Term::Table(node) = term else { return Err(missing()) };
            let (share, halves) = shares.get(&node).zip(prepared.shares.get(&node)).ok_or_else(missing)?;
            let mut whole = share.clone();
            add_constant(&mut whole, params.half_shares(halves.wrapping_mul(rows)));
            if coefficient == 1 {
                add(&mut sample, &whole);
            } else {
                add_scaled(sample.as_mut(), whole.as_ref(), coefficient);
            }
        }
        put_words(&mut payload, sample.as_ref());
    }
    Ok(frame::seal(Kind::Sums, prepared.key.id(), &payload))
}

/// Opens a frame of sums: residues modulo `2^w`, each with how far its sample was off, on the torus of 64 bits.
pub(crate) fn open(key: &SecretKey, result: &[u8]) -> Result<Vec<(i64, i64)>, Error> {
    let (found, mut reader) = Reader::open(result, Kind::Sums).map_err(Error::Sums)?;
    if found != key.id() {
        return Err(Error::SumsKey { found, wanted: key.id() });
    }
    let params = key.params();
    if reader.parameters().map_err(Error::Sums)? != *params.tfhe() {
        return Err(Error::Sums(WireError::Content("sums of other parameters than the key's")));
    }
    let count = reader.u64().map_err(Error::Sums)?;
    if count > MAX_SUMS {
        return Err(Error::Sums(WireError::Content("more sums than a result has")));
    }
    let words = params.big_dimension().to_lwe_size().0;
    let mut opened = Vec::new();
    for _ in 0..count {
        let sample = LweCiphertext::from_container(reader.words(words).map_err(Error::Sums)?, modulus());
        let phase = decrypt_lwe_ciphertext(&key.big(), &sample).0;
        let unit = 64 - params.tfhe().sum_bits;
        let rounded = phase.wrapping_add(1 << (unit - 1)) >> unit;
        let off = phase.wrapping_sub(rounded << unit).cast_signed();
        opened.push((rounded.cast_signed(), off));
    }
    reader.end().map_err(Error::Sums)?;
    Ok(opened)
}
