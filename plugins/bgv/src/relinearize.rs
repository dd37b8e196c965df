//! From any number of ciphertext parts back to two, with or without the modulus switches that follow.

use crate::ciphertext::Ciphertext;
use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::key_switch::KeySwitch;
use crate::mod_switch::Division;
use crate::poly::{Limb, Pool};

/// From three parts or more to two. `division` divides by P, or by P and the last primes at once: one rounding
/// for all powers of the secret and all primes, and fewer transforms.
///
/// # Errors
/// There are fewer than three parts, or the key lacks a power of the secret.
pub fn relinearize(
    key: &EvaluationKey,
    pool: &mut Pool,
    (switch, division): (&KeySwitch, &Division),
    parts: &[&[Limb]],
    kept: usize,
) -> Result<Ciphertext, Error> {
    let [first, second, tail @ ..] = parts else {
        return Err(Error::Internal("a ciphertext has two parts at least"));
    };
    let (out0, out1) = switch.apply(key, pool, tail, (Some(first), second))?;
    let params = key.params();
    let parts = [out0, out1].map(|mut part| {
        let dropped = part.split_off(kept);
        let divided = division.apply(params, pool, dropped, &part);
        pool.recycle(part);
        divided
    });
    Ok(Ciphertext { parts: parts.into() })
}
