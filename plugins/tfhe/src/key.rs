//! The secret key, and the making of key pairs.

use std::sync::Arc;

use hq_plugin_sdk::frame::{self, KeyId, Kind};
use tfhe::core_crypto::prelude::{
    DecompositionBaseLog, DecompositionLevelCount, GlweSecretKey, GlweSecretKeyOwned, LweSecretKey,
    LweSecretKeyOwned, SeededLweBootstrapKey, SeededLweKeyswitchKey,
    allocate_and_generate_new_lwe_compact_public_key, generate_seeded_lwe_keyswitch_key,
    par_generate_seeded_lwe_bootstrap_key,
};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, WireError};
use crate::params::{Params, modulus, released_modulus};
use crate::random::{Source, compression};
use crate::wire::{Reader, VERSION, put_parameters, put_wide_words, put_words};

/// The small key, to which digits are switched, the ring key, under which they are encrypted, and the one that results are
/// opened with; wiped when dropped.
pub struct SecretKey {
    params: Arc<Params>,
    id: KeyId,
    small: LweSecretKeyOwned<u64>,
    ring: GlweSecretKeyOwned<u64>,
    squash: GlweSecretKeyOwned<u128>,
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.small.as_mut().zeroize();
        self.ring.as_mut().zeroize();
        self.squash.as_mut().zeroize();
    }
}

impl SecretKey {
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    /// The ring key as the key of a sample of one of its coefficients.
    pub(crate) fn big(&self) -> LweSecretKey<&[u64]> {
        self.ring.as_lwe_secret_key()
    }

    /// What released sums are opened with.
    pub(crate) fn released(&self) -> LweSecretKey<&[u128]> {
        self.squash.as_lwe_secret_key()
    }

    pub(crate) fn ring(&self) -> &GlweSecretKeyOwned<u64> {
        &self.ring
    }

    /// The frame of the secret key: parameters, and a byte for each bit.
    pub(crate) fn to_frame(&self) -> Zeroizing<Vec<u8>> {
        let mut payload = Zeroizing::new(vec![VERSION]);
        put_parameters(&mut payload, self.params.tfhe());
        let bits = || {
            let narrow = self.small.as_ref().iter().chain(self.ring.as_ref());
            narrow.map(|&bit| bit == 1).chain(self.squash.as_ref().iter().map(|&bit| bit == 1))
        };
        // Reserved ahead, so that no copy is left behind by growth.
        payload.reserve_exact(bits().count());
        payload.extend(bits().map(u8::from));
        Zeroizing::new(frame::seal(Kind::SecretKey, self.id, &payload))
    }

    /// Reads a secret-key frame.
    pub(crate) fn from_frame(bytes: &[u8]) -> Result<Self, Error> {
        let (id, mut reader) = Reader::open(bytes, Kind::SecretKey).map_err(Error::Key)?;
        let params = Params::new(&reader.parameters().map_err(Error::Key)?)
            .map_err(|error| Error::KeyParameters(Box::new(error)))?;
        let small = bits(&mut reader, params.lwe_dimension().0).map_err(Error::Key)?;
        let ring = bits(&mut reader, params.big_dimension().0).map_err(Error::Key)?;
        let squash = bits(&mut reader, params.released_dimension().0).map_err(Error::Key)?;
        reader.end().map_err(Error::Key)?;
        Ok(Self {
            small: LweSecretKey::from_container(small),
            ring: GlweSecretKey::from_container(ring, params.polynomial_size()),
            squash: GlweSecretKey::from_container(squash, params.squash_size()),
            params: Arc::new(params),
            id,
        })
    }
}

/// The next bits of a key, a byte each.
fn bits<T: From<u8>>(reader: &mut Reader<'_>, count: usize) -> Result<Vec<T>, WireError> {
    let bytes = reader.bytes(count)?;
    if bytes.iter().any(|&bit| bit > 1) {
        return Err(WireError::Content("bits that are neither 0 nor 1"));
    }
    Ok(bytes.iter().map(|&bit| T::from(bit)).collect())
}

