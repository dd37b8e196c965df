//! Encryption of what the object store holds: a key for each dataset, which the service's master key wraps. With the wrapped
//! key gone, what was stored of a dataset is noise.
//!
//! A sealed object is a nonce of 24 bytes and XChaCha20-Poly1305 under it; the name of the object is authenticated with it, so
//! objects cannot be exchanged.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

const NONCE_BYTES: usize = 24;
/// Bytes that sealing adds.
pub const OVERHEAD_BYTES: u64 = 40;

/// A key.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct EnvelopeKey([u8; 32]);

impl std::fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnvelopeKey")
    }
}

/// Why an object cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// No random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// It is too long.
    #[error("{0} cannot be sealed")]
    Seal(String),
    /// It was altered, or is of another dataset.
    #[error("{0} was altered, exchanged, or is sealed with another key")]
    Open(String),
    /// A file of a key.
    #[error("{}: {reason}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Random bytes.
///
/// # Errors
/// None from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], EnvelopeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(EnvelopeError::Random)?;
    Ok(bytes)
}

impl EnvelopeKey {
    /// A new key.
    ///
    /// # Errors
    /// No random numbers.
    pub fn new() -> Result<Self, EnvelopeError> {
        random().map(Self)
    }

    /// Seals the object of a name.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn seal(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload { msg: bytes, aad: name.as_bytes() };
        let sealed = XChaCha20Poly1305::new(&self.0.into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| EnvelopeError::Seal(name.to_owned()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens the object of a name.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let wrong = || EnvelopeError::Open(name.to_owned());
        let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(wrong)?;
        let payload = Payload { msg: body, aad: name.as_bytes() };
        XChaCha20Poly1305::new(&self.0.into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| wrong())
    }

    /// This key, sealed with another.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn wrap(&self, master: &Self, dataset: &str) -> Result<Vec<u8>, EnvelopeError> {
        master.seal(&format!("key of {dataset}"), &self.0)
    }

    /// A key that was sealed with another.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn unwrap(master: &Self, dataset: &str, wrapped: &[u8]) -> Result<Self, EnvelopeError> {
        let name = format!("key of {dataset}");
        let bytes = zeroize::Zeroizing::new(master.open(&name, wrapped)?);
        let key = bytes.as_slice().try_into().map_err(|_| EnvelopeError::Open(name))?;
        Ok(Self(key))
    }
}

/// Thirty-two secret bytes that stand in a file as hexadecimal digits; made where there is no such file.
///
/// # Errors
/// A file that cannot be read or made, or that holds something else.
pub fn key_file(path: &Path) -> Result<[u8; 32], EnvelopeError> {
    let wrong = |reason: String| EnvelopeError::KeyFile { path: path.to_owned(), reason };
    match fs::read_to_string(path) {
        Ok(text) => hq_engine::signed::from_hex(text.trim())
            .ok_or_else(|| wrong("does not hold 64 hexadecimal digits".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = random::<32>()?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(|error| wrong(error.to_string()))?;
            let text = format!("{}\n", hq_engine::signed::hex(&key));
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| wrong(error.to_string()))?;
            Ok(key)
        }
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// The master key of a file.
///
/// # Errors
/// See [`key_file`].
pub fn master_key(path: &Path) -> Result<EnvelopeKey, EnvelopeError> {
    key_file(path).map(EnvelopeKey)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    #[test]
    fn an_object_opens_under_its_name_and_key_alone() {
        let (key, other) = (EnvelopeKey::new().unwrap(), EnvelopeKey::new().unwrap());
        let sealed = key.seal("a/1", b"frame").unwrap();
        assert_eq!(sealed.len() as u64, 5 + OVERHEAD_BYTES);
        assert_eq!(key.open("a/1", &sealed).unwrap(), b"frame");
        assert!(key.open("a/2", &sealed).is_err() && other.open("a/1", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(key.open("a/1", &bad).is_err() && key.open("a/1", &sealed[..at]).is_err(), "{at}");
        }
        let wrapped = key.wrap(&other, "d").unwrap();
        assert_eq!(EnvelopeKey::unwrap(&other, "d", &wrapped).unwrap().0, key.0);
        assert!(EnvelopeKey::unwrap(&other, "e", &wrapped).is_err());
    }
}
