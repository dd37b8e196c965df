//! Opening released samples with the secret key: the only decryption there is.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::Kind;

use crate::error::{Error, WireError};
use crate::key::SecretKey;
use crate::params::Params;
use crate::release::Sample;
use crate::residues::Basis;
use crate::wire::{Reader, unpack};

/// Opens a frame of released samples: one residue in `0..t` per sum. Each is N times the constant coefficient
/// mod t, the sum over slots (see `release`).
///
/// # Errors
/// The frame does not conform or belongs to another key.
pub fn decrypt(key: &SecretKey, bytes: &[u8]) -> Result<Vec<i64>, Error> {
    let params = key.params();
    let t = params.t();
    let samples = read(key, bytes)?;
    let open = |sample: &Sample| {
        let basis = Basis::new(params, sample.body.len());
        let constant = basis.modulo(&phase(key, sample), t);
        let sum = u128::from(constant) * (params.degree() as u128) % u128::from(t);
        i64::try_from(sum).unwrap_or(0)
    };
    Ok(samples.iter().map(open).collect())
}

/// Reads a frame of released samples.
///
/// # Errors
/// The frame does not conform or belongs to another key.
pub fn read(key: &SecretKey, bytes: &[u8]) -> Result<Vec<Sample>, Error> {
    let (found, mut reader) = Reader::open(bytes, Kind::Sums).map_err(Error::Sums)?;
    if found != key.id() {
        return Err(Error::SumsKey { found, wanted: key.id() });
    }
    let params = key.params();
    let parse = |reader: &mut Reader<'_>| {
        let limbs = usize::from(reader.u8()?) + 1;
        if limbs > params.chain() {
            return Err(WireError::Count("more primes than the chain has"));
        }
        let count = reader.length()?;
        let mut samples = Vec::new();
        for _ in 0..count {
            samples.push(read_sample(reader, params, limbs)?);
        }
        reader.end()?;
        Ok(samples)
    };
    parse(&mut reader).map_err(Error::Sums)
}

fn read_sample(reader: &mut Reader<'_>, params: &Params, limbs: usize) -> Result<Sample, WireError> {
    let mut sample = Sample { body: Vec::with_capacity(limbs), mask: Vec::with_capacity(limbs) };
    for (index, ring) in params.rings().iter().enumerate().take(limbs) {
        let body = u64::from_le_bytes(reader.array()?);
        if body >= ring.q.value() {
            return Err(WireError::Residue);
        }
        let bits = params.residue_bits(index);
        let mut mask = vec![0; params.degree()];
        unpack(reader.packed(params.degree(), bits)?, bits, ring.q, &mut mask)?;
        sample.body.push(body);
        sample.mask.push(mask);
    }
    Ok(sample)
}

/// `body + <mask, s>` modulo each prime.
#[must_use]
pub fn phase(key: &SecretKey, sample: &Sample) -> Vec<u64> {
    let inner = |((&body, mask), ring): ((&u64, &Vec<u64>), &crate::params::Ring)| {
        let modulus = u128::from(ring.q.value());
        // Fewer than 2^17 terms below 2^51. No branch depends on s.
        let sum = mask.iter().zip(key.coefficients()).fold(0u128, |sum, (&a, &s)| {
            let positive = u64::from((s + 1).unsigned_abs());
            sum + u128::from(a) * u128::from(positive) + u128::from(ring.q.value() - a)
        });
        u64::try_from((sum + u128::from(body)) % modulus).unwrap_or(0)
    };
    sample.body.iter().zip(&sample.mask).zip(key.params().rings()).map(inner).collect()
}
