//! The audit log as text: one line for each entry, chained by digests. Service and auditor share it: one writes lines, the
//! other verifies what was exported.
//!
//! A line is the digest of the entry, a space, and the entry as JSON; the entry names the digest of the one before. A head is
//! a signed statement of how long the log was and what its last digest was. Whoever keeps a head finds out when anything
//! before it is changed or when the log is cut to fewer entries.

use serde::{Deserialize, Serialize};

use crate::signed::{self, AUDIT_HEAD, SignatureError, SigningKey};

/// What the first entry names as the digest before it.
pub const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened. Values, counts and results never stand here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What was done, such as `job.submitted`.
    pub action: String,
    /// Whether it was done; else the stable code of the refusal.
    pub outcome: String,
    /// Who issued the identity; empty for the service itself.
    pub issuer: String,
    /// The identity at its issuer.
    pub subject: String,
    /// The dataset.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dataset: Option<String>,
    /// Digest of the manifest of the dataset's version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manifest: Option<String>,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<String>,
    /// What the job is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub purpose: Option<String>,
    /// Digest of the program's text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub program: Option<String>,
    /// Digest of the plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<String>,
    /// How many numbers are released.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub numbers: Option<u64>,
    /// Further words: a route, a role, a reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its place, from 1.
    pub number: u64,
    /// When, in UTC: `2026-11-28T03:10:00Z`.
    pub time: String,
    /// What.
    pub event: Event,
    /// Digest of the entry before, BLAKE3 in hexadecimal.
    pub previous: String,
}

impl Entry {
    /// Its line, without the end of line, and its digest.
    ///
    /// # Errors
    /// What JSON cannot hold.
    pub fn line(&self) -> Result<(String, String), serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        Ok((format!("{digest} {text}"), digest))
    }
}

/// A signed statement of the log's length and last digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Entries.
    pub entries: u64,
    /// Digest of the last one.
    pub digest: String,
    /// When it was signed.
    pub time: String,
    /// The service's public key.
    pub key: String,
    /// Its signature.
    pub signature: String,
}

impl Head {
    /// Signs a head.
    #[must_use]
    pub fn sign(key: &SigningKey, entries: u64, digest: &str, time: &str) -> Self {
        let message = message(entries, digest, time);
        Self {
            entries,
            digest: digest.to_owned(),
            time: time.to_owned(),
            key: signed::public_key(key),
            signature: signed::sign(key, AUDIT_HEAD, message.as_bytes()),
        }
    }

    /// Checks its signature.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn check(&self) -> Result<(), SignatureError> {
        let message = message(self.entries, &self.digest, &self.time);
        signed::verify(&self.key, AUDIT_HEAD, message.as_bytes(), &self.signature)
    }
}

fn message(entries: u64, digest: &str, time: &str) -> String {
    format!("{entries} {digest} {time}")
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// A line is no entry.
    #[error("entry {number} is no entry of an audit log: {reason}")]
    Form {
        /// Where it should stand.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The text of an entry is not that of its digest.
    #[error("entry {number} was altered: it does not match its digest")]
    Altered {
        /// The entry.
        number: u64,
    },
    /// An entry does not follow the one before.
    #[error(
        "entry {number} does not follow the one before: entries were altered, exchanged, removed or put in there"
    )]
    Chain {
        /// The entry.
        number: u64,
    },
    /// A head is not signed as it should be.
    #[error("the head of {entries} entries: {source}")]
    Head {
        /// Entries that it is of.
        entries: u64,
        /// What is wrong.
        source: SignatureError,
    },
    /// Heads of several keys.
    #[error("the head of {entries} entries is signed with key {found}, not with {wanted}")]
    Key {
        /// Entries that it is of.
        entries: u64,
        /// Its key.
        found: String,
        /// The key that is trusted.
        wanted: String,
    },
    /// The log has fewer entries than a head says.
    #[error("the log ends after {found} entries, and a signed head is of {wanted}: its tail was cut")]
    Cut {
        /// Entries there.
        found: u64,
        /// Entries that there were.
        wanted: u64,
    },
    /// The log up to a head is another one.
    #[error("entry {number} is not the one that a signed head names: the log was written anew up to there")]
    Rewritten {
        /// The entry.
        number: u64,
    },
}

