//! Signatures of things that are handed on as text: Ed25519 over a context and a message, keys and signatures in hexadecimal.
//! The context keeps a signature of one kind of thing from being taken for one of another.

use ed25519_dalek::Signer as _;
pub use ed25519_dalek::SigningKey;
use ed25519_dalek::{Signature, VerifyingKey};

/// The signature of an owner under the manifest of a dataset's version.
pub const MANIFEST: &str = "hq manifest of a dataset, version 1";

/// The signature of a service under the head of its audit log.
pub const AUDIT_HEAD: &str = "hq head of an audit log, version 1";

/// The signature of a service under the receipt of an erased dataset.
pub const ERASURE: &str = "hq receipt of an erasure, version 1";

/// Why a signature is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key is not 64 hexadecimal digits of a point.
    #[error("the public key is no Ed25519 key in hexadecimal")]
    Key,
    /// The signature is not 128 hexadecimal digits.
    #[error("the signature is no Ed25519 signature in hexadecimal")]
    Form,
    /// It is of something else, or of another key.
    #[error("the signature does not match: what was signed was altered, or another key signed it")]
    Mismatch,
}

/// Signs a message.
#[must_use]
pub fn sign(key: &SigningKey, context: &str, message: &[u8]) -> String {
    hex(&key.sign(&framed(context, message)).to_bytes())
}

/// The public half of a key.
#[must_use]
pub fn public_key(key: &SigningKey) -> String {
    hex(key.verifying_key().as_bytes())
}

/// Checks a signature.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(
    public_key: &str,
    context: &str,
    message: &[u8],
    signature: &str,
) -> Result<(), SignatureError> {
    let key = from_hex(public_key).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    let signature = from_hex(signature).ok_or(SignatureError::Form)?;
    key.ok_or(SignatureError::Key)?
        .verify_strict(&framed(context, message), &Signature::from_bytes(&signature))
        .map_err(|_| SignatureError::Mismatch)
}

/// Contexts hold no zero byte, so no two pairs have one form.
fn framed(context: &str, message: &[u8]) -> Vec<u8> {
    [context.as_bytes(), &[0], message].concat()
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes from hexadecimal digits.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.contains('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_message_one_context_and_one_key() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = sign(&key, MANIFEST, b"text");
        let public = public_key(&key);
        assert_eq!(verify(&public, MANIFEST, b"text", &signature), Ok(()));
        assert_eq!(verify(&public, MANIFEST, b"texts", &signature), Err(SignatureError::Mismatch));
        assert_eq!(verify(&public, AUDIT_HEAD, b"text", &signature), Err(SignatureError::Mismatch));
        let other = public_key(&SigningKey::from_bytes(&[8; 32]));
        assert_eq!(verify(&other, MANIFEST, b"text", &signature), Err(SignatureError::Mismatch));
        assert_eq!(verify("zz", MANIFEST, b"text", &signature), Err(SignatureError::Key));
        assert_eq!(
            verify(&public, MANIFEST, b"text", &signature.replace('a', "g")),
            Err(SignatureError::Form)
        );
        assert_eq!(from_hex::<2>("+1+2"), None);
    }
}
