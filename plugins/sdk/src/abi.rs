//! The boundary between hq and a plugin: tables of C functions, each under its own symbol. A plugin
//! author in Rust never meets it (see `export`), nor does a caller (see `host`).
//!
//! - **Symbols.** [`EVALUATOR_SYMBOL`] computes, [`CUSTODY_SYMBOL`] touches secret keys. A service looks
//!   up the first alone and so cannot be made to call the second. [`FUNCTION_SYMBOL`] is that of functions
//!   for programs, which meet no data at all: a library of functions has this one only.
//! - **Versions.** A table opens with `abi_version` and `table_bytes`, which are read before anything else.
//!   `abi_version` must be equal on both sides: a change of meaning makes a new version and a new symbol
//!   name. Within a version a table only grows at its end, so `table_bytes` may be larger than the host's.
//! - **Ownership.** Whoever allocates frees. A [`View`] is lent for the length of the call and never
//!   written to. A [`Buffer`] belongs to the plugin that made it: the host copies it and gives it back to
//!   `free_buffer` (`free_secret`, which wipes, for a secret key) of the same table exactly once. A handle
//!   goes back to its `free_*` exactly once, and no call may be under way on it then.
//! - **Threads.** Every function may be called from any thread. A session takes one call at a time, from
//!   whichever thread; a key takes any number at once; different handles never disturb each other. Nor do a
//!   session and its forks: a host computes blocks on several threads by giving each a fork.
//! - **Failure.** Status 0 is success, else it is a [`Fault`]'s number; then `error`, where not null,
//!   receives a message in UTF-8, and no other out-parameter is written. No panic crosses: it becomes
//!   `Fault::Internal`, and a session in which one happened refuses all further work.
//! - **Data.** `Capabilities`, `Signature`, `RnsRequest`, `RnsParameters`, `Parameters` and `Measurement` cross as JSON,
//!   plans as their text form, keys, ciphertexts and sums as frames, numbers as `i64`. A null pointer where
//!   something is needed, a misaligned array and invalid UTF-8 are answered with an error.
//! - **Unloading.** A plugin may start threads, so a host never unloads it.

use std::ffi::c_void;
use std::ptr;

use crate::backend::Fault;

/// Version of everything in this module.
pub const ABI_VERSION: u32 = 2;

/// Symbol of the [`EvaluatorTable`].
pub const EVALUATOR_SYMBOL: &str = "hq_evaluator_v2";

/// Symbol of the [`CustodyTable`].
pub const CUSTODY_SYMBOL: &str = "hq_custody_v2";

/// Symbol of the [`FunctionTable`].
pub const FUNCTION_SYMBOL: &str = "hq_functions_v2";

/// Status of success.
pub const OK: i32 = 0;

/// Largest buffer in bytes that a host takes from a plugin.
pub const MAX_BUFFER_BYTES: u64 = 4 << 30;

/// How the message of a panic begins.
pub const PANICKED: &str = "it panicked";

/// An array lent for the length of a call. `ptr` may be null where `len` is 0.
#[repr(C)]
#[derive(Debug)]
pub struct View<T> {
    /// First item.
    pub ptr: *const T,
    /// Number of items (not bytes).
    pub len: usize,
}

impl<T> View<T> {
    /// Lends a slice.
    #[must_use]
    pub fn of(items: &[T]) -> Self {
        Self { ptr: items.as_ptr(), len: items.len() }
    }
}

impl<T> Clone for View<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<T> {}

/// Bytes that the plugin allocated and alone can free.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    /// First byte; null where there are none.
    pub ptr: *mut u8,
    /// Number of bytes to read.
    pub len: usize,
    /// For the allocator: to be handed back unchanged.
    pub capacity: usize,
}

impl Buffer {
    /// No bytes, nothing to free.
    pub const EMPTY: Self = Self { ptr: ptr::null_mut(), len: 0, capacity: 0 };
}

/// An opaque session or key.
pub type Handle = *mut c_void;

