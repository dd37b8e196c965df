//! How sums leave, and how they are opened.
//!
//! A released sum is a sample of `sum / 2^w` modulo 2^128, squashed, under a key of its own. A fresh encryption of zero under
//! the public key is added, so that the samples of two sums, or of one sum twice, have nothing in common but the key; and
//! noise so wide that what squashing left is hidden in it.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::plan::NodeId;
use tfhe::core_crypto::prelude::{
    LweCiphertext, LweCiphertextOwned, Plaintext, decrypt_lwe_ciphertext,
    encrypt_lwe_ciphertext_with_compact_public_key, lwe_ciphertext_add_assign,
};

use crate::error::{Error, WireError};
use crate::evaluation_key::EvaluationKey;
use crate::key::SecretKey;
use crate::params::{modulus, released_modulus};
use crate::prepare::{Prepared, Source as Term};
use crate::random::Source;
use crate::session::{add_constant, add_scaled};
use crate::wire::{Reader, VERSION, put_parameters, put_wide_words};

/// Most sums of a result.
const MAX_SUMS: u64 = 1 << 16;

/// All sums over so many blocks, from the shares of each table: samples of `sum / 2^w` under the ring key.
pub(crate) fn samples(
    prepared: &Prepared,
    blocks: u64,
    shares: &BTreeMap<NodeId, LweCiphertextOwned<u64>>,
) -> Result<Vec<LweCiphertextOwned<u64>>, Error> {
    let params = prepared.key.params();
    let rows = blocks.wrapping_mul(u64::from(params.tfhe().rows_per_block)).cast_signed();
    let mut samples = Vec::with_capacity(prepared.sums.len());
    for sum in &prepared.sums {
        let mut sample = LweCiphertextOwned::new(0, params.big_dimension().to_lwe_size(), modulus());
        add_constant(&mut sample, params.share(sum.constant.wrapping_mul(rows)));
        for &(coefficient, term) in &sum.terms {
            let missing = || Error::Internal("a share that is not there");
            let Term::Table(node) = term else { return Err(missing()) };
            let (share, halves) = shares.get(&node).zip(prepared.shares.get(&node)).ok_or_else(missing)?;
            let mut whole = share.clone();
            add_constant(&mut whole, params.half_shares(halves.wrapping_mul(rows)));
            add_scaled(sample.as_mut(), whole.as_ref(), coefficient);
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// The frame of squashed sums.
pub(crate) fn release(prepared: &Prepared, squashed: &[LweCiphertextOwned<u128>]) -> Result<Vec<u8>, Error> {
    let params = prepared.key.params();
    let mut source = Source::new()?;
    let mut payload = vec![VERSION];
    put_parameters(&mut payload, params.tfhe());
    payload.extend_from_slice(&(squashed.len() as u64).to_le_bytes());
    for sum in squashed {
        let flood = source.flood(params.tfhe().flood_bits());
        let mut sample = zero(&prepared.key, flood, &mut source);
        lwe_ciphertext_add_assign(&mut sample, sum);
        put_wide_words(&mut payload, sample.as_ref());
    }
    Ok(frame::seal(Kind::Sums, prepared.key.id(), &payload))
}

/// A fresh encryption, of noise alone, under the public key of what leaves.
pub(crate) fn zero(key: &EvaluationKey, noise: u128, source: &mut Source) -> LweCiphertextOwned<u128> {
    let params = key.params();
    let mut sample =
        LweCiphertextOwned::new(0, params.released_dimension().to_lwe_size(), released_modulus());
    encrypt_lwe_ciphertext_with_compact_public_key(
        key.released(),
        &mut sample,
        Plaintext(noise),
        params.squash_noise(),
        params.squash_noise(),
        source.encryption().noise_generator_mut(),
    );
    sample
}

/// Opens a frame of sums: residues modulo `2^w`, each with how far its sample was off, on the torus of 128 bits.
pub(crate) fn open(key: &SecretKey, result: &[u8]) -> Result<Vec<(i64, i128)>, Error> {
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
    let words = params.released_dimension().to_lwe_size().0;
    let mut opened = Vec::new();
    for _ in 0..count {
        let sample = reader.wide_words(words).map_err(Error::Sums)?;
        opened.push(rounded(key, &LweCiphertext::from_container(sample, released_modulus())));
    }
    reader.end().map_err(Error::Sums)?;
    Ok(opened)
}

/// A sum, and how far its sample was off.
pub(crate) fn rounded(key: &SecretKey, sample: &LweCiphertextOwned<u128>) -> (i64, i128) {
    let phase = decrypt_lwe_ciphertext(&key.released(), sample).0;
    let unit = 128 - key.params().tfhe().sum_bits;
    let rounded = phase.wrapping_add(1 << (unit - 1)) >> unit;
    let off = phase.wrapping_sub(rounded << unit).cast_signed();
    // At most 2^w, which is far below 2^62.
    (i64::try_from(rounded).unwrap_or(i64::MAX), off)
}
