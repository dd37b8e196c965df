//! The key with which an owner signs the manifests of a dataset. It stays with the dataset's keys, so that the custodian, who
//! has them too, knows what the owner published, whatever a service says.

use std::path::{Path, PathBuf};

use hq_engine::signed::{self, SigningKey, from_hex, hex, public_key};
use zeroize::Zeroizing;

use crate::configuration::write_private;
use crate::error::{ClientError, Result, damaged, file_error};
use crate::keys::read_bounded;

/// The signing key's file, in the folder of keys.
const PUBLISHER: &str = "publisher.key";
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 10;

fn path(keys: &Path) -> PathBuf {
    keys.join(PUBLISHER)
}

/// The signing key of a folder of keys, made where there is none.
pub(crate) fn signing_key(keys: &Path) -> Result<SigningKey> {
    let path = path(keys);
    if !path.exists() {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)
            .map_err(|error| file_error(&path)(std::io::Error::other(error.to_string())))?;
        write_private(&path, format!("{}\n", hex(&*seed)).as_bytes())?;
    }
    let text = Zeroizing::new(read_bounded(&path, MAX_BYTES)?);
    let seed = std::str::from_utf8(&text).ok().and_then(|text| from_hex(text.trim())).map(Zeroizing::new);
    let seed = seed.ok_or_else(|| damaged(&path, "does not hold 64 hexadecimal digits"))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Whether a manifest is one that the owner of a folder of keys signed.
pub(crate) fn check(keys: &Path, manifest: &str, signature: &str) -> Result<()> {
    let path = path(keys);
    if !path.exists() {
        return Err(ClientError::NoPublisher { path });
    }
    let digest = hq_engine::dataset::hex_digest(manifest.as_bytes());
    let public = public_key(&signing_key(keys)?);
    signed::verify(&public, signed::MANIFEST, digest.as_bytes(), signature)
        .map_err(|error| ClientError::Alarm { reason: format!("the manifest: {error}") })
}
