//! The host's side of the ABI: loads a plugin and gives it back as safe methods.
//!
//! A loaded library stays until the process ends: it may have started threads, whose code must not vanish.
//! Loading runs the library's own code with all rights of the process, so what is loaded must be admitted
//! before (an allow-list of digests), and a service loads it in a worker process.
#![expect(unsafe_code, reason = "pointers cross the C ABI here and nowhere else in a host")]

mod custody;
mod evaluator;
mod function;
mod image;
mod offer;
mod tabulation;

use std::env;
use std::path::Path;
use std::ptr;

use libloading::Library;
use serde::de::DeserializeOwned;

pub use custody::{CustodyPlugin, PluginKey};
pub use evaluator::{EvaluatorPlugin, PluginSession};
pub use function::{FunctionPlugin, checked, signatures};
pub use image::Image;
pub use offer::Offer;
pub use tabulation::{Callable, TabulationError, tabulate};

use crate::abi::{
    ABI_VERSION, Buffer, CUSTODY_SYMBOL, CustodyTable, EVALUATOR_SYMBOL, EvaluatorTable, FUNCTION_SYMBOL,
    FunctionTable, Handle, MAX_BUFFER_BYTES, OK,
};
use crate::backend::{BackendError, Fault};
pub use crate::find::{
    default_dirs, file_name, find, find_functions, installed, is_module, module_name, name_of,
};
pub use crate::load_error::LoadError;

/// Longest message of a plugin that is passed on, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// A table with the header that every version has.
///
/// # Safety
/// The type is `repr(C)`, begins with two `u32` (version, size in bytes), and everything behind them is
/// function pointers.
unsafe trait Table: Copy + 'static {
    const SYMBOL: &'static str;
}

// SAFETY: as `abi` lays it out.
unsafe impl Table for EvaluatorTable {
    const SYMBOL: &'static str = EVALUATOR_SYMBOL;
}

// SAFETY: as `abi` lays it out.
unsafe impl Table for CustodyTable {
    const SYMBOL: &'static str = CUSTODY_SYMBOL;
}

// SAFETY: as `abi` lays it out.
unsafe impl Table for FunctionTable {
    const SYMBOL: &'static str = FUNCTION_SYMBOL;
}

fn load_table<T: Table>(path: &Path) -> Result<T, LoadError> {
    load_table_at(path, path)
}

/// The table of a library at a place, with the file that messages name.
fn load_table_at<T: Table>(place: &Path, path: &Path) -> Result<T, LoadError> {
    // SAFETY: running the library's initialisers is what the caller of `load` admits it for.
    let library = unsafe { Library::new(place) }
        .map_err(|source| LoadError::NotALibrary { path: path.to_owned(), source })?;
    // SAFETY: nothing is read through the pointer until `read_table` has checked it.
    let pointer = unsafe { library.get::<*const u32>(T::SYMBOL).map(|symbol| *symbol) }
        .map_err(|_| LoadError::SymbolMissing { path: path.to_owned(), symbol: T::SYMBOL })?;
    // See the head of this module.
    std::mem::forget(library);
    // SAFETY: the symbol names data of the library, which begins with two `u32` in every version.
    unsafe { read_table(pointer, path) }
}

/// # Safety
/// `pointer` is null or points to two `u32` and to as many bytes as the second states.
unsafe fn read_table<T: Table>(pointer: *const u32, path: &Path) -> Result<T, LoadError> {
    let incomplete = || LoadError::Incomplete { path: path.to_owned(), symbol: T::SYMBOL };
    if pointer.is_null() || !pointer.cast::<T>().is_aligned() {
        return Err(incomplete());
    }
    // SAFETY: two `u32` stand there.
    let (version, bytes) = unsafe { (pointer.read(), pointer.add(1).read()) };
    if version != ABI_VERSION {
        return Err(LoadError::OtherVersion { path: path.to_owned(), found: version, wanted: ABI_VERSION });
    }
    if usize::try_from(bytes).unwrap_or(usize::MAX) < size_of::<T>() {
        let wanted = size_of::<T>();
        return Err(LoadError::TableTooSmall {
            path: path.to_owned(),
            symbol: T::SYMBOL,
            found: bytes,
            wanted,
        });
    }
    let functions = (size_of::<T>() - 2 * size_of::<u32>()) / size_of::<usize>();
    // SAFETY: the table is at least as large as `T`, whose functions stand behind the two `u32`; 0 is no
    // function pointer, so it is looked for before any is taken as one.
    unsafe {
        let words = pointer.add(2).cast::<usize>();
        if (0..functions).any(|index| words.add(index).read() == 0) {
            return Err(incomplete());
        }
        Ok(pointer.cast::<T>().read())
    }
}

type Free = unsafe extern "C" fn(Buffer);

