//! Encoding rows into slots, encrypting them under the secret key, and reading such ciphertexts.
//!
//! A slot is a value at an odd power of the plaintext root: rows are placed in the order of the transform,
//! the same for every column, and nothing depends on which order that is.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{self, KeyId, Kind};
use rand::Rng;
use rand::rngs::ChaCha20Rng;
use zeroize::Zeroizing;

use crate::error::{Error, WireError};
use crate::key::SecretKey;
use crate::modular;
use crate::params::Params;
use crate::poly::zero_limb;
use crate::sample::{self, Use};
use crate::wire::{self, Reader, VERSION, pack};

/// The centred coefficients of the plaintext polynomial whose slots hold `values`, then zeros.
fn encode(params: &Params, values: &[i64]) -> Result<Zeroizing<Vec<i64>>, Error> {
    let (t, slots) = (params.t(), params.degree());
    if values.len() > slots {
        return Err(Error::TooManyValues { found: values.len(), slots });
    }
    let ring = params.plaintext();
    let mut poly = Zeroizing::new(vec![0u64; slots]);
    for (row, (slot, &value)) in poly.iter_mut().zip(values).enumerate() {
        if value.unsigned_abs() > t / 2 {
            return Err(Error::ValueTooLarge { row, value, modulus: t });
        }
        *slot = ring.q.residue(i128::from(value));
    }
    ring.transform.inverse(&mut poly);
    modular::scale_assign(ring.q, &mut poly, ring.q.factor(ring.degree_inverse));
    let centre = |&c: &u64| {
        let c = i64::try_from(c).unwrap_or(0);
        let t = i64::try_from(t).unwrap_or(i64::MAX);
        if c > t / 2 { c - t } else { c }
    };
    Ok(Zeroizing::new(poly.iter().map(centre).collect()))
}

/// Encrypts one block of rows modulo the first `limbs` primes: c0 = -c1 s + m + t e, with c1 from a
/// fresh public seed. Returns a frame.
///
/// # Errors
/// Too many values, or one that does not fit the plaintext modulus.
pub fn encrypt(
    key: &SecretKey,
    values: &[i64],
    limbs: usize,
    rng: &mut ChaCha20Rng,
) -> Result<Vec<u8>, Error> {
    let params = key.params();
    let mut message = encode(params, values)?;
    let error = sample::gaussian(rng, params.degree());
    let t = i64::try_from(params.t()).unwrap_or(i64::MAX);
    for (m, &e) in message.iter_mut().zip(error.iter()) {
        *m += t * i64::from(e);
    }
    let mut seed = [0u8; 32];
    rng.fill_bytes(&mut seed);
    let limbs = limbs.clamp(1, params.chain());
    let mut payload = vec![VERSION, u8::try_from(limbs).unwrap_or(u8::MAX)];
    payload.extend_from_slice(&seed);
    let mut uniform = zero_limb(params.degree());
    let mut body = Zeroizing::new(vec![0u64; params.degree()]);
    for (index, ring) in params.rings().iter().enumerate().take(limbs) {
        sample::expand(&seed, Use::Ciphertext, ring.q, &mut uniform);
        modular::mul_assign(ring.q, &mut uniform, key.transformed(index));
        modular::lift(ring.q, &message, &mut body);
        ring.transform.forward(&mut body);
        modular::sub_assign(ring.q, &mut body, &uniform);
        pack(&body, params.residue_bits(index), &mut payload);
    }
    Ok(frame::seal(Kind::Ciphertext, key.id(), &payload))
}

/// A ciphertext frame, checked but not expanded.
#[derive(Debug)]
pub struct Sealed<'a> {
    seed: [u8; 32],
    packed: Vec<&'a [u8]>,
}

impl<'a> Sealed<'a> {
    /// Checks a frame for the given key: framing, key, lengths, and the residues of the first `limbs`
    /// primes, which are all that will be read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(bytes: &'a [u8], params: &Params, key: KeyId, limbs: usize) -> Result<Self, WireError> {
        let (found, mut reader) = Reader::open(bytes, Kind::Ciphertext)?;
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
        let seed = reader.array()?;
        let mut packed = Vec::with_capacity(stored);
        for index in 0..stored {
            packed.push(reader.packed(params.degree(), params.residue_bits(index))?);
        }
        reader.end()?;
        packed.truncate(limbs);
        for (index, (bytes, ring)) in packed.iter().zip(params.rings()).enumerate() {
            wire::check(bytes, params.residue_bits(index), ring.q, params.degree())?;
        }
        Ok(Self { seed, packed })
    }

    /// Writes the residues of both parts modulo prime `index` of the chain.
    ///
    /// # Errors
    /// There is no such prime: [`Sealed::open`] was called for fewer.
    pub fn load(
        &self,
        params: &Params,
        index: usize,
        c0: &mut [u64],
        c1: &mut [u64],
    ) -> Result<(), WireError> {
        let bytes = self.packed.get(index).ok_or(WireError::Short)?;
        let ring = params.rings().get(index).ok_or(WireError::Short)?;
        wire::unpack(bytes, params.residue_bits(index), ring.q, c0)?;
        sample::expand(&self.seed, Use::Ciphertext, ring.q, c1);
        Ok(())
    }
}
