//! A plugin's file, read once: what was looked at is what is loaded, whatever becomes of the file meanwhile.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::LoadError;

/// Largest file of a plugin, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// The bytes of a plugin's file.
#[derive(Clone, Debug)]
pub struct Image {
    path: PathBuf,
    bytes: Vec<u8>,
    digest: String,
}

impl Image {
    /// Reads a file.
    ///
    /// # Errors
    /// What the system says; a file that is too large for a plugin.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let wrong = |source| LoadError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(wrong)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(LoadError::TooLarge { path: path.to_owned(), most: MAX_BYTES });
        }
        let digest = blake3::hash(&bytes).to_hex().to_string();
        Ok(Self { path: path.to_owned(), bytes, digest })
    }

    /// The same under the name of another file, for messages.
    #[must_use]
    pub fn named(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// BLAKE3 of the bytes, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// A place under which the system loads these bytes.
    pub(super) fn place(&self) -> Result<PathBuf, LoadError> {
        let wrong = |source| LoadError::Unreadable { path: self.path.clone(), source };
        sealed::place(self).map_err(wrong)
    }
}

/// Memory that nobody can write any more. It stays as long as the process does, as the library does: the system takes two
/// files under one name for one library, so no name may be used twice.
#[cfg(target_os = "linux")]
mod sealed {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::path::PathBuf;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    use super::Image;

    /// Files by digest.
    static PLACES: LazyLock<Mutex<HashMap<String, File>>> = LazyLock::new(Mutex::default);

    pub(super) fn place(image: &Image) -> io::Result<PathBuf> {
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |file: &File| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if let Some(file) = places.get(&image.digest) {
            return Ok(name(file));
        }
        let mut file =
            File::from(memfd_create("hq-plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.write_all(&image.bytes)?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let place = name(&file);
        places.insert(image.digest.clone(), file);
        Ok(place)
    }
}

/// Where there is no such memory, the file itself: whoever may replace it may replace this program.
#[cfg(not(target_os = "linux"))]
mod sealed {
    use std::io;
    use std::path::PathBuf;

    use super::Image;

    pub(super) fn place(image: &Image) -> io::Result<PathBuf> {
        Ok(image.path.clone())
    }
}