/// Calls a function of a table; what it reports becomes an error that names the plugin.
///
/// # Safety
/// `function` writes to the pointer as `abi` says; `free` belongs to the same table.
unsafe fn call(
    name: &str,
    free: Free,
    function: impl FnOnce(*mut Buffer) -> i32,
) -> Result<(), BackendError> {
    let mut message = Buffer::EMPTY;
    let status = function(&raw mut message);
    if status == OK {
        return Ok(());
    }
    // SAFETY: the buffer is empty or came from this table, and is given back once.
    let bytes = unsafe { copy(name, message, free) }.unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(..MAX_MESSAGE_BYTES).unwrap_or(&bytes));
    let text = if text.is_empty() { "it gives no reason".into() } else { text };
    Err(match Fault::from_status(status) {
        Some(fault) => BackendError::new(fault, format!("plugin `{name}`: {text}")),
        None => ill_behaved(name, &format!("unknown status {status}: {text}")),
    })
}

/// [`call`] for a function that gives bytes.
///
/// # Safety
/// As [`call`].
unsafe fn take(
    name: &str,
    free: Free,
    function: impl FnOnce(*mut Buffer, *mut Buffer) -> i32,
) -> Result<Vec<u8>, BackendError> {
    let mut out = Buffer::EMPTY;
    // SAFETY: the caller vouches for the function; the buffer came from its table and is given back once.
    unsafe {
        call(name, free, |error| function(&raw mut out, error))?;
        copy(name, out, free)
    }
}

/// [`call`] for a function that gives a handle.
///
/// # Safety
/// As [`call`].
unsafe fn take_handle(
    name: &str,
    free: Free,
    function: impl FnOnce(*mut Handle, *mut Buffer) -> i32,
) -> Result<Handle, BackendError> {
    let mut handle = ptr::null_mut();
    // SAFETY: the caller vouches for the function.
    unsafe { call(name, free, |error| function(&raw mut handle, error)) }?;
    if handle.is_null() { Err(ill_behaved(name, "it returns a null handle")) } else { Ok(handle) }
}

/// The bytes of a plugin's buffer, which is freed.
///
/// # Safety
/// The buffer is empty or came from the table of `free`, and is not used again.
unsafe fn copy(name: &str, buffer: Buffer, free: Free) -> Result<Vec<u8>, BackendError> {
    let length = u64::try_from(buffer.len).unwrap_or(u64::MAX);
    if buffer.ptr.is_null() {
        return if length == 0 { Ok(Vec::new()) } else { Err(ill_behaved(name, "it returns a null buffer")) };
    }
    // Nothing is read past the bound; the plugin still gets its buffer back.
    let bytes = (length <= MAX_BUFFER_BYTES).then(|| {
        // SAFETY: a buffer that is not null holds `len` bytes.
        unsafe { std::slice::from_raw_parts(buffer.ptr, buffer.len) }.to_vec()
    });
    // SAFETY: the buffer came from this table and is given back once.
    unsafe { free(buffer) };
    bytes.ok_or_else(|| ill_behaved(name, &format!("it returns {length} bytes, more than any frame has")))
}

fn structure<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, BackendError> {
    serde_json::from_slice(bytes).map_err(|error| ill_behaved(name, &format!("its answer: {error}")))
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, BackendError> {
    serde_json::to_vec(value).map_err(|error| BackendError::new(Fault::Internal, error.to_string()))
}

fn ill_behaved(name: &str, reason: &str) -> BackendError {
    BackendError::new(Fault::Internal, format!("plugin `{name}`: {reason}"))
}

/// The plugin's name by its file, for messages.
fn file_stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    stem.strip_prefix(&format!("{}hq_plugin_", env::consts::DLL_PREFIX)).unwrap_or(&stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_is_refused() {
        let path = Path::new("no/such/library");
        assert!(matches!(EvaluatorPlugin::load(path), Err(LoadError::Unreadable { .. })));
        let refused = |path: &Path| matches!(EvaluatorPlugin::load(path), Err(LoadError::NotALibrary { .. }));
        assert!(tempfile::NamedTempFile::new().is_ok_and(|empty| refused(empty.path())));
        for (header, wanted) in [([1, 4096], "version 1"), ([ABI_VERSION, 16], "16 bytes")] {
            let mut words = [0_u64; 64];
            words[0] = u64::from(header[0]) | u64::from(header[1]) << 32;
            // SAFETY: the array is as large as either header's table is read.
            let table = unsafe { read_table::<EvaluatorTable>(words.as_ptr().cast(), path) };
            assert!(table.is_err_and(|error| error.to_string().contains(wanted)));
        }
        let mut words = [0_u64; 64];
        words[0] = u64::from(ABI_VERSION) | 512 << 32;
        // SAFETY: the array has 512 bytes.
        let table = unsafe { read_table::<CustodyTable>(words.as_ptr().cast(), path) };
        assert!(matches!(table, Err(LoadError::Incomplete { .. })));
    }
}
