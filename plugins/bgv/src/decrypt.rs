//! Opening released samples with the secret key: the only decryption there is.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::Kind;

use crate::error::{Error, WireError};
use crate::key::SecretKey;
use crate::modular;
use crate::release::Sample;
use crate::residues::Basis;
use crate::wire::{Reader, packed, unpack};

/// Opens a frame of released samples: one residue in `0..t` per sum. Each is N times the constant coefficient
/// mod t, the sum over slots (see `release`).
///
/// # Errors
/// The frame does not conform or belongs to another key.
pub fn decrypt(key: &SecretKey, bytes: &[u8]) -> Result<Vec<i64>, Error> {
    let params = key.params();
    let t = params.t();
    let phases = phases(key, bytes)?;
    let basis = Basis::new(params, phases.first().map_or(0, Vec::len));
    let open = |phase: &Vec<u64>| {
        let sum = u128::from(basis.modulo(phase, t)) * (params.degree() as u128) % u128::from(t);
        i64::try_from(sum).unwrap_or(0)
    };
    Ok(phases.iter().map(open).collect())
}

/// Reads a frame of released samples: of each the phase modulo each prime of the release level.
///
/// # Errors
/// The frame does not conform or belongs to another key.
pub fn phases(key: &SecretKey, bytes: &[u8]) -> Result<Vec<Vec<u64>>, Error> {
    let (found, mut reader) = Reader::open(bytes, Kind::Sums).map_err(Error::Sums)?;
    if found != key.id() {
        return Err(Error::SumsKey { found, wanted: key.id() });
    }
    let mut parse = || {
        let limbs = usize::from(reader.u8()?) + 1;
        if limbs > key.params().chain() {
            return Err(WireError::Count("more primes than the chain has"));
        }
        let count = reader.length()?;
        let mut mask = vec![0; key.params().degree()];
        let mut phases = Vec::new();
        for _ in 0..count {
            phases.push(read_phase(key, &mut reader, limbs, &mut mask)?);
        }
        reader.end()?;
        Ok(phases)
    };
    parse().map_err(Error::Sums)
}

fn read_phase(
    key: &SecretKey,
    reader: &mut Reader<'_>,
    limbs: usize,
    mask: &mut [u64],
) -> Result<Vec<u64>, WireError> {
    let params = key.params();
    let mut phase = Vec::with_capacity(limbs);
    for (index, ring) in params.rings().iter().enumerate().take(limbs) {
        let body = u64::from_le_bytes(reader.array()?);
        if body >= ring.q.value() {
            return Err(WireError::Residue);
        }
        let bits = params.residue_bits(index);
        unpack(packed(reader, params.degree(), bits)?, bits, ring.q, mask)?;
        phase.push(ring.q.add(body, modular::signed_sum(ring.q, mask, key.coefficients())));
    }
    Ok(phase)
}

/// `body + <mask, s>` modulo each prime.
#[must_use]
pub fn phase(key: &SecretKey, sample: &Sample) -> Vec<u64> {
    let sums = sample.body.iter().zip(&sample.mask).zip(key.params().rings());
    sums.map(|((&body, mask), ring)| ring.q.add(body, modular::signed_sum(ring.q, mask, key.coefficients())))
        .collect()
}
