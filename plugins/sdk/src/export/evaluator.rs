//! The functions of the evaluator's table. The rules at the head of `export` hold for each.
#![expect(unsafe_code, reason = "pointers cross the C ABI here; see the rules at the head of `export`")]

use super::{
    answer, buffer, checked_plan, guard, hand_out, json, null_argument, null_handle, slice, slices, structure,
};
use crate::abi::{Buffer, Handle, View};
use crate::backend::{BackendError, Evaluator, Fault, GateKeys, Gated, Session};

/// A session that refuses work after a panic, which may have left it half changed.
pub(super) struct Guarded<S> {
    session: S,
    broken: bool,
}

impl<S> Guarded<S> {
    fn run<T>(&mut self, work: impl FnOnce(&mut S) -> Result<T, BackendError>) -> Result<T, BackendError> {
        if self.broken {
            return Err(panicked_before());
        }
        self.broken = true;
        let outcome = work(&mut self.session);
        self.broken = false;
        outcome
    }

    fn into_session(self) -> Result<S, BackendError> {
        if self.broken { Err(panicked_before()) } else { Ok(self.session) }
    }
}

fn panicked_before() -> BackendError {
    BackendError::new(Fault::Internal, "the session panicked before: open another")
}

pub(super) unsafe extern "C" fn capabilities<B: Evaluator>(out: *mut Buffer, error: *mut Buffer) -> i32 {
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, || json(&B::capabilities())) }
}

pub(super) unsafe extern "C" fn resolve<B: Evaluator>(
    request: View<u8>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the view is readable during this call.
        let request = unsafe { structure(request, "parameter request", Fault::Parameters) }?;
        json(&B::resolve(&request)?)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn open<B: Evaluator>(
    plan: View<u8>,
    evaluation_key: View<u8>,
    out: *mut Handle,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the views are readable during this call.
        let (plan, key) = unsafe { (checked_plan(plan)?, slice(evaluation_key, "evaluation key")?) };
        Ok(Guarded { session: B::open(&plan, key)?, broken: false })
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { hand_out(out, error, work) }
}

pub(super) unsafe extern "C" fn block<B: Evaluator>(
    session: Handle,
    inputs: View<View<u8>>,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live session of this table, in no other call.
        let session = unsafe { session_of::<B>(session) }?;
        // SAFETY: the views are readable during this call.
        let inputs = unsafe { slices(inputs) }?;
        session.run(|session| session.block(&inputs))
    };
    // SAFETY: `error` is null or writable.
    unsafe { guard(error, work) }
}

pub(super) unsafe extern "C" fn finish<B: Evaluator>(
    session: Handle,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live session of this table, in no other call.
        let session = unsafe { session_of::<B>(session) }?;
        session.run(Session::finish)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn encrypt_parameter<B: Evaluator>(
    evaluation_key: View<u8>,
    value: i64,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the view is readable during this call.
        B::encrypt_parameter(unsafe { slice(evaluation_key, "evaluation key") }?, value)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn fork<B: Evaluator>(
    session: Handle,
    out: *mut Handle,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live session of this table, in no other call.
        let session = unsafe { session_of::<B>(session) }?;
        Ok(Guarded { session: session.run(|session| session.fork())?, broken: false })
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { hand_out(out, error, work) }
}

pub(super) unsafe extern "C" fn absorb<B: Evaluator>(
    session: Handle,
    other: Handle,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        if other.is_null() {
            return Err(null_handle());
        }
        if session == other {
            return Err(BackendError::new(Fault::Internal, "the host asked a session to absorb itself"));
        }
        // SAFETY: a live session of this table, in no other call, and given back by this one.
        let other = unsafe { Box::from_raw(other.cast::<Guarded<B::Session>>()) };
        // SAFETY: the handle is null or a live session of this table, in no other call, and not `other`.
        let session = unsafe { session_of::<B>(session) }?;
        let other = other.into_session()?;
        session.run(|session| session.absorb(other))
    };
    // SAFETY: `error` is null or writable.
    unsafe { guard(error, work) }
}

pub(super) unsafe extern "C" fn save<B: Evaluator>(
    session: Handle,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live session of this table, in no other call.
        let session = unsafe { session_of::<B>(session) }?;
        session.run(|session| session.save())
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn restore<B: Evaluator>(
    session: Handle,
    state: View<u8>,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the handle is null or a live session of this table, in no other call.
        let session = unsafe { session_of::<B>(session) }?;
        // SAFETY: the view is readable during this call.
        let state = unsafe { slice(state, "state") }?;
        session.run(|session| session.restore(state))
    };
    // SAFETY: `error` is null or writable.
    unsafe { guard(error, work) }
}

pub(super) unsafe extern "C" fn gated<B: Evaluator>(
    session: Handle,
    pads: View<u64>,
    samples: *mut Buffer,
    sums: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        if samples.is_null() || sums.is_null() {
            return Err(null_argument("out"));
        }
        // SAFETY: the handle is null or a live session of this table, in no other call.
        let session = unsafe { session_of::<B>(session) }?;
        // SAFETY: the view is readable during this call.
        let pads = unsafe { slice(pads, "pads") }?;
        let gated = session.run(|session| session.gated(pads))?;
        // SAFETY: both are not null (checked above) and writable.
        unsafe {
            samples.write(buffer(gated.samples));
            sums.write(buffer(gated.sums));
        }
        Ok(())
    };
    // SAFETY: `error` is null or writable.
    unsafe { guard(error, work) }
}

pub(super) unsafe extern "C" fn pass<B: Evaluator>(
    plan: View<u8>,
    evaluation_key: View<u8>,
    bridge: View<u8>,
    samples: View<u8>,
    sums: View<u8>,
    pads: View<u64>,
    out: *mut Buffer,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        // SAFETY: the views are readable during this call.
        let (plan, keys, gated, pads) = unsafe {
            let (evaluation, bridge) =
                (slice(evaluation_key, "evaluation key")?, slice(bridge, "bridge key")?);
            let (samples, sums) = (slice(samples, "samples")?.to_vec(), slice(sums, "sums")?.to_vec());
            let keys = GateKeys { evaluation, bridge };
            (checked_plan(plan)?, keys, Gated { samples, sums }, slice(pads, "pads")?)
        };
        B::pass(&plan, keys, &gated, pads)
    };
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

/// # Safety
/// The handle is null or a live session of `B`, and in no other call.
unsafe fn session_of<'a, B: Evaluator>(session: Handle) -> Result<&'a mut Guarded<B::Session>, BackendError> {
    // SAFETY: null, or made by `hand_out` for this type and not freed.
    unsafe { session.cast::<Guarded<B::Session>>().as_mut() }.ok_or_else(null_handle)
}
