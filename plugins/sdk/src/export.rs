//! The plugin's side of the ABI: turns a type that implements [`Evaluator`] and [`Custody`] into the two
//! tables, and a [`Library`] into a third. All unsafe code of a plugin stands here and in the files of their functions.
//!
//! Rules that every function below relies on (they are the host's duties, see `abi`): a view's memory is
//! readable for the length of the call, an out-parameter is null or writable, a handle is null or came from
//! this table, was not freed, and a session is in no other call.
#![expect(unsafe_code, reason = "pointers cross the C ABI here and nowhere else in a plugin")]

mod custody;
mod evaluator;
mod function;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroize;

use crate::abi::{
    ABI_VERSION, Buffer, CustodyTable, EvaluatorTable, FunctionTable, Handle, OK, PANICKED, View,
};
use crate::backend::{BackendError, Custody, Evaluator, Fault};
use crate::function::Library;
use crate::plan::Plan;
use crate::verify::verify;
pub(crate) use function::{compute, description};

/// Exports a backend from a `cdylib`: `export_backend!(MyBackend);` at the crate's root, once. The type
/// implements [`Evaluator`] and [`Custody`]. The symbols are those of every plugin, so a binary links at
/// most one plugin as a Rust library; others are loaded.
#[macro_export]
macro_rules! export_backend {
    ($backend:ty) => {
        /// What a service looks up.
        #[expect(unsafe_code, reason = "the name is part of the plugin ABI")]
        #[unsafe(export_name = "hq_evaluator_v2")]
        pub static HQ_EVALUATOR: $crate::abi::EvaluatorTable = $crate::export::evaluator_table::<$backend>();

        /// What a custodian's client looks up.
        #[expect(unsafe_code, reason = "the name is part of the plugin ABI")]
        #[unsafe(export_name = "hq_custody_v2")]
        pub static HQ_CUSTODY: $crate::abi::CustodyTable = $crate::export::custody_table::<$backend>();
    };
}

/// Exports functions from a `cdylib`: `export_functions!(MyLibrary);` at the crate's root, once. The type
/// implements [`Library`].
#[macro_export]
macro_rules! export_functions {
    ($library:ty) => {
        /// What a program's compiler looks up.
        #[cfg(not(target_arch = "wasm32"))]
        #[expect(unsafe_code, reason = "the name is part of the plugin ABI")]
        #[unsafe(export_name = "hq_functions_v2")]
        pub static HQ_FUNCTIONS: $crate::abi::FunctionTable = $crate::export::function_table::<$library>();

        /// The same as a module of WebAssembly.
        #[cfg(target_arch = "wasm32")]
        #[expect(unsafe_code, reason = "the names are part of the plugin ABI")]
        const _: () = {
            #[unsafe(export_name = "hq_room_v2")]
            extern "C" fn room(count: u32) -> u32 {
                $crate::module::room(count)
            }
            #[unsafe(export_name = "hq_describe_v2")]
            extern "C" fn describe() -> u64 {
                $crate::module::describe::<$library>()
            }
            #[unsafe(export_name = "hq_call_v2")]
            extern "C" fn call(function: u32, count: u32) -> i32 {
                $crate::module::call::<$library>(function, count)
            }
            #[unsafe(export_name = "hq_reason_v2")]
            extern "C" fn reason() -> u64 {
                $crate::module::reason()
            }
        };
    };
}

/// The table of an evaluator.
#[must_use]
pub const fn evaluator_table<B: Evaluator>() -> EvaluatorTable {
    EvaluatorTable {
        abi_version: ABI_VERSION,
        table_bytes: table_bytes::<EvaluatorTable>(),
        free_buffer,
        capabilities: evaluator::capabilities::<B>,
        resolve: evaluator::resolve::<B>,
        open: evaluator::open::<B>,
        block: evaluator::block::<B>,
        finish: evaluator::finish::<B>,
        free_session: free::<evaluator::Guarded<B::Session>>,
        encrypt_parameter: evaluator::encrypt_parameter::<B>,
        fork: evaluator::fork::<B>,
        absorb: evaluator::absorb::<B>,
        save: evaluator::save::<B>,
        restore: evaluator::restore::<B>,
        gated: evaluator::gated::<B>,
        pass: evaluator::pass::<B>,
    }
}

/// The table of a custodian.
#[must_use]
pub const fn custody_table<B: Custody>() -> CustodyTable {
    CustodyTable {
        abi_version: ABI_VERSION,
        table_bytes: table_bytes::<CustodyTable>(),
        free_buffer,
        free_secret,
        keygen: custody::keygen::<B>,
        load: custody::load::<B>,
        encrypt: custody::encrypt::<B>,
        encrypt_entries: custody::encrypt_entries::<B>,
        decrypt: custody::decrypt::<B>,
        measure: custody::measure::<B>,
        free_key: free::<B::Key>,
        ternary: custody::ternary::<B>,
        bridge: custody::bridge::<B>,
        open_gates: custody::open_gates::<B>,
    }
}