/// Makes a key pair; the evaluation key comes as a frame.
pub(crate) fn generate(params: &Arc<Params>, source: &mut Source) -> (SecretKey, Vec<u8>) {
    let mut random = source.secret();
    let small = LweSecretKeyOwned::generate_new_binary(params.lwe_dimension(), &mut random);
    let ring = GlweSecretKeyOwned::generate_new_binary(
        params.glwe_dimension(),
        params.polynomial_size(),
        &mut random,
    );
    let squash =
        GlweSecretKeyOwned::generate_new_binary(params.squash_dimension(), params.squash_size(), &mut random);
    let mut secret = SecretKey { params: Arc::clone(params), id: KeyId::default(), small, ring, squash };
    let mut payload = vec![VERSION];
    put_parameters(&mut payload, params.tfhe());
    let public = allocate_and_generate_new_lwe_compact_public_key(
        &secret.big(),
        params.glwe_noise(),
        modulus(),
        &mut source.encryption(),
    );
    put_words(&mut payload, public.as_ref());
    put_key_switch(&secret, source, &mut payload);
    for decomposition in [params.bootstrap(), params.sum_bootstrap()] {
        put_bootstrap(&secret, decomposition, source, &mut payload);
    }
    let released = allocate_and_generate_new_lwe_compact_public_key(
        &secret.released(),
        params.squash_noise(),
        released_modulus(),
        &mut source.encryption(),
    );
    put_wide_words(&mut payload, released.as_ref());
    put_squash(&secret, source, &mut payload);
    secret.id = key_id(&payload);
    let frame = frame::seal(Kind::EvaluationKey, secret.id, &payload);
    (secret, frame)
}

/// The id of a key pair: a digest of its public part.
pub(crate) fn key_id(payload: &[u8]) -> KeyId {
    KeyId(blake3::hash(payload).as_bytes().first_chunk().copied().unwrap_or_default())
}

fn put_key_switch(secret: &SecretKey, source: &mut Source, out: &mut Vec<u8>) {
    let params = &secret.params;
    let (base_log, levels) = params.key_switch();
    let seed = source.public_seed();
    let mut key = SeededLweKeyswitchKey::new(
        0,
        base_log,
        levels,
        params.big_dimension(),
        params.lwe_dimension(),
        compression(seed),
        modulus(),
    );
    generate_seeded_lwe_keyswitch_key(
        &secret.big(),
        &secret.small,
        &mut key,
        params.lwe_noise(),
        source.seeder(),
    );
    out.extend_from_slice(&seed.to_le_bytes());
    put_words(out, key.as_ref());
}

fn put_bootstrap(
    secret: &SecretKey,
    (base_log, levels): (DecompositionBaseLog, DecompositionLevelCount),
    source: &mut Source,
    out: &mut Vec<u8>,
) {
    let params = &secret.params;
    let seed = source.public_seed();
    let mut key = SeededLweBootstrapKey::new(
        0,
        params.glwe_dimension().to_glwe_size(),
        params.polynomial_size(),
        base_log,
        levels,
        params.lwe_dimension(),
        compression(seed),
        modulus(),
    );
    par_generate_seeded_lwe_bootstrap_key(
        &secret.small,
        &secret.ring,
        &mut key,
        params.glwe_noise(),
        source.seeder(),
    );
    out.extend_from_slice(&seed.to_le_bytes());
    put_words(out, key.as_mut_view().as_ref());
}

fn put_squash(secret: &SecretKey, source: &mut Source, out: &mut Vec<u8>) {
    let params = &secret.params;
    let (base_log, levels) = params.squash_bootstrap();
    let seed = source.public_seed();
    let mut key = SeededLweBootstrapKey::new(
        0,
        params.squash_dimension().to_glwe_size(),
        params.squash_size(),
        base_log,
        levels,
        params.lwe_dimension(),
        compression(seed),
        released_modulus(),
    );
    par_generate_seeded_lwe_bootstrap_key(
        &secret.small,
        &secret.squash,
        &mut key,
        params.squash_noise(),
        source.seeder(),
    );
    out.extend_from_slice(&seed.to_le_bytes());
    put_wide_words(out, key.as_mut_view().as_ref());
}
