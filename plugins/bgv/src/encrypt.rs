//! Encoding rows into slots, encrypting them under the secret key, and encrypting a parameter under the public
//! key.
//!
//! A slot is a value at an odd power of the plaintext root: rows are placed in the order of the transform,
//! the same for every column, and nothing depends on which order that is.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{self, Kind};
use rand::Rng;
use rand::rngs::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::key::{self, SecretKey};
use crate::modular;
use crate::params::Params;
use crate::poly::Limb;
use crate::sample::{self, ERROR_STDDEV, Use};
use crate::wire::{VERSION, pack};

/// Largest canonical norm of a fresh value, in units of t sqrt(N (1/12 + stddev^2)).
pub const FRESH_NORM_FACTOR: f64 = 4.0;
/// Errors that are drawn for one block at most. A message whose coefficients look random needs a second in
/// one block of a thousand.
const MAX_DRAWS: usize = 64;

/// Largest canonical norm of a fresh value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "N is below 2^17, t below 2^26")]
pub fn norm_limit(params: &Params) -> f64 {
    let variance = 1.0 / 12.0 + ERROR_STDDEV * ERROR_STDDEV;
    FRESH_NORM_FACTOR * params.t() as f64 * (params.degree() as f64 * variance).sqrt()
}

/// `m + t e` with an error e for which its canonical norm is within [`norm_limit`]: certificates rest on it.
#[expect(clippy::cast_precision_loss, reason = "coefficients are below 2^32")]
fn fresh(params: &Params, message: &[i64], rng: &mut ChaCha20Rng) -> Result<Zeroizing<Vec<i64>>, Error> {
    let t = i64::try_from(params.t()).unwrap_or(i64::MAX);
    let limit = norm_limit(params);
    for _ in 0..MAX_DRAWS {
        let error = sample::gaussian(rng, params.degree());
        let sums = message.iter().zip(error.iter()).map(|(&m, &e)| m + t * i64::from(e));
        let value: Zeroizing<Vec<i64>> = Zeroizing::new(sums.collect());
        if params.canonical().norm(|k| value.get(k).map_or(0.0, |&c| c as f64)) <= limit {
            return Ok(value);
        }
    }
    Err(Error::FreshNorm)
}

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
/// Too many values, one that does not fit the plaintext modulus, or values so regular that no error hides their
/// structure.
pub fn encrypt(
    key: &SecretKey,
    values: &[i64],
    limbs: usize,
    rng: &mut ChaCha20Rng,
) -> Result<Vec<u8>, Error> {
    let params = key.params();
    let value = fresh(params, &encode(params, values)?, rng)?;
    let mut seed = [0u8; 32];
    rng.fill_bytes(&mut seed);
    let limbs = limbs.clamp(1, params.chain());
    let mut payload = vec![VERSION, u8::try_from(limbs).unwrap_or(u8::MAX)];
    payload.extend_from_slice(&seed);
    let mut uniform = Limb::zero(params.degree());
    let mut body = Zeroizing::new(vec![0u64; params.degree()]);
    for (index, ring) in params.rings().iter().enumerate().take(limbs) {
        sample::expand(&seed, Use::Ciphertext, ring.q, &mut uniform);
        modular::mul_assign(ring.q, &mut uniform, key.transformed(index));
        modular::lift(ring.q, &value, &mut body);
        ring.transform.forward(&mut body);
        modular::sub_assign(ring.q, &mut body, &uniform);
        pack(&body, params.residue_bits(index), &mut payload);
    }
    // It held a multiple of the secret.
    uniform.zeroize();
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
    let mut limb = Limb::zero(degree);
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
