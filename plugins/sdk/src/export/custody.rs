//! The functions of the custodian's table. The rules at the head of `export` hold for each.
#![expect(unsafe_code, reason = "pointers cross the C ABI here; see the rules at the head of `export`")]

use super::{
    answer, buffer, checked_plan, guard, hand_out, json, null_argument, null_handle, slice, slices, structure,
};
use crate::abi::{Buffer, Handle, View};
use crate::backend::{BackendError, Custody, Fault, Measurement};
use crate::frame::KeyId;

pub(super) unsafe extern "C" fn keygen<B: Custody>(
    parameters: View<u8>,
    seed: View<u8>,
    secret: *mut Buffer,
    evaluation: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        if secret.is_null() || evaluation.is_null() {
            return Err(null_argument("out"));
        }
        // SAFETY: the views are readable during this call.
        let (parameters, seed) =
            unsafe { (structure(parameters, "parameters", Fault::Parameters)?, slice(seed, "seed")?) };
        let seed = match seed {
            [] => None,
            bytes => Some(<[u8; 32]>::try_from(bytes).map_err(|_| {
                BackendError::new(Fault::Parameters, format!("a seed has 32 bytes, not {}", bytes.len()))
            })?),
        };
        let mut pair = B::keygen(&parameters, seed)?;
        // SAFETY: both are not null (checked above) and writable.
        unsafe {
            secret.write(buffer(std::mem::take(&mut *pair.secret)));
            evaluation.write(buffer(pair.evaluation));
        }
        Ok(())
    };
    // SAFETY: `error` is null or writable.
    unsafe { guard(error, work) }
}

pub(super) unsafe extern "C" fn load<B: Custody>(
    secret: View<u8>,
    out: *mut Handle,
    error: *mut Buffer,
) -> i32 {
    // SAFETY: the view is readable during this call, the out-parameters are as the module's rules say.
    unsafe { hand_out(out, error, || B::load(slice(secret, "secret key")?)) }
}

/// Encrypts a block in one of the ways of a key. The rules at the head of `export` hold.
unsafe fn encrypted<B: Custody>(
    key: Handle,
    values: View<i64>,
    out: *mut Buffer,
    error: *mut Buffer,
    encrypt: impl FnOnce(&B::Key, &[i64]) -> Result<Vec<u8>, BackendError>,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live key of this table; the view is readable during this call.
        let (key, values) = unsafe { (key_of::<B>(key)?, slice(values, "values")?) };
        encrypt(key, values)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn encrypt<B: Custody>(
    key: Handle,
    values: View<i64>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    // SAFETY: as the module's rules say of each.
    unsafe { encrypted::<B>(key, values, out, error, B::encrypt) }
}

pub(super) unsafe extern "C" fn encrypt_entries<B: Custody>(
    key: Handle,
    values: View<i64>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    // SAFETY: as the module's rules say of each.
    unsafe { encrypted::<B>(key, values, out, error, B::encrypt_entries) }
}

pub(super) unsafe extern "C" fn decrypt<B: Custody>(
    key: Handle,
    result: View<u8>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live key of this table; the view is readable during this call.
        let (key, result) = unsafe { (key_of::<B>(key)?, slice(result, "result")?) };
        Ok(B::decrypt(key, result)?.into_iter().flat_map(i64::to_le_bytes).collect())
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn measure<B: Custody>(
    key: Handle,
    evaluation_key: View<u8>,
    plan: View<u8>,
    blocks: View<View<View<u8>>>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live key of this table; the views are readable during this call.
        let (key, evaluation_key, plan, blocks) = unsafe {
            let blocks = slice(blocks, "blocks")?.iter().map(|block| slices(*block));
            let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
            (key_of::<B>(key)?, slice(evaluation_key, "evaluation key")?, checked_plan(plan)?, blocks)
        };
        let measurement = B::measure(key, evaluation_key, &plan, &blocks)?;
        finite(&measurement)?;
        json(&measurement)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn ternary<B: Custody>(
    key: Handle,
    secret: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live key of this table.
        let ternary = B::ternary(unsafe { key_of::<B>(key) }?)?;
        // Of the size that it has, so that no copy is left behind by growth.
        Ok(ternary.iter().map(|coefficient| coefficient.cast_unsigned()).collect())
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(secret, error, work) }
}

pub(super) unsafe extern "C" fn bridge<B: Custody>(
    key: Handle,
    other: View<u8>,
    ternary: View<i8>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live key of this table; the views are readable during this call.
        let (key, other, ternary) =
            unsafe { (key_of::<B>(key)?, slice(other, "key id")?, slice(ternary, "secret")?) };
        let other = other.try_into().map_err(|_| BackendError::new(Fault::Key, "a key id has 16 bytes"))?;
        B::bridge(key, KeyId(other), ternary)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn open_gates<B: Custody>(
    key: Handle,
    plan: View<u8>,
    sums: View<u8>,
    passed: View<u8>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live key of this table; the views are readable during this call.
        let (key, plan, sums, passed) = unsafe {
            (key_of::<B>(key)?, checked_plan(plan)?, slice(sums, "sums")?, slice(passed, "what passed")?)
        };
        Ok(B::open_gates(key, &plan, sums, passed)?.into_iter().flat_map(i64::to_le_bytes).collect())
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

/// # Safety
/// The handle is null or a live key of `B`.
unsafe fn key_of<'a, B: Custody>(key: Handle) -> Result<&'a B::Key, BackendError> {
    // SAFETY: null, or made by `hand_out` for this type and not freed.
    unsafe { key.cast::<B::Key>().as_ref() }.ok_or_else(null_handle)
}

/// JSON has one word, `null`, for all that is not finite; it shall mean minus infinity alone.
fn finite(measurement: &Measurement) -> Result<(), BackendError> {
    let Measurement { node_max_bits, node_stddev_bits, sum_bits, sum_bits_before_flooding } = measurement;
    let mut all = [node_max_bits, node_stddev_bits, sum_bits, sum_bits_before_flooding].into_iter().flatten();
    if all.all(|bits| *bits < f64::INFINITY) {
        return Ok(());
    }
    Err(BackendError::new(Fault::Internal, "a measured noise is not a number"))
}
