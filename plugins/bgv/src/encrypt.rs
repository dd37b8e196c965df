//! Encoding rows into slots, encrypting them under the secret key, encrypting a parameter under the public
//! key, and reading such ciphertexts.
//!
//! A slot is a value at an odd power of the plaintext root: rows are placed in the order of the transform,
//! the same for every column, and nothing depends on which order that is.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::plan::Origin;
use rand::Rng;
use rand::rngs::ChaCha20Rng;
use zeroize::Zeroizing;

use crate::error::{Error, WireError};
use crate::key::{self, EvaluationKey, SecretKey};
use crate::modular;
use crate::params::Params;
use crate::poly::zero_limb;
use crate::sample::{self, Use};
use crate::wire::{self, Reader, VERSION, pack};

/// Largest canonical norm of a fresh value, in units of t sqrt(N (1/12 + stddev^2)).
pub const FRESH_NORM_FACTOR: f64 = 4.0;

/// The centred coefficients of the plaintext polynomial whose slots hold `values`, then zeros.
fn encode(params: &Params, values: &[i64]) -> Result<Zeroizing<Vec<i64>>, Error> {
    let (t, slots) = (params.t(), params.degree());
    if values.len() > slots {
        return Err(Error::TooManyValues { found: values.len(), slots });
    }
    if let Some((row, &value)) = values.iter().enumerate().find(|(_, value)| value.unsigned_abs() > t / 2) {
        return Err(Error::ValueTooLarge { row, value, modulus: t });
    }
    let ring = params.plaintext();
    let mut poly = Zeroizing::new(vec![0u64; slots]);
    modular::lift(ring.q, values, &mut poly);
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

/// Encrypts one value for all slots under the public key (b, a): c0 = b u + t e0 + m, c1 = a u + t e1 with a
/// ternary u, modulo the whole chain. Returns a frame.
///
/// # Errors
/// A value that does not fit the plaintext modulus.
pub fn encrypt_parameter(key: &EvaluationKey, value: i64, rng: &mut ChaCha20Rng) -> Result<Vec<u8>, Error> {
    let params = key.params();
    if value.unsigned_abs() > params.t() / 2 {
        return Err(Error::ValueTooLarge { row: 0, value, modulus: params.t() });
    }
    let degree = params.degree();
    let ephemeral = sample::ternary(rng, degree);
    let errors = [sample::gaussian(rng, degree), sample::gaussian(rng, degree)];
    let (b, a) = key.public();
    let mut payload = vec![VERSION, u8::try_from(params.chain()).unwrap_or(u8::MAX)];
    let mut limb = zero_limb(degree);
    for (public, error, message) in [(b, &errors[0], value), (a, &errors[1], 0)] {
        for (index, (ring, public)) in params.rings().iter().zip(public).enumerate() {
            limb.copy_from_slice(public);
            modular::mul_assign(ring.q, &mut limb, &key::lift(ring, &ephemeral, 1));
            modular::add_assign(ring.q, &mut limb, &key::lift(ring, error, params.t()));
            // A constant polynomial has its constant in every slot.
            let message = ring.q.residue(i128::from(message));
            limb.iter_mut().for_each(|c| *c = ring.q.add(*c, message));
            pack(&limb, params.residue_bits(index), &mut payload);
        }
    }
    Ok(frame::seal(Kind::Parameter, key.id(), &payload))
}

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
    /// Checks a frame for the given key: framing, key, lengths, and the residues of the first `limbs`
    /// primes, which are all that will be read.
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
            let limb = |index| reader.packed(params.degree(), params.residue_bits(index));
            let mut packed = (0..stored).map(limb).collect::<Result<Vec<_>, _>>()?;
            packed.truncate(limbs);
            for (index, (bytes, ring)) in packed.iter().zip(params.rings()).enumerate() {
                wire::check(bytes, params.residue_bits(index), ring.q, params.degree())?;
            }
            Ok::<_, WireError>(packed)
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
        match &self.mask {
            Mask::Seed(seed) => sample::expand(seed, Use::Ciphertext, ring.q, c1),
            Mask::Packed(packed) => {
                let bytes = packed.get(index).ok_or(WireError::Short)?;
                wire::unpack(bytes, params.residue_bits(index), ring.q, c1)?;
            }
        }
        Ok(())
    }
}