/// Verifies a log against heads that were signed over it; gives the number of its entries and the digest of the last.
///
/// `key` is the public key that heads must be of; without it, that of the first.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    heads: &[Head],
    key: Option<&str>,
) -> Result<(u64, String), AuditFault> {
    let key = key.or_else(|| heads.first().map(|head| head.key.as_str()));
    for head in heads {
        head.check().map_err(|source| AuditFault::Head { entries: head.entries, source })?;
        if let Some(key) = key.filter(|&key| key != head.key) {
            let (found, wanted) = (head.key.clone(), key.to_owned());
            return Err(AuditFault::Key { entries: head.entries, found, wanted });
        }
    }
    let mut last = (0, NOTHING_BEFORE.to_owned());
    for line in lines {
        let number = last.0 + 1;
        last = (number, next(line, number, &last.1)?);
        let rewritten = heads.iter().any(|head| head.entries == number && head.digest != last.1);
        if rewritten {
            return Err(AuditFault::Rewritten { number });
        }
    }
    match heads.iter().map(|head| head.entries).max() {
        Some(wanted) if wanted > last.0 => Err(AuditFault::Cut { found: last.0, wanted }),
        Some(_) | None => Ok(last),
    }
}

/// The digest of an entry that follows another.
fn next(line: &str, number: u64, previous: &str) -> Result<String, AuditFault> {
    let form = |reason: String| AuditFault::Form { number, reason };
    let (digest, text) = line.split_once(' ').ok_or_else(|| form("it has no digest".to_owned()))?;
    if blake3::hash(text.as_bytes()).to_hex().as_str() != digest {
        return Err(AuditFault::Altered { number });
    }
    let entry: Entry = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
    if entry.number != number || entry.previous != previous {
        return Err(AuditFault::Chain { number });
    }
    Ok(digest.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    fn log(entries: u64) -> (Vec<String>, Vec<String>) {
        let (mut lines, mut digests) = (Vec::new(), vec![NOTHING_BEFORE.to_owned()]);
        for number in 1..=entries {
            let event = Event { action: format!("act {number}"), ..Event::default() };
            let previous = digests.last().unwrap().clone();
            let entry = Entry { number, time: "2026-11-28T03:10:00Z".to_owned(), event, previous };
            let (line, digest) = entry.line().unwrap();
            lines.push(line);
            digests.push(digest);
        }
        (lines, digests)
    }

    fn check(lines: &[String], heads: &[Head]) -> Result<u64, AuditFault> {
        verify(lines.iter().map(String::as_str), heads, None).map(|(entries, _)| entries)
    }

    #[test]
    fn the_first_bad_entry_is_named() {
        let (lines, digests) = log(6);
        let key = SigningKey::from_bytes(&[1; 32]);
        let head = |entries: u64| {
            let digest = &digests[usize::try_from(entries).unwrap()];
            Head::sign(&key, entries, digest, "2026-11-28T03:11:00Z")
        };
        let heads = [head(3), head(6)];
        assert_eq!(check(&lines, &heads), Ok(6));

        let mut altered = lines.clone();
        altered[3] = altered[3].replace("act 4", "act 7");
        assert_eq!(check(&altered, &heads), Err(AuditFault::Altered { number: 4 }));
        let (_, text) =
            altered[3].clone().split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        altered[3] = format!("{} {text}", blake3::hash(text.as_bytes()).to_hex());
        assert_eq!(check(&altered, &[]), Err(AuditFault::Chain { number: 5 }));

        let mut exchanged = lines.clone();
        exchanged.swap(1, 2);
        assert_eq!(check(&exchanged, &heads), Err(AuditFault::Chain { number: 2 }));
        let mut removed = lines.clone();
        removed.remove(0);
        assert_eq!(check(&removed, &heads), Err(AuditFault::Chain { number: 1 }));
        assert!(matches!(check(&["x".to_owned()], &[]), Err(AuditFault::Form { number: 1, .. })));

        // A cut tail is a sound chain: only a head that was kept shows it.
        assert_eq!(check(&lines[..4], &[]), Ok(4));
        assert_eq!(check(&lines[..4], &heads), Err(AuditFault::Cut { found: 4, wanted: 6 }));
        // So is a log that was written anew.
        let anew = Head::sign(&key, 2, NOTHING_BEFORE, "2026-11-28T03:11:00Z");
        assert_eq!(check(&lines, &[anew]), Err(AuditFault::Rewritten { number: 2 }));
    }

    #[test]
    fn heads_are_signed_by_one_key() {
        let (lines, digests) = log(2);
        let key = SigningKey::from_bytes(&[1; 32]);
        let mut head = Head::sign(&key, 2, &digests[2], "2026-11-28T03:11:00Z");
        let other = Head::sign(&SigningKey::from_bytes(&[2; 32]), 2, &digests[2], "2026-11-28T03:11:00Z");
        assert!(matches!(check(&lines, &[head.clone(), other]), Err(AuditFault::Key { entries: 2, .. })));
        head.entries = 1;
        assert!(matches!(check(&lines, &[head]), Err(AuditFault::Head { entries: 1, .. })));
    }
}
