//! Files of a dataset as the object store has them: chunks of one length, sealed each by itself. Reading decrypts in memory;
//! nothing that is read so is ever written.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hq_engine::dataset::PartBytes;

use crate::envelope::{EnvelopeKey, OVERHEAD_BYTES};
use crate::objects::chunk_name;

/// Number of chunks of a file.
#[must_use]
pub fn count(bytes: u64, chunk_bytes: u64) -> u64 {
    bytes.div_ceil(chunk_bytes.max(1))
}

/// Length of one chunk of a file; `None` past its end.
#[must_use]
pub fn length(bytes: u64, chunk_bytes: u64, number: u64) -> Option<u64> {
    let left = bytes.checked_sub(number.checked_mul(chunk_bytes)?)?;
    (left > 0).then(|| left.min(chunk_bytes))
}

/// Where sealed objects are read, by whoever may wait for them.
pub trait Chunks: Send + Sync {
    /// An object as it is stored, which has so many bytes.
    ///
    /// # Errors
    /// One that cannot be read, or is longer.
    fn sealed(&self, name: &str, bytes: u64) -> io::Result<Vec<u8>>;
}

/// One file.
pub struct ChunkedFile {
    objects: Arc<dyn Chunks>,
    key: EnvelopeKey,
    place: (String, u64, String),
    bytes: u64,
    chunk_bytes: u64,
    /// The chunk read last: frames are read one after the other.
    last: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
}

impl fmt::Debug for ChunkedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkedFile({:?}, {} bytes)", self.place, self.bytes)
    }
}

impl ChunkedFile {
    /// A file of a version of a dataset: `place` is dataset, version and name.
    #[must_use]
    pub fn new(
        objects: Arc<dyn Chunks>,
        key: EnvelopeKey,
        place: (String, u64, String),
        bytes: u64,
        chunk_bytes: u64,
    ) -> Self {
        Self { objects, key, place, bytes, chunk_bytes, last: Mutex::default() }
    }

    /// All of it.
    ///
    /// # Errors
    /// A chunk that cannot be read.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for number in 0..count(self.bytes, self.chunk_bytes) {
            bytes.extend_from_slice(&self.chunk(number)?);
        }
        Ok(bytes)
    }

    fn chunk(&self, number: u64) -> io::Result<Arc<Vec<u8>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, chunk)) = last.as_ref().filter(|(held, _)| *held == number) {
            return Ok(Arc::clone(chunk));
        }
        let (dataset, version, file) = &self.place;
        let name = chunk_name(dataset, *version, file, number);
        let wrong = || io::Error::other(format!("{name} has another length than it should"));
        let bytes = length(self.bytes, self.chunk_bytes, number).ok_or_else(wrong)?;
        let sealed = self.objects.sealed(&name, bytes + OVERHEAD_BYTES)?;
        let chunk = Arc::new(self.key.open(&name, &sealed).map_err(io::Error::other)?);
        if chunk.len() as u64 != bytes {
            return Err(wrong());
        }
        *last = Some((number, Arc::clone(&chunk)));
        Ok(chunk)
    }
}

impl PartBytes for ChunkedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }

    fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            if offset >= self.bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let chunk = self.chunk(offset / self.chunk_bytes)?;
            let start = usize::try_from(offset % self.chunk_bytes).map_err(io::Error::other)?;
            let there = chunk.get(start..).ok_or(io::ErrorKind::UnexpectedEof)?;
            let taken = there.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(taken);
            now.copy_from_slice(there.get(..taken).unwrap_or_default());
            bytes = later;
            offset += taken as u64;
        }
        Ok(())
    }
}
