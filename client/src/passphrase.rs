//! The passphrase of a secret key: from a file, the environment, or the terminal.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use crate::cli::PassphraseArgs;
use crate::error::{ClientError, Result, file_error};

/// Environment variable with the passphrase.
pub(crate) const VARIABLE: &str = "HQ_PASSPHRASE";

/// Whether a passphrase is chosen or known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is asked for twice.
    New,
    /// It is asked for once.
    Existing,
}

/// Finds the passphrase.
pub(crate) fn passphrase(args: &PassphraseArgs, purpose: Purpose) -> Result<SecretString> {
    let text = if let Some(path) = &args.passphrase_file {
        first_line(path)?
    } else if let Ok(text) = std::env::var(VARIABLE) {
        Zeroizing::new(text)
    } else {
        prompt(purpose)?
    };
    if text.is_empty() {
        return Err(ClientError::NoPassphrase { reason: "it is empty".to_owned() });
    }
    Ok(SecretString::from(text.as_str().to_owned()))
}

fn first_line(path: &Path) -> Result<Zeroizing<String>> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(file_error(path))?);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn prompt(purpose: Purpose) -> Result<Zeroizing<String>> {
    let none = |reason: String| ClientError::NoPassphrase { reason };
    if !io::stdin().is_terminal() {
        return Err(none("there is no terminal to ask at".to_owned()));
    }
    let ask = |words: &str| {
        rpassword::prompt_password(words).map(Zeroizing::new).map_err(|error| none(error.to_string()))
    };
    let text = ask("Passphrase of the secret key: ")?;
    if purpose == Purpose::New && *ask("Once more: ")? != *text {
        return Err(none("the two are not equal".to_owned()));
    }
    Ok(text)
}
