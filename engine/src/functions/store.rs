//! Values of functions in files, by the plugin's digest, the function and its domains: another plugin or another
//! declaration has another file. A file that is damaged, or cannot be written, is as one that is not there.
//!
//! A file is a BLAKE3 digest of what it is of and of its values, and then the values: 64-bit integers, little-endian.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use hq_dsl::ExternFunction;

use crate::dataset::write_whole;

/// Form of the files.
const VERSION: u32 = 1;

/// Most bytes of all files.
const MAX_BYTES: u64 = 256 << 20;

/// The ending of the files.
const ENDING: &str = "values";

/// Names the values of a function of a plugin, by the plugin's digest.
#[must_use]
pub fn subject(digest: &str, function: &ExternFunction) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("hq values of a function of a plugin");
    hasher.update(&VERSION.to_le_bytes());
    let parameters = function.parameters.iter().flat_map(|(name, domain)| [name.clone(), domain.to_string()]);
    let words = [digest.to_owned(), function.name.clone(), function.result.to_string()];
    for word in words.into_iter().chain(parameters) {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
    }
    hasher.finalize()
}

fn file_name(subject: &blake3::Hash) -> String {
    format!("{}.{ENDING}", subject.to_hex())
}

fn checksum(subject: &blake3::Hash, values: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(subject.as_bytes());
    hasher.update(values);
    hasher.finalize()
}

/// The values that were kept in a folder, if they are intact.
pub(super) fn read(folder: &Path, digest: &str, function: &ExternFunction) -> Option<Arc<[i64]>> {
    let subject = subject(digest, function);
    let path = folder.join(file_name(&subject));
    let length = function.values().checked_mul(8)?.checked_add(32)?;
    if !fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() == length) {
        return None;
    }
    let bytes = fs::read(&path).ok()?;
    let (found, values) = bytes.split_first_chunk::<32>()?;
    // Compared as hashes, whose equality takes no longer the more is equal.
    if checksum(&subject, values) != blake3::Hash::from_bytes(*found) {
        return None;
    }
    let (values, rest) = values.as_chunks::<8>();
    rest.is_empty().then(|| values.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

/// Keeps values in a folder.
pub(super) fn write(folder: &Path, digest: &str, function: &ExternFunction, values: &[i64]) {
    write_to(folder, digest, function, values, MAX_BYTES);
}

fn write_to(folder: &Path, digest: &str, function: &ExternFunction, values: &[i64], most: u64) {
    let subject = subject(digest, function);
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut bytes = checksum(&subject, &values).as_bytes().to_vec();
    bytes.extend(values);
    let Some(room) = most.checked_sub(bytes.len() as u64) else { return };
    if fs::create_dir_all(folder).is_err() || !make_room(folder, room) {
        return;
    }
    // Nothing is lost where it cannot be kept.
    let _ = write_whole(&folder.join(file_name(&subject)), &bytes);
}

/// Removes the oldest files until the others have at most so many bytes.
fn make_room(folder: &Path, most: u64) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ENDING))
        .filter_map(|path| {
            let data = fs::metadata(&path).ok()?;
            Some((data.modified().ok()?, data.len(), path))
        })
        .collect();
    files.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| left.2.cmp(&right.2)));
    let mut total: u64 = files.iter().map(|(_, length, _)| *length).sum();
    for (_, length, path) in &files {
        if total <= most {
            break;
        }
        if fs::remove_file(path).is_ok() {
            total = total.saturating_sub(*length);
        }
    }
    total <= most
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]
    use super::*;
    use hq_dsl::Domain;

    fn function(hi: i64) -> ExternFunction {
        ExternFunction {
            name: "f".to_owned(),
            plugin: "p".to_owned(),
            parameters: vec![("x".to_owned(), Domain::Int { lo: 0, hi, step: 1 })],
            result: Domain::Int { lo: -9, hi: 9, step: 1 },
        }
    }

    #[test]
    fn values_come_back_for_their_plugin_and_domains_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, values) = (folder.path(), [-1, 0, 9]);
        write_to(folder, "one", &function(2), &values, MAX_BYTES);
        assert_eq!(read(folder, "one", &function(2)).as_deref(), Some(&values[..]));
        assert_eq!(read(folder, "two", &function(2)), None);
        assert_eq!(read(folder, "one", &function(3)), None);
    }

    #[test]
    fn a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_to(folder, "one", &function(2), &[1, 2, 3], MAX_BYTES);
        let path = folder.join(file_name(&subject("one", &function(2))));
        let whole = fs::read(&path).unwrap();
        for at in [0, 31, 32, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(folder, "one", &function(2)), None, "byte {at}");
        }
        fs::write(&path, &whole[..whole.len() - 8]).unwrap();
        assert_eq!(read(folder, "one", &function(2)), None);
        write_to(folder, "one", &function(2), &[1, 2, 3], MAX_BYTES);
        assert!(read(folder, "one", &function(2)).is_some());
    }

    #[test]
    fn the_folder_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for digest in ["a", "b", "c", "d"] {
            write_to(folder, digest, &function(9), &[0; 10], 250);
        }
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(files, 2, "of 112 bytes each");
        assert!(read(folder, "d", &function(9)).is_some());
        write_to(folder, "e", &function(99), &[0; 100], 250);
        assert_eq!(read(folder, "e", &function(99)), None);
    }
}
