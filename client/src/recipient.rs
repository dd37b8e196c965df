//! The researcher's identity of age: custodians encrypt released tables to it, so that a service cannot read them.

use std::path::PathBuf;
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use age::x25519::{Identity, Recipient};
use zeroize::Zeroizing;

use crate::configuration::{self, write_private};
use crate::error::{ClientError, Result, damaged};
use crate::keys::read_bounded;

/// The identity's file, in the folder of configurations.
const IDENTITY: &str = "identity.age";
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 10;

fn path() -> Result<PathBuf> {
    configuration::folder().map(|folder| folder.join(IDENTITY)).ok_or(ClientError::NoLoginFile)
}

/// The identity, made where there is none.
pub(crate) fn identity() -> Result<Identity> {
    let path = path()?;
    if !path.exists() {
        let text = Identity::generate().to_string();
        write_private(&path, format!("{}\n", text.expose_secret()).as_bytes())?;
    }
    let text = Zeroizing::new(read_bounded(&path, MAX_BYTES)?);
    let text = std::str::from_utf8(&text).map_err(|error| damaged(&path, error.to_string()))?;
    Identity::from_str(text.trim()).map_err(|reason| damaged(&path, reason))
}

/// The recipient of a name such as `age1…`.
pub(crate) fn recipient(text: &str) -> Option<Recipient> {
    Recipient::from_str(text).ok()
}
