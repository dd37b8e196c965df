//! The host's side of the ABI: loads a plugin and gives it back as safe methods.
//!
//! A loaded library stays until the process ends: it may have started threads, whose code must not vanish.
//! Loading runs the library's own code with all rights of the process, so what is loaded must be admitted
//! before (an allow-list of digests), and a service loads it in a worker process.
#![expect(unsafe_code, reason = "pointers cross the C ABI here and nowhere else in a host")]

use std::env;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use libloading::Library;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::abi::{
    ABI_VERSION, Buffer, CUSTODY_SYMBOL, CustodyTable, EVALUATOR_SYMBOL, EvaluatorTable, Handle,
    MAX_BUFFER_BYTES, OK, View,
};
use crate::backend::{BackendError, Custody, Evaluator, Fault, KeyPair, Measurement, Session};
use crate::capabilities::Capabilities;
use crate::export::{custody_table, evaluator_table};
pub use crate::find::{default_dirs, find};
pub use crate::load_error::LoadError;
use crate::parameters::{Parameters, RnsParameters, RnsRequest};
use crate::plan::Plan;

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

fn load_table<T: Table>(path: &Path) -> Result<T, LoadError> {
    // SAFETY: running the library's initialisers is what the caller of `load` admits it for.
    let library = unsafe { Library::new(path) }
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

/// What computes on data it cannot read, out of a plugin.
#[derive(Clone, Debug)]
pub struct EvaluatorPlugin {
    table: EvaluatorTable,
    capabilities: Arc<Capabilities>,
}

impl EvaluatorPlugin {
    /// Loads a plugin, and of it nothing that touches a secret key. See the module for what to check before.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Self::describe(load_table(path)?, &file_stem(path))
            .map_err(|source| LoadError::Capabilities { path: path.to_owned(), source })
    }

    /// A backend of this very program, called as a plugin is.
    ///
    /// # Errors
    /// `Fault::Internal` where it does not describe itself.
    pub fn linked<B: Evaluator>() -> Result<Self, BackendError> {
        Self::describe(evaluator_table::<B>(), "linked")
    }

    fn describe(table: EvaluatorTable, name: &str) -> Result<Self, BackendError> {
        // SAFETY: the table's own functions on buffers of this frame, as `abi` asks.
        let bytes = unsafe { take(name, table.free_buffer, |out, error| (table.capabilities)(out, error)) }?;
        Ok(Self { table, capabilities: Arc::new(structure(name, &bytes)?) })
    }

    /// The backend as data.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// As [`Evaluator::resolve`](crate::backend::Evaluator::resolve).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn resolve(&self, request: &RnsRequest) -> Result<RnsParameters, BackendError> {
        let name = &self.capabilities.name;
        let request = json(request)?;
        // SAFETY: the views and buffers live through the call, as `abi` asks.
        let bytes = unsafe {
            take(name, self.table.free_buffer, |out, error| {
                (self.table.resolve)(View::of(&request), out, error)
            })
        }?;
        structure(name, &bytes)
    }

    /// As [`Evaluator::open`](crate::backend::Evaluator::open).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn open(&self, plan: &Plan, evaluation_key: &[u8]) -> Result<PluginSession, BackendError> {
        let (name, plan) = (&self.capabilities.name, plan.to_string());
        // SAFETY: the views and buffers live through the call, as `abi` asks.
        let handle = unsafe {
            take_handle(name, self.table.free_buffer, |out, error| {
                (self.table.open)(View::of(plan.as_bytes()), View::of(evaluation_key), out, error)
            })
        }?;
        Ok(PluginSession { table: self.table, capabilities: Arc::clone(&self.capabilities), handle })
    }

    /// As [`Evaluator::encrypt_parameter`](crate::backend::Evaluator::encrypt_parameter).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn encrypt_parameter(&self, evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the view and buffers live through the call, as `abi` asks.
        unsafe {
            take(&self.capabilities.name, self.table.free_buffer, |out, error| {
                (self.table.encrypt_parameter)(View::of(evaluation_key), value, out, error)
            })
        }
    }
}

/// A plan at work in a plugin.
#[derive(Debug)]
pub struct PluginSession {
    table: EvaluatorTable,
    capabilities: Arc<Capabilities>,
    handle: Handle,
}

// SAFETY: `abi` lets a session be called from any thread, one call at a time; `&mut` sees to the latter.
unsafe impl Send for PluginSession {}

impl Session for PluginSession {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        let views: Vec<View<u8>> = inputs.iter().map(|input| View::of(input)).collect();
        // SAFETY: the handle is live and in no other call; views and buffers live through this one.
        unsafe {
            call(&self.capabilities.name, self.table.free_buffer, |error| {
                (self.table.block)(self.handle, View::of(&views), error)
            })
        }
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live and in no other call; the buffers live through this one.
        unsafe {
            take(&self.capabilities.name, self.table.free_buffer, |out, error| {
                (self.table.finish)(self.handle, out, error)
            })
        }
    }
}

