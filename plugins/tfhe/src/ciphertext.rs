//! Blocks of inputs. A block of digits is one seed and a number for each row; a block of entries one seed and a polynomial
//! for each row, with the value in the box that the first of a table's would have.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::rotations::entry_coefficients;
use tfhe::core_crypto::prelude::{
    GlweCiphertextCount, GlweCiphertextListOwned, LweCiphertext, LweCiphertextCount, LweCiphertextListOwned,
    LweCiphertextOwned, Plaintext, PlaintextList, SeededGlweCiphertextList, SeededLweCiphertextList,
    encrypt_lwe_ciphertext_with_compact_public_key, encrypt_seeded_glwe_ciphertext_list,
    encrypt_seeded_lwe_ciphertext_list,
};

use crate::error::{Error, WireError};
use crate::evaluation_key::EvaluationKey;
use crate::key::SecretKey;
use crate::params::{MAX_DIGIT, modulus};
use crate::random::{Source, compression};
use crate::wire::{Reader, VERSION, put_words};

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Digits = 1,
    Entries = 2,
}

/// Encrypts a block of digits; rows that are not given are 0.
pub(crate) fn encrypt(key: &SecretKey, values: &[i64], source: &mut Source) -> Result<Vec<u8>, Error> {
    let params = key.params();
    check(values, params.rows(), MAX_DIGIT)?;
    let mut encoded = vec![0; params.rows()];
    encoded.iter_mut().zip(values).for_each(|(encoded, &value)| *encoded = params.digit(value));
    let seed = source.public_seed();
    let mut list = SeededLweCiphertextList::new(
        0,
        params.big_dimension().to_lwe_size(),
        LweCiphertextCount(params.rows()),
        compression(seed),
        modulus(),
    );
    encrypt_seeded_lwe_ciphertext_list(
        &key.big(),
        &mut list,
        &PlaintextList::from_container(encoded),
        params.glwe_noise(),
        source.seeder(),
    );
    Ok(seal(key, Form::Digits, seed, list.as_ref()))
}

/// Encrypts a block of entries.
pub(crate) fn encrypt_entries(
    key: &SecretKey,
    values: &[i64],
    source: &mut Source,
) -> Result<Vec<u8>, Error> {
    let params = key.params();
    check(values, params.rows(), params.tfhe().sum_modulus() - 1)?;
    let size = params.polynomial_size().0;
    let wide = usize::try_from(entry_coefficients(params.tfhe())).unwrap_or(size);
    let mut encoded = vec![0; params.rows() * size];
    for (polynomial, &value) in encoded.chunks_exact_mut(size).zip(values) {
        polynomial.iter_mut().take(wide).for_each(|coefficient| *coefficient = params.share(value));
    }
    let seed = source.public_seed();
    let mut list = SeededGlweCiphertextList::new(
        0,
        params.glwe_dimension().to_glwe_size(),
        params.polynomial_size(),
        GlweCiphertextCount(params.rows()),
        compression(seed),
        modulus(),
    );
    encrypt_seeded_glwe_ciphertext_list(
        key.ring(),
        &mut list,
        &PlaintextList::from_container(encoded),
        params.glwe_noise(),
        source.seeder(),
    );
    Ok(seal(key, Form::Entries, seed, list.as_ref()))
}

fn check(values: &[i64], rows: usize, most: u64) -> Result<(), Error> {
    if values.len() > rows {
        return Err(Error::TooManyValues { found: values.len(), rows });
    }
    match values.iter().position(|value| value.unsigned_abs() > most) {
        Some(row) => {
            let value = values.get(row).copied().unwrap_or(0);
            Err(Error::ValueTooLarge { row, value, most })
        }
        None => Ok(()),
    }
}

fn seal(key: &SecretKey, form: Form, seed: u128, words: &[u64]) -> Vec<u8> {
    let mut payload = vec![VERSION, form as u8];
    payload.extend_from_slice(&seed.to_le_bytes());
    put_words(&mut payload, words);
    frame::seal(Kind::Ciphertext, key.id(), &payload)
}

/// Seed and numbers of a block.
fn open(bytes: &[u8], wanted: (Form, KeyId), words: usize) -> Result<(u128, Vec<u64>), WireError> {
    let (found, mut reader) = Reader::open(bytes, Kind::Ciphertext)?;
    let (form, key) = wanted;
    if found != key {
        return Err(WireError::Key { found, wanted: key });
    }
    if reader.u8()? != form as u8 {
        return Err(WireError::Content(match form {
            Form::Digits => "entries of tables, not digits",
            Form::Entries => "digits, not entries of tables",
        }));
    }
    let seed = reader.u128()?;
    let words = reader.words(words)?;
    reader.end()?;
    Ok((seed, words))
}

/// Reads and expands a block of digits.
pub(crate) fn digits(bytes: &[u8], key: &EvaluationKey) -> Result<LweCiphertextListOwned<u64>, WireError> {
    let params = key.params();
    let (seed, words) = open(bytes, (Form::Digits, key.id()), params.rows())?;
    let size = params.big_dimension().to_lwe_size();
    let list = SeededLweCiphertextList::from_container(words, size, compression(seed), modulus());
    Ok(list.decompress_into_lwe_ciphertext_list())
}

/// Reads and expands a block of entries.
pub(crate) fn entries(bytes: &[u8], key: &EvaluationKey) -> Result<GlweCiphertextListOwned<u64>, WireError> {
    let params = key.params();
    let size = params.polynomial_size();
    let (seed, words) = open(bytes, (Form::Entries, key.id()), params.rows() * size.0)?;
    let glwe_size = params.glwe_dimension().to_glwe_size();
    let list = SeededGlweCiphertextList::from_container(words, glwe_size, size, compression(seed), modulus());
    Ok(list.decompress_into_glwe_ciphertext_list())
}

/// A number on the torus under the public key.
pub(crate) fn public(key: &EvaluationKey, encoded: u64, source: &mut Source) -> LweCiphertextOwned<u64> {
    let params = key.params();
    let mut sample = LweCiphertextOwned::new(0, params.big_dimension().to_lwe_size(), modulus());
    encrypt_lwe_ciphertext_with_compact_public_key(
        key.public(),
        &mut sample,
        Plaintext(encoded),
        params.glwe_noise(),
        params.glwe_noise(),
        source.encryption().noise_generator_mut(),
    );
    sample
}

/// Encrypts a parameter, one digit for all rows, under the public key.
pub(crate) fn encrypt_parameter(
    key: &EvaluationKey,
    value: i64,
    source: &mut Source,
) -> Result<Vec<u8>, Error> {
    check(&[value], 1, MAX_DIGIT)?;
    let sample = public(key, key.params().digit(value), source);
    let mut payload = vec![VERSION];
    put_words(&mut payload, sample.as_ref());
    Ok(frame::seal(Kind::Parameter, key.id(), &payload))
}

/// Reads a parameter.
pub(crate) fn parameter(bytes: &[u8], key: &EvaluationKey) -> Result<LweCiphertextOwned<u64>, WireError> {
    let (found, mut reader) = Reader::open(bytes, Kind::Parameter)?;
    if found != key.id() {
        return Err(WireError::Key { found, wanted: key.id() });
    }
    let words = reader.words(key.params().big_dimension().to_lwe_size().0)?;
    reader.end()?;
    Ok(LweCiphertext::from_container(words, modulus()))
}
