//! The secret key, and the making of key pairs: with it a public key, and for each power of the secret a
//! relinearization key.
//!
//! Conventions: a ciphertext (c0, c1) decrypts as c0 + c1 s = m + t e; all parts are kept transformed.

use std::sync::Arc;

use hq_plugin_sdk::frame::{self, KeyId, Kind};
use rand::Rng;
use rand::rngs::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::modular;
use crate::params::{Params, Ring};
use crate::poly::Limb;
use crate::sample::{self, Use};
use crate::wire::{self, Reader, VERSION, pack, put_parameters, unpack};

/// Key generation draws secrets until the canonical norm is at most this times sqrt(2N/3).
pub const SECRET_NORM_FACTOR: f64 = 4.5;

/// A ternary secret with its transforms modulo every prime; wiped when dropped.
pub struct SecretKey {
    params: Arc<Params>,
    id: KeyId,
    coefficients: Zeroizing<Vec<i8>>,
    transformed: Vec<Zeroizing<Vec<u64>>>,
}

impl SecretKey {
    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }

    /// The id of its key pair.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The transform of s modulo ring `index`.
    #[must_use]
    pub fn transformed(&self, index: usize) -> &[u64] {
        self.transformed.get(index).map_or(&[], |limb| limb)
    }

    /// The coefficients of s.
    #[must_use]
    pub fn coefficients(&self) -> &[i8] {
        &self.coefficients
    }

    fn new(params: Arc<Params>, id: KeyId, coefficients: Zeroizing<Vec<i8>>) -> Self {
        let transformed = params.rings().iter().map(|ring| lift(ring, &coefficients, 1)).collect();
        Self { params, id, coefficients, transformed }
    }

    /// The frame of the secret key: parameters and two bits per coefficient.
    #[must_use]
    pub fn to_frame(&self) -> Zeroizing<Vec<u8>> {
        let mut payload = Zeroizing::new(vec![VERSION]);
        put_parameters(&mut payload, self.params.rns());
        let digits: Zeroizing<Vec<u64>> =
            Zeroizing::new(self.coefficients.iter().map(|&c| u64::from((c + 1).unsigned_abs())).collect());
        let mut packed = Zeroizing::new(Vec::new());
        pack(&digits, 2, &mut packed);
        // Reserved ahead, so that no copy is left behind by growth.
        payload.reserve_exact(packed.len());
        payload.extend_from_slice(&packed);
        Zeroizing::new(frame::seal(Kind::SecretKey, self.id, &payload))
    }

    /// Reads a secret-key frame.
    ///
    /// # Errors
    /// The bytes, the parameters or the key itself do not conform.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Error> {
        let (id, mut reader) = Reader::open(bytes, Kind::SecretKey).map_err(Error::Key)?;
        let params = Params::new(&reader.parameters().map_err(Error::Key)?).map_err(Error::KeyParams)?;
        let packed = wire::packed(&mut reader, params.degree(), 2).map_err(Error::Key)?;
        reader.end().map_err(Error::Key)?;
        let mut digits = Zeroizing::new(vec![0u64; params.degree()]);
        unpack(packed, 2, modular::Modulus::new(3), &mut digits).map_err(Error::Key)?;
        let coefficients: Zeroizing<Vec<i8>> =
            Zeroizing::new(digits.iter().map(|&digit| i8::try_from(digit).unwrap_or(1) - 1).collect());
        if canonical_norm(&params, &coefficients) > norm_limit(params.degree()) {
            return Err(Error::KeyNorm);
        }
        Ok(Self::new(params, id, coefficients))
    }
}

/// Largest canonical norm of a secret that is used.
#[expect(clippy::cast_precision_loss, reason = "a ring degree")]
fn norm_limit(degree: usize) -> f64 {
    SECRET_NORM_FACTOR * (2.0 * degree as f64 / 3.0).sqrt()
}

/// The canonical norm of a secret.
pub(crate) fn canonical_norm(params: &Params, coefficients: &[i8]) -> f64 {
    params.canonical().norm(|k| coefficients.get(k).copied().map_or(0.0, f64::from))
}

/// The transform of `factor * small` modulo one prime; products stay below 2^51.
pub(crate) fn lift(ring: &Ring, small: &[i8], factor: u64) -> Zeroizing<Vec<u64>> {
    let factor = i64::try_from(factor).unwrap_or(0);
    let wide: Zeroizing<Vec<i64>> = Zeroizing::new(small.iter().map(|&c| i64::from(c) * factor).collect());
    let mut out = Zeroizing::new(vec![0; wide.len()]);
    modular::lift(ring.q, &wide, &mut out);
    ring.transform.forward(&mut out);
    out
}

