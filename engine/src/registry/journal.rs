//! `audit.log`: what was done with a registry, in the form of the service's log, so that `hq audit verify` reads it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::{By, RegistryError, Result};
use crate::audit::{Entry, Event, NOTHING_BEFORE};

/// Its name.
const NAME: &str = "audit.log";

/// Appends an entry. The caller holds the registry's lock.
pub(super) fn note(folder: &Path, action: &str, outcome: &str, detail: String, by: By<'_>) -> Result<()> {
    let path = folder.join(NAME);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(RegistryError::file(&path))?,
    };
    let damaged = |reason: String| RegistryError::Damaged { path: path.clone(), reason };
    let (number, previous) = match text.lines().last() {
        None => (1, NOTHING_BEFORE.to_owned()),
        Some(line) => {
            let (digest, entry) =
                line.split_once(' ').ok_or_else(|| damaged("a line is no entry".to_owned()))?;
            let entry: Entry = serde_json::from_str(entry)
                .map_err(|error| damaged(format!("a line is no entry: {error}")))?;
            (entry.number + 1, digest.to_owned())
        }
    };
    let event = Event {
        action: action.to_owned(),
        outcome: outcome.to_owned(),
        subject: by.who.to_owned(),
        detail: Some(detail),
        ..Event::default()
    };
    let entry = Entry { number, time: by.time.to_owned(), event, previous };
    let (line, _) = entry.line().map_err(|error| damaged(error.to_string()))?;
    let mut file =
        OpenOptions::new().append(true).create(true).open(&path).map_err(RegistryError::file(&path))?;
    file.write_all(format!("{line}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(RegistryError::file(&path))
}