/// What computes on data it cannot read. The functions mirror [`Evaluator`](crate::backend::Evaluator).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EvaluatorTable {
    /// [`ABI_VERSION`] that the plugin was built with.
    pub abi_version: u32,
    /// Size of this table in the plugin.
    pub table_bytes: u32,
    /// Frees a buffer made through this table; an empty one is ignored.
    pub free_buffer: unsafe extern "C" fn(Buffer),
    /// `out`: `Capabilities`.
    pub capabilities: unsafe extern "C" fn(out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `request`: `RnsRequest`; `out`: `RnsParameters`.
    pub resolve: unsafe extern "C" fn(request: View<u8>, out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `plan`: text; `evaluation_key`: frame; `out`: a session.
    pub open: unsafe extern "C" fn(
        plan: View<u8>,
        evaluation_key: View<u8>,
        out: *mut Handle,
        error: *mut Buffer,
    ) -> i32,
    /// `inputs`: one frame per input of the plan.
    pub block: unsafe extern "C" fn(session: Handle, inputs: View<View<u8>>, error: *mut Buffer) -> i32,
    /// `out`: frame of the sums.
    pub finish: unsafe extern "C" fn(session: Handle, out: *mut Buffer, error: *mut Buffer) -> i32,
    /// Frees a session; null is ignored.
    pub free_session: unsafe extern "C" fn(session: Handle),
    /// `evaluation_key`: frame; `out`: frame of a parameter.
    pub encrypt_parameter: unsafe extern "C" fn(
        evaluation_key: View<u8>,
        value: i64,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
    /// `out`: a session over the same plan and keys, with nothing done.
    pub fork: unsafe extern "C" fn(session: Handle, out: *mut Handle, error: *mut Buffer) -> i32,
    /// `other`: a session from the same `open` by forks. It is given back by this call, whatever the status;
    /// only where both are one handle is nothing done and nothing given back.
    pub absorb: unsafe extern "C" fn(session: Handle, other: Handle, error: *mut Buffer) -> i32,
    /// `out`: frame of the state.
    pub save: unsafe extern "C" fn(session: Handle, out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `state`: frame that `save` made, for a session that has done no block.
    pub restore: unsafe extern "C" fn(session: Handle, state: View<u8>, error: *mut Buffer) -> i32,
    /// As `finish`, of a plan with gates. `pads`: one for each sum; `samples`, `sums`: frames.
    pub gated: unsafe extern "C" fn(
        session: Handle,
        pads: View<u64>,
        samples: *mut Buffer,
        sums: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
    /// `plan`: text; `evaluation_key`, `bridge`, `samples`, `sums`: frames; `pads`: cell by cell; `out`: frame of what passed.
    pub pass: unsafe extern "C" fn(
        plan: View<u8>,
        evaluation_key: View<u8>,
        bridge: View<u8>,
        samples: View<u8>,
        sums: View<u8>,
        pads: View<u64>,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
}

/// What touches secret keys. The functions mirror [`Custody`](crate::backend::Custody).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CustodyTable {
    /// [`ABI_VERSION`] that the plugin was built with.
    pub abi_version: u32,
    /// Size of this table in the plugin.
    pub table_bytes: u32,
    /// Frees a buffer made through this table; an empty one is ignored.
    pub free_buffer: unsafe extern "C" fn(Buffer),
    /// As `free_buffer`, and wipes it first.
    pub free_secret: unsafe extern "C" fn(Buffer),
    /// `parameters`: `Parameters`; `seed`: 32 bytes or none; `secret`, `evaluation`: frames.
    pub keygen: unsafe extern "C" fn(
        parameters: View<u8>,
        seed: View<u8>,
        secret: *mut Buffer,
        evaluation: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
    /// `secret`: frame; `out`: a key.
    pub load: unsafe extern "C" fn(secret: View<u8>, out: *mut Handle, error: *mut Buffer) -> i32,
    /// `out`: frame of a ciphertext.
    pub encrypt:
        unsafe extern "C" fn(key: Handle, values: View<i64>, out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `result`: frame of sums; `out`: one `i64` per sum, little-endian.
    pub decrypt:
        unsafe extern "C" fn(key: Handle, result: View<u8>, out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `blocks`: per block one frame per input; `out`: `Measurement`, where `null` stands for minus
    /// infinity (the logarithm of no noise at all).
    pub measure: unsafe extern "C" fn(
        key: Handle,
        evaluation_key: View<u8>,
        plan: View<u8>,
        blocks: View<View<View<u8>>>,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
    /// Frees a key, which wipes it; null is ignored.
    pub free_key: unsafe extern "C" fn(key: Handle),
    /// As `encrypt`, for an input that stands in tables.
    pub encrypt_entries:
        unsafe extern "C" fn(key: Handle, values: View<i64>, out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `secret`: one `i8` per coefficient, for `free_secret`.
    pub ternary: unsafe extern "C" fn(key: Handle, secret: *mut Buffer, error: *mut Buffer) -> i32,
    /// `other`: 16 bytes; `ternary`: the other pair's; `out`: frame of the key between both.
    pub bridge: unsafe extern "C" fn(
        key: Handle,
        other: View<u8>,
        ternary: View<i8>,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
    /// `plan`: text; `sums`, `passed`: frames; `out`: one `i64` per sum of each cell, -1 where it is closed, little-endian.
    pub open_gates: unsafe extern "C" fn(
        key: Handle,
        plan: View<u8>,
        sums: View<u8>,
        passed: View<u8>,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> i32,
}

/// A value that a function takes or gives.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Of a number, `value / 10^decimals`; of a flag, 0 or 1; of a level, its place in the function's own list.
    pub value: i64,
    /// Digits after the point, at most 18; 0 of flags and levels.
    pub decimals: u32,
    /// [`Scalar::NUMBER`], [`Scalar::FLAG`] or [`Scalar::LEVEL`].
    pub kind: u32,
}

impl Scalar {
    /// Kind of an exact decimal number.
    pub const NUMBER: u32 = 0;
    /// Kind of a truth value.
    pub const FLAG: u32 = 1;
    /// Kind of a level.
    pub const LEVEL: u32 = 2;
}

/// Functions for programs. They mirror [`Library`](crate::function::Library).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FunctionTable {
    /// [`ABI_VERSION`] that the plugin was built with.
    pub abi_version: u32,
    /// Size of this table in the plugin.
    pub table_bytes: u32,
    /// Frees a buffer made through this table; an empty one is ignored.
    pub free_buffer: unsafe extern "C" fn(Buffer),
    /// `out`: a list of `Signature`.
    pub describe: unsafe extern "C" fn(out: *mut Buffer, error: *mut Buffer) -> i32,
    /// `function`: its place in that list; `arguments`: one of each of its parameters. Equal arguments give equal
    /// results. `Fault::Input` where the function has no value for them.
    pub call: unsafe extern "C" fn(
        function: u32,
        arguments: View<Scalar>,
        out: *mut Scalar,
        error: *mut Buffer,
    ) -> i32,
}

impl Fault {
    /// The fault of a status; `None` for success and for numbers that have no meaning.
    #[must_use]
    pub fn from_status(status: i32) -> Option<Self> {
        [Self::Plan, Self::Input, Self::Key, Self::Parameters, Self::Internal]
            .into_iter()
            .find(|&fault| fault.status() == status)
    }

    /// The status that reports this fault.
    #[must_use]
    pub const fn status(self) -> i32 {
        self as i32
    }
}