/// Makes a key pair; the evaluation key comes as the payload of its frame.
#[must_use]
pub fn generate(params: &Arc<Params>, rng: &mut ChaCha20Rng) -> (SecretKey, Vec<u8>) {
    let degree = params.degree();
    let coefficients = loop {
        let candidate = sample::ternary(rng, degree);
        if canonical_norm(params, &candidate) <= norm_limit(degree) {
            break candidate;
        }
    };
    let mut secret = SecretKey::new(Arc::clone(params), KeyId::default(), coefficients);
    let mut seed = [0u8; 32];
    rng.fill_bytes(&mut seed);
    let mut payload = vec![VERSION];
    put_parameters(&mut payload, params.rns());
    payload.extend_from_slice(&seed);
    encrypt_zero(&secret, (&seed, Use::PublicKey), 0..params.chain(), rng, |_, _| {}, &mut payload);
    let mut power: Vec<Zeroizing<Vec<u64>>> =
        (0..params.rings().len()).map(|index| Zeroizing::new(secret.transformed(index).to_vec())).collect();
    for exponent in powers(params) {
        for (index, (limb, ring)) in power.iter_mut().zip(params.rings()).enumerate() {
            modular::mul_assign(ring.q, limb, secret.transformed(index));
        }
        let limbs = relinearization_limbs(params, exponent);
        for digit in 0..digits(params, limbs) {
            let inside = digit_range(params, digit, limbs);
            let add_gadget = |index: usize, limb: &mut [u64]| {
                if inside.contains(&index) {
                    let q = params.rings()[index].q;
                    modular::scale_add_assign(q, limb, &power[index], q.factor(special_product(params, q)));
                }
            };
            let purpose = relinearization_use(exponent, digit);
            let rings = (0..limbs).chain(params.special());
            encrypt_zero(&secret, (&seed, purpose), rings, rng, add_gadget, &mut payload);
        }
    }
    secret.id = key_id(&payload);
    let frame = frame::seal(Kind::EvaluationKey, secret.id, &payload);
    (secret, frame)
}

/// The id of a key pair: a digest of its public part.
pub(crate) fn key_id(payload: &[u8]) -> KeyId {
    KeyId(blake3::hash(payload).as_bytes().first_chunk().copied().unwrap_or_default())
}

/// The powers of the secret that have a relinearization key.
#[must_use]
pub fn powers(params: &Params) -> std::ops::RangeInclusive<usize> {
    2..=params.rns().most_parts() - 1
}

/// Primes of the chain that the relinearization key of a power of the secret is for.
#[must_use]
pub fn relinearization_limbs(params: &Params, power: usize) -> usize {
    params.rns().relinearizes(u8::try_from(power + 1).unwrap_or(u8::MAX))
}

/// What the second part of a relinearization key is expanded for.
#[must_use]
pub fn relinearization_use(power: usize, digit: usize) -> Use {
    Use::Relinearization {
        power: u8::try_from(power).unwrap_or(u8::MAX),
        digit: u16::try_from(digit).unwrap_or(u16::MAX),
    }
}

/// Key-switching digits of a ciphertext with `limbs` primes.
#[must_use]
pub fn digits(params: &Params, limbs: usize) -> usize {
    limbs.div_ceil(params.digit_limbs())
}

/// The primes of a digit, as far as a ciphertext with `limbs` primes has them.
#[must_use]
pub fn digit_range(params: &Params, digit: usize, limbs: usize) -> std::ops::Range<usize> {
    let start = digit * params.digit_limbs();
    start..limbs.min(start + params.digit_limbs())
}

/// P modulo a prime.
#[must_use]
pub fn special_product(params: &Params, q: modular::Modulus) -> u64 {
    params.special().fold(1, |product, index| q.mul(product, params.rings()[index].q.value() % q.value()))
}

/// Appends the first part of an encryption of zero modulo some primes, `-a s + t e`, after `adjust`; a comes from the
/// seed.
fn encrypt_zero(
    secret: &SecretKey,
    (seed, purpose): (&[u8; 32], Use),
    rings: impl Iterator<Item = usize>,
    rng: &mut ChaCha20Rng,
    adjust: impl Fn(usize, &mut [u64]),
    out: &mut Vec<u8>,
) {
    let params = &secret.params;
    let error = sample::gaussian(rng, params.degree());
    let mut uniform = Limb::zero(params.degree());
    for index in rings {
        let ring = &params.rings()[index];
        sample::expand(seed, purpose, ring.q, &mut uniform);
        modular::mul_assign(ring.q, &mut uniform, secret.transformed(index));
        let mut limb = lift(ring, &error, params.t());
        modular::sub_assign(ring.q, &mut limb, &uniform);
        adjust(index, &mut limb);
        pack(&limb, params.residue_bits(index), out);
    }
    // It held a multiple of the secret.
    uniform.zeroize();
}