/// The table of a library of functions.
#[must_use]
pub const fn function_table<L: Library>() -> FunctionTable {
    FunctionTable {
        abi_version: ABI_VERSION,
        table_bytes: table_bytes::<FunctionTable>(),
        free_buffer,
        describe: function::describe::<L>,
        call: function::call::<L>,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a table has a few hundred bytes")]
const fn table_bytes<T>() -> u32 {
    size_of::<T>() as u32
}

unsafe extern "C" fn free_buffer(buffer: Buffer) {
    // SAFETY: the buffer came from this table and is given back once.
    drop(unsafe { take_back(buffer) });
}

unsafe extern "C" fn free_secret(buffer: Buffer) {
    // SAFETY: the buffer came from this table and is given back once.
    unsafe { take_back(buffer) }.zeroize();
}

unsafe extern "C" fn free<T>(handle: Handle) {
    if handle.is_null() {
        return;
    }
    // SAFETY: a handle that is not null was made by `hand_out` for this type and is given back once.
    let boxed = unsafe { Box::from_raw(handle.cast::<T>()) };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(boxed))) {
        // There is nobody to tell, and dropping the payload could panic again.
        std::mem::forget(payload);
    }
}

/// Runs `work` and writes the bytes it gives to `out`.
///
/// # Safety
/// `out` and `error` are null or writable.
unsafe fn answer(
    out: *mut Buffer,
    error: *mut Buffer,
    work: impl FnOnce() -> Result<Vec<u8>, BackendError>,
) -> i32 {
    let work = || {
        if out.is_null() {
            return Err(null_argument("out"));
        }
        let bytes = work()?;
        // SAFETY: not null, and the caller vouches that it is writable then.
        unsafe { out.write(buffer(bytes)) };
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard(error, work) }
}

/// Runs `work` and writes a handle of what it gives to `out`.
///
/// # Safety
/// `out` and `error` are null or writable.
unsafe fn hand_out<T>(
    out: *mut Handle,
    error: *mut Buffer,
    work: impl FnOnce() -> Result<T, BackendError>,
) -> i32 {
    let work = || {
        if out.is_null() {
            return Err(null_argument("out"));
        }
        let boxed = Box::new(work()?);
        // SAFETY: not null, and the caller vouches that it is writable then.
        unsafe { out.write(Box::into_raw(boxed).cast()) };
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard(error, work) }
}

/// Runs `work` so that neither a failure nor a panic crosses the boundary but as status and message.
///
/// # Safety
/// `error` is null or writable.
unsafe fn guard(error: *mut Buffer, work: impl FnOnce() -> Result<(), BackendError>) -> i32 {
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(payload)));
    match outcome {
        Ok(()) => OK,
        Err(failure) => {
            if !error.is_null() {
                // SAFETY: not null, and the caller vouches that it is writable then.
                unsafe { error.write(buffer(failure.message.into_bytes())) };
            }
            failure.fault.status()
        }
    }
}

fn panicked(payload: Box<dyn Any + Send>) -> BackendError {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text");
    let error = BackendError::new(Fault::Internal, format!("{PANICKED}: {text}"));
    std::mem::forget(payload);
    error
}

fn buffer(bytes: Vec<u8>) -> Buffer {
    if bytes.capacity() == 0 {
        return Buffer::EMPTY;
    }
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    Buffer { ptr: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity() }
}

/// # Safety
/// The buffer was made by [`buffer`] in this library and is given back once.
unsafe fn take_back(buffer: Buffer) -> Vec<u8> {
    if buffer.ptr.is_null() {
        return Vec::new();
    }
    // SAFETY: pointer, length and capacity are those of a vector that `buffer` took apart.
    unsafe { Vec::from_raw_parts(buffer.ptr, buffer.len, buffer.capacity) }
}

/// # Safety
/// The view's memory is readable for `'a`, if it is not null.
unsafe fn slice<'a, T>(view: View<T>, what: &str) -> Result<&'a [T], BackendError> {
    if view.len == 0 {
        return Ok(&[]);
    }
    let too_long = view.len > isize::MAX.unsigned_abs() / size_of::<T>().max(1);
    if view.ptr.is_null() || !view.ptr.is_aligned() || too_long {
        return Err(BackendError::new(Fault::Internal, format!("the host passed no valid {what}")));
    }
    // SAFETY: not null, aligned, within `isize::MAX` bytes, and readable as the caller vouches.
    Ok(unsafe { std::slice::from_raw_parts(view.ptr, view.len) })
}

/// # Safety
/// As [`slice`], and so for each view in it.
unsafe fn slices<'a>(views: View<View<u8>>) -> Result<Vec<&'a [u8]>, BackendError> {
    // SAFETY: the caller vouches for the array and for its items.
    unsafe { slice(views, "inputs")?.iter().map(|view| slice(*view, "input")).collect() }
}

/// # Safety
/// As [`slice`].
unsafe fn structure<T: DeserializeOwned>(
    view: View<u8>,
    what: &str,
    fault: Fault,
) -> Result<T, BackendError> {
    // SAFETY: the caller vouches for the view.
    let bytes = unsafe { slice(view, what) }?;
    serde_json::from_slice(bytes).map_err(|error| BackendError::new(fault, format!("{what}: {error}")))
}

/// # Safety
/// As [`slice`].
unsafe fn checked_plan(view: View<u8>) -> Result<Plan, BackendError> {
    let wrong = |error: &dyn std::error::Error| BackendError::new(Fault::Plan, error.to_string());
    // SAFETY: the caller vouches for the view.
    let text = std::str::from_utf8(unsafe { slice(view, "plan") }?).map_err(|error| wrong(&error))?;
    let plan = Plan::parse(text).map_err(|error| wrong(&error))?;
    verify(&plan).map_err(|error| wrong(&error))?;
    Ok(plan)
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, BackendError> {
    serde_json::to_vec(value).map_err(|error| BackendError::new(Fault::Internal, error.to_string()))
}

fn null_argument(name: &str) -> BackendError {
    BackendError::new(Fault::Internal, format!("the host passed null for `{name}`"))
}

fn null_handle() -> BackendError {
    null_argument("handle")
}