impl Drop for PluginSession {
    fn drop(&mut self) {
        // SAFETY: the handle came from this table and is given back once, here.
        unsafe { (self.table.free_session)(self.handle) }
    }
}

/// What touches secret keys, out of a plugin. For the client alone.
#[derive(Clone, Debug)]
pub struct CustodyPlugin {
    table: CustodyTable,
    name: Arc<str>,
}

impl CustodyPlugin {
    /// Loads a plugin's custody. See the module for what to check before.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Ok(Self { table: load_table(path)?, name: file_stem(path).into() })
    }

    /// A backend of this very program, called as a plugin is.
    #[must_use]
    pub fn linked<B: Custody>(name: &str) -> Self {
        Self { table: custody_table::<B>(), name: name.into() }
    }

    /// As [`Custody::keygen`](crate::backend::Custody::keygen).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn keygen(&self, parameters: &Parameters, seed: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let parameters = json(parameters)?;
        let seed = Zeroizing::new(seed.map_or_else(Vec::new, |seed| seed.to_vec()));
        let (mut secret, mut evaluation) = (Buffer::EMPTY, Buffer::EMPTY);
        // SAFETY: the views and buffers live through the call; each buffer is given back once.
        unsafe {
            call(&self.name, self.table.free_buffer, |error| {
                let (parameters, seed) = (View::of(&parameters), View::of(&seed));
                (self.table.keygen)(parameters, seed, &raw mut secret, &raw mut evaluation, error)
            })?;
            let secret = copy(&self.name, secret, self.table.free_secret).map(Zeroizing::new);
            let evaluation = copy(&self.name, evaluation, self.table.free_buffer);
            Ok(KeyPair { secret: secret?, evaluation: evaluation? })
        }
    }

    /// As [`Custody::load`](crate::backend::Custody::load).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn load_key(&self, secret: &[u8]) -> Result<PluginKey, BackendError> {
        // SAFETY: the view and buffers live through the call, as `abi` asks.
        let handle = unsafe {
            take_handle(&self.name, self.table.free_buffer, |out, error| {
                (self.table.load)(View::of(secret), out, error)
            })
        }?;
        Ok(PluginKey { table: self.table, name: Arc::clone(&self.name), handle })
    }
}

/// A secret key inside a plugin; it wipes it when this is dropped.
#[derive(Debug)]
pub struct PluginKey {
    table: CustodyTable,
    name: Arc<str>,
    handle: Handle,
}

// SAFETY: `abi` lets a key be used from any thread.
unsafe impl Send for PluginKey {}
// SAFETY: `abi` lets a key be in any number of calls at once.
unsafe impl Sync for PluginKey {}

impl PluginKey {
    /// As [`Custody::encrypt`](crate::backend::Custody::encrypt).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn encrypt(&self, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live; the view and buffers live through the call.
        unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                (self.table.encrypt)(self.handle, View::of(values), out, error)
            })
        }
    }

    /// As [`Custody::decrypt`](crate::backend::Custody::decrypt).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn decrypt(&self, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        // SAFETY: the handle is live; the view and buffers live through the call.
        let bytes = unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                (self.table.decrypt)(self.handle, View::of(result), out, error)
            })
        }?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(ill_behaved(&self.name, "the numbers it returns are cut short"));
        }
        Ok(numbers.iter().map(|number| i64::from_le_bytes(*number)).collect())
    }

    /// As [`Custody::measure`](crate::backend::Custody::measure).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn measure(
        &self,
        evaluation_key: &[u8],
        plan: &Plan,
        blocks: &[Vec<&[u8]>],
    ) -> Result<Measurement, BackendError> {
        let plan = plan.to_string();
        let inputs: Vec<Vec<View<u8>>> =
            blocks.iter().map(|block| block.iter().map(|input| View::of(input)).collect()).collect();
        let blocks: Vec<View<View<u8>>> = inputs.iter().map(|block| View::of(block)).collect();
        // SAFETY: the handle is live; the views and buffers live through the call.
        let bytes = unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                let (key, plan) = (View::of(evaluation_key), View::of(plan.as_bytes()));
                (self.table.measure)(self.handle, key, plan, View::of(&blocks), out, error)
            })
        }?;
        structure(&self.name, &bytes)
    }
}

impl Drop for PluginKey {
    fn drop(&mut self) {
        // SAFETY: the handle came from this table and is given back once, here.
        unsafe { (self.table.free_key)(self.handle) }
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
        assert!(matches!(EvaluatorPlugin::load(path), Err(LoadError::NotALibrary { .. })));
        for (header, wanted) in [([2, 4096], "version 2"), ([ABI_VERSION, 16], "16 bytes")] {
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
