//! Sums of a leveled scheme under our ring key: samples in 64 bits of a turn under a ternary secret are switched to it, with a key
//! that the custodian makes, who has both secrets. It is made in chunks of the other secret, each with a seed of its own,
//! so that nobody ever holds it whole as it is expanded: that is half a gigabyte.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::gate;
use tfhe::core_crypto::prelude::{
    DecompositionBaseLog, DecompositionLevelCount, LweCiphertext, LweCiphertextOwned, LweDimension,
    LweSecretKey, SeededLweKeyswitchKey, decrypt_lwe_ciphertext, generate_seeded_lwe_keyswitch_key,
    keyswitch_lwe_ciphertext,
};
use zeroize::Zeroizing;

use crate::error::{Error, WireError};
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::gates::length;
use crate::key::SecretKey;
use crate::params::modulus;
use crate::random::{Source, compression};
use crate::session::add;
use crate::wire::{Reader, VERSION, put_length, put_words};

/// Largest dimension of the other secret.
const MAX_DIMENSION: usize = 1 << 16;

/// Most samples of a frame.
const MAX_SAMPLES: usize = 1 << 14;

/// Coefficients of the other secret that share a seed.
const CHUNK: usize = 256;

fn decomposition() -> (DecompositionBaseLog, DecompositionLevelCount) {
    let hq_plugin_sdk::tfhe::Decomposition { base_log, levels } = gate::KEY_SWITCH;
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    (DecompositionBaseLog(size(base_log)), DecompositionLevelCount(size(levels)))
}

/// Makes the key from another pair's ternary secret to this one's ring key.
///
/// # Errors
/// The operating system gives no randomness.
pub fn make_key(key: &SecretKey, other: KeyId, secret: &[i8]) -> Result<Vec<u8>, BackendError> {
    let mut source = Source::new()?;
    let (base_log, levels) = decomposition();
    let mut payload = vec![VERSION];
    payload.extend_from_slice(&other.0);
    put_length(&mut payload, secret.len());
    for chunk in secret.chunks(CHUNK) {
        let chunk: Zeroizing<Vec<u64>> =
            Zeroizing::new(chunk.iter().map(|&coefficient| i64::from(coefficient).cast_unsigned()).collect());
        let seed = source.public_seed();
        let mut made = SeededLweKeyswitchKey::new(
            0,
            base_log,
            levels,
            LweDimension(chunk.len()),
            key.params().big_dimension(),
            compression(seed),
            modulus(),
        );
        generate_seeded_lwe_keyswitch_key(
            &LweSecretKey::from_container(chunk.as_slice()),
            &key.big(),
            &mut made,
            key.params().glwe_noise(),
            source.seeder(),
        );
        payload.extend_from_slice(&seed.to_le_bytes());
        put_words(&mut payload, made.as_ref());
    }
    Ok(frame::seal(Kind::BridgeKey, key.id(), &payload))
}

/// Samples of another scheme, as they were read.
struct Samples {
    key: KeyId,
    dimension: usize,
    /// Body and mask of each.
    samples: Vec<(u64, Vec<u64>)>,
}

impl Samples {
    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (key, mut reader) = Reader::open(bytes, Kind::Samples)?;
        let dimension = length(&mut reader, MAX_DIMENSION)?;
        let count = length(&mut reader, MAX_SAMPLES)?;
        let mut samples = Vec::new();
        for _ in 0..count {
            samples.push((reader.u64()?, reader.words(dimension)?));
        }
        reader.end()?;
        Ok(Self { key, dimension, samples })
    }
}

/// Switches samples to the ring key.
pub(crate) fn switch(
    evaluation: &EvaluationKey,
    bridge_key: &[u8],
    samples: &[u8],
) -> Result<Vec<LweCiphertextOwned<u64>>, Error> {
    let samples = Samples::read(samples).map_err(Error::Samples)?;
    through(evaluation, bridge_key, &samples).map_err(Error::BridgeKey)
}

fn through(
    evaluation: &EvaluationKey,
    bridge_key: &[u8],
    samples: &Samples,
) -> Result<Vec<LweCiphertextOwned<u64>>, WireError> {
    let (found, mut reader) = Reader::open(bridge_key, Kind::BridgeKey)?;
    let belongs =
        |found, wanted| if found == wanted { Ok(()) } else { Err(WireError::Key { found, wanted }) };
    belongs(found, evaluation.id())?;
    belongs(KeyId(reader.array()?), samples.key)?;
    if length(&mut reader, MAX_DIMENSION)? != samples.dimension {
        return Err(WireError::Content("a key for samples of another dimension"));
    }
    let (base_log, levels) = decomposition();
    let size = evaluation.params().big_dimension().to_lwe_size();
    let trivial = |&(body, _): &(u64, Vec<u64>)| {
        let mut sample = LweCiphertextOwned::new(0, size, modulus());
        *sample.get_mut_body().data = body;
        sample
    };
    let mut out: Vec<_> = samples.samples.iter().map(trivial).collect();
    let mut switched = LweCiphertextOwned::new(0, size, modulus());
    for start in (0..samples.dimension).step_by(CHUNK) {
        let end = samples.dimension.min(start + CHUNK);
        let seed = reader.u128()?;
        let words = reader.words((end - start) * levels.0)?;
        let key = SeededLweKeyswitchKey::from_container(
            words,
            base_log,
            levels,
            size,
            compression(seed),
            modulus(),
        )
        .decompress_into_lwe_keyswitch_key();
        for ((_, mask), out) in samples.samples.iter().zip(&mut out) {
            // The chunk of the mask, with nothing for a body.
            let mut part = mask.get(start..end).unwrap_or_default().to_vec();
            part.push(0);
            keyswitch_lwe_ciphertext(&key, &LweCiphertext::from_container(part, modulus()), &mut switched);
            add(out, &switched);
        }
    }
    reader.end()?;
    Ok(out)
}

/// Where samples stand on the torus, in 64 bits of a turn, after they were switched: what tests and explanations measure.
///
/// # Errors
/// A key or the samples do not conform.
pub fn measure(
    key: &SecretKey,
    evaluation_key: &[u8],
    bridge_key: &[u8],
    samples: &[u8],
) -> Result<Vec<u64>, BackendError> {
    let evaluation = EvaluationKey::from_frame(evaluation_key, |_| Ok(Needs::Public))?;
    let switched = switch(&evaluation, bridge_key, samples)?;
    Ok(switched.iter().map(|sample| decrypt_lwe_ciphertext(&key.big(), sample).0).collect())
}
