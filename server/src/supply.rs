//! Objects for a worker that may look for nothing itself: it asks for them by name, over the socket that is its standard input, and
//! is given those of its own job, sealed as they are. So a worker needs no network and no credentials, whatever the store is.
//!
//! A question is a name and a line's end; an answer is a length of eight bytes, little-endian, and so many bytes. A length of
//! [`NOTHING`] says that there is none.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::chunks::Chunks;
use crate::objects::{Objects, parameters_name};

/// In the place of a length.
const NOTHING: u64 = u64::MAX;
/// Longest name, in bytes.
const MAX_NAME_BYTES: u64 = 1000;

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Asking(Mutex<UnixStream>);

impl Asking {
    pub(crate) fn over(stream: UnixStream) -> Self {
        Self(Mutex::new(stream))
    }
}

impl Chunks for Asking {
    fn sealed(&self, name: &str, bytes: u64) -> io::Result<Vec<u8>> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(format!("{name}\n").as_bytes())?;
        let mut length = [0; 8];
        stream.read_exact(&mut length)?;
        match u64::from_le_bytes(length) {
            NOTHING => Err(io::Error::other(format!("the store does not give {name}"))),
            // What is left in the socket would be taken for the next answer: there is none after this.
            length if length > bytes => {
                stream.shutdown(std::net::Shutdown::Both)?;
                Err(io::Error::other(format!("{name} has {length} bytes where {bytes} were stored")))
            }
            length => {
                let mut sealed = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                stream.read_exact(&mut sealed)?;
                Ok(sealed)
            }
        }
    }
}

/// What a job may be given.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Names of its version's chunks begin so.
    version: String,
    /// The name of its secret parameters.
    parameters: String,
    /// Longest object.
    most_bytes: u64,
}

impl Scope {
    pub(crate) fn of((dataset, version): (&str, u64), job: &str, most_bytes: u64) -> Self {
        Self {
            version: format!("datasets/{dataset}/{version}/"),
            parameters: parameters_name(dataset, job),
            most_bytes,
        }
    }

    fn holds(&self, name: &str) -> bool {
        let chunk = |rest: &str| {
            let (file, number) = rest.split_once('/')?;
            Some(crate::api::is_segment(file) && number.parse::<u64>().is_ok())
        };
        name == self.parameters || name.strip_prefix(&self.version).and_then(chunk).unwrap_or_default()
    }
}

/// The service's end: answers until the worker goes away.
///
/// # Errors
/// A worker that does not take its answers.
pub(crate) async fn supply(
    stream: tokio::net::UnixStream,
    objects: &Objects,
    scope: &Scope,
) -> io::Result<()> {
    let (questions, mut answers) = stream.into_split();
    let mut questions = BufReader::new(questions);
    loop {
        let mut line = Vec::new();
        match (&mut questions).take(MAX_NAME_BYTES).read_until(b'\n', &mut line).await {
            // It ended before it read all of an answer.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            read => read?,
        };
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        let name = String::from_utf8(line).unwrap_or_default();
        if !scope.holds(&name) {
            answers.write_all(&NOTHING.to_le_bytes()).await?;
            continue;
        }
        match objects.sealed(&name, scope.most_bytes).await {
            Ok(sealed) => {
                answers.write_all(&(sealed.len() as u64).to_le_bytes()).await?;
                answers.write_all(&sealed).await?;
            }
            Err(error) => {
                tracing::error!(%error, name, "a worker is not given an object");
                answers.write_all(&NOTHING.to_le_bytes()).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    #[test]
    fn a_worker_is_given_what_is_of_its_job_alone() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::local(folder.path()).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let worker = std::thread::spawn(move || {
            let asking = Asking::over(theirs);
            assert_eq!(asking.sealed("datasets/d/1/age.hqc/0", 4).unwrap(), b"four");
            assert_eq!(asking.sealed("datasets/d/parameters/j", 9).unwrap(), b"secret");
            for name in [
                "datasets/d/1/age.hqc/1",
                "datasets/d/1/age.hqc/../0",
                "datasets/d/1/../2/age.hqc/0",
                "datasets/d/2/age.hqc/0",
                "datasets/d/11/age.hqc/0",
                "datasets/e/1/age.hqc/0",
                "datasets/d/parameters/other",
                "datasets/d/results/j",
                "",
            ] {
                let error = asking.sealed(name, 9).unwrap_err().to_string();
                assert!(error.contains("does not give"), "{name}: {error}");
            }
            // Of another length than was stored: nothing is read any more.
            assert!(asking.sealed("datasets/d/1/age.hqc/0", 3).unwrap_err().to_string().contains("4 bytes"));
            assert!(asking.sealed("datasets/d/1/age.hqc/0", 4).is_err());
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scope = Scope::of(("d", 1), "j", 9);
            for (name, bytes) in [
                ("datasets/d/1/age.hqc/0", "four"),
                ("datasets/d/2/age.hqc/0", "four"),
                ("datasets/d/11/age.hqc/0", "four"),
                ("datasets/e/1/age.hqc/0", "four"),
                ("datasets/d/parameters/j", "secret"),
                ("datasets/d/parameters/other", "secret"),
                ("datasets/d/results/j", "result"),
            ] {
                objects.put_sealed(name, bytes.as_bytes().to_vec()).await.unwrap();
            }
            let stream = tokio::net::UnixStream::from_std(ours).unwrap();
            supply(stream, &objects, &scope).await.unwrap();
        });
        worker.join().unwrap();
    }
}
