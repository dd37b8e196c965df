//! The file that `hq compute` keeps while it computes, and continues from after an interruption.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hq_engine::checkpoint::{self, Identity};
use hq_engine::run::{Checkpoints, RunError, Saved, SourceError};

use crate::error::{ClientError, Result, file_error};
use crate::keys::read_bounded;
use crate::output;

/// Largest checkpoint that is read, in bytes.
const MAX_BYTES: u64 = 5 << 30;

/// A file that a run is kept in.
pub(crate) struct CheckpointFile {
    path: PathBuf,
    identity: Identity,
    every: Duration,
    /// Whether it could not be written, which was told.
    failed: bool,
}

impl CheckpointFile {
    /// A file for a run, which may be there from an interrupted one.
    pub(crate) fn new(path: PathBuf, identity: Identity, every_s: u64) -> Self {
        Self { path, identity, every: Duration::from_secs(every_s), failed: false }
    }

    /// The file beside a result.
    pub(crate) fn beside(result: &Path) -> PathBuf {
        let mut name = result.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        result.with_file_name(name)
    }

    /// The run has a result.
    pub(crate) fn remove(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(&self.path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// An error of the run, with what became of this file.
    pub(crate) fn explain(&self, error: RunError) -> ClientError {
        let path = self.path.clone();
        match error {
            RunError::Cancelled { done, blocks } if !self.failed => {
                ClientError::Stopped { path, done, blocks }
            }
            RunError::Checkpoint { reason } => ClientError::Checkpoint { path, reason },
            RunError::Source(error) if error.place == path.display().to_string() => {
                ClientError::Checkpoint { path, reason: error.reason }
            }
            error @ (RunError::Backend { .. }
            | RunError::Source(_)
            | RunError::Missing { .. }
            | RunError::Ungated { .. }
            | RunError::Randomness
            | RunError::Cancelled { .. }) => error.into(),
        }
    }

    fn wrong(&self, reason: impl ToString) -> SourceError {
        SourceError { place: self.path.display().to_string(), reason: reason.to_string() }
    }
}

impl Checkpoints for CheckpointFile {
    fn every(&self) -> Duration {
        self.every
    }

    fn load(&mut self) -> std::result::Result<Option<Saved>, SourceError> {
        if !self.path.try_exists().map_err(|error| self.wrong(error))? {
            return Ok(None);
        }
        let bytes = match read_bounded(&self.path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(ClientError::File { source, .. }) => return Err(self.wrong(source)),
            Err(ClientError::Damaged { reason, .. }) => return Err(self.wrong(reason)),
            Err(error) => return Err(self.wrong(error)),
        };
        let saved = checkpoint::read(&bytes, &self.identity)
            .map_err(|error| self.wrong(format!("is no checkpoint of this computation: {error}")))?;
        let blocks = if saved.done == 1 { "block" } else { "blocks" };
        output::note(&format!("{}: continued after {} {blocks}", self.path.display(), saved.done));
        Ok(Some(saved))
    }

    /// A computation does not end because it cannot be kept.
    fn save(&mut self, saved: &Saved) -> std::result::Result<(), SourceError> {
        let written = match checkpoint::write(&self.identity, saved) {
            Ok(bytes) => write_whole(&self.path, &bytes).map_err(|error| error.to_string()),
            Err(error) => Err(self.wrong(error).to_string()),
        };
        if let Err(reason) = &written
            && !self.failed
        {
            output::warn(&format!("{reason}. What is computed now is lost if it is interrupted"));
        }
        self.failed = written.is_err();
        Ok(())
    }
}

/// Writes a file that is there as a whole or not at all, even after a failure of the machine.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(file_error(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(file_error(path))?;
    file.persist(path).map_err(|error| file_error(path)(error.error))?;
    Ok(())
}
