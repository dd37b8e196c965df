//! Authorities whose certificates are taken: Mozilla's list, or those of a file, as a hospital has one of its own.

use std::path::Path;

use ureq::tls::{PemItem, RootCerts, parse_pem};

use crate::error::{Result, damaged};
use crate::keys::read_bounded;

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 256 << 10;

/// The text of a PEM file of authorities, which is kept with the login.
pub(crate) fn read(path: &Path) -> Result<String> {
    let text = String::from_utf8(read_bounded(path, MAX_BYTES)?)
        .map_err(|_| damaged(path, "is no text: give certificates in PEM"))?;
    of(&text).map_err(|reason| damaged(path, reason))?;
    Ok(text)
}

/// The authorities of such a text.
pub(crate) fn of(text: &str) -> std::result::Result<RootCerts, String> {
    let mut certificates = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        let PemItem::Certificate(certificate) =
            item.map_err(|error| format!("is not PEM throughout: {error}"))?
        else {
            return Err("holds more than certificates: leave keys where they are".to_owned());
        };
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_holds_no_certificate_or_more_is_refused() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        assert!(of("").is_err_and(|reason| reason.contains("no certificate")));
        assert!(of(&block("CERTIFICATE")).is_ok());
        let both = block("CERTIFICATE") + &block("PRIVATE KEY");
        assert!(of(&both).is_err_and(|reason| reason.contains("leave keys")));
        assert!(of("-----BEGIN CERTIFICATE-----\n?\n").is_err());
    }
}
