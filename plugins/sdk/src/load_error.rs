//! Why a file is not a plugin that this program can use.

use std::path::PathBuf;

use crate::backend::BackendError;

/// Why a plugin cannot be used, whose fault that is and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not there, or no shared library of this machine.
    #[error("{} cannot be loaded as a shared library: {source}. Check the path and the platform it was built for", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: libloading::Error,
    },
    /// A library, but no plugin of this kind.
    #[error("{} has no symbol `{symbol}`: it is no plugin of hq, one for another ABI version, or lacks this half of one. Its author exports it with `export_backend!`, or functions with `export_functions!`", path.display())]
    SymbolMissing {
        /// The file.
        path: PathBuf,
        /// The symbol looked up.
        symbol: &'static str,
    },
    /// Built for another version of the ABI.
    #[error("{} speaks plugin ABI version {found}, this program version {wanted}. Rebuild the plugin with this program's SDK", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The plugin's version.
        found: u32,
        /// This program's version.
        wanted: u32,
    },
    /// Fewer functions than this program calls.
    #[error("{} has a table of {found} bytes under `{symbol}`, this program needs {wanted}. Rebuild the plugin with this program's SDK", path.display())]
    TableTooSmall {
        /// The file.
        path: PathBuf,
        /// The symbol.
        symbol: &'static str,
        /// Bytes that the plugin states.
        found: u32,
        /// Bytes needed.
        wanted: usize,
    },
    /// A null or misplaced pointer in the table.
    #[error("{} has an incomplete table under `{symbol}`. This is a fault of the plugin", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The symbol.
        symbol: &'static str,
    },
    /// It cannot be read as a file, for its digest.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No plugin has so many bytes.
    #[error("{} has more than {most} bytes: it is no plugin", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that a plugin may have.
        most: u64,
    },
    /// No module of functions.
    #[error("{} is no module with functions: {reason}. This is a fault of the plugin", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It loads, but cannot describe itself.
    #[error("{} does not describe itself: {source}. This is a fault of the plugin", path.display())]
    Capabilities {
        /// The file.
        path: PathBuf,
        /// What it answers.
        source: BackendError,
    },
}
