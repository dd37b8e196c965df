//! The functions of a library's table. The rules at the head of `export` hold for each.
#![expect(unsafe_code, reason = "pointers cross the C ABI here; see the rules at the head of `export`")]

use super::{answer, guard, json, null_argument, slice};
use crate::abi::{Buffer, Scalar, View};
use crate::backend::{BackendError, Fault};
use crate::function::{Answer, Arguments, Kind, Library, Signature};

pub(super) unsafe extern "C" fn describe<L: Library>(out: *mut Buffer, error: *mut Buffer) -> i32 {
    let work = description::<L>;
    // SAFETY: the out-parameters are as the module's rules say.
    unsafe { answer(out, error, work) }
}

pub(super) unsafe extern "C" fn call<L: Library>(
    function: u32,
    arguments: View<Scalar>,
    out: *mut Scalar,
    error: *mut Buffer,
) -> i32 {
    let work = || {
        if out.is_null() {
            return Err(null_argument("out"));
        }
        // SAFETY: the view is readable during this call.
        let values = unsafe { slice(arguments, "arguments") }?;
        let value = compute::<L>(function, values)?;
        // SAFETY: not null, and writable then by the module's rules.
        unsafe { out.write(value) };
        Ok(())
    };
    // SAFETY: `error` is null or writable.
    unsafe { guard(error, work) }
}

/// What a library has, as data.
pub(crate) fn description<L: Library>() -> Result<Vec<u8>, BackendError> {
    json(&L::FUNCTIONS.iter().map(Signature::from).collect::<Vec<_>>())
}

/// The value of the function at a place of the library.
pub(crate) fn compute<L: Library>(function: u32, values: &[Scalar]) -> Result<Scalar, BackendError> {
    let function = usize::try_from(function).ok().and_then(|at| L::FUNCTIONS.get(at));
    let function = function.ok_or_else(|| {
        BackendError::new(Fault::Internal, "the host asked for a function that is not there")
    })?;
    let arguments = Arguments::of(function, values)?;
    let answer = (function.compute)(&arguments)
        .map_err(|refusal| BackendError::new(Fault::Input, refusal.to_string()))?;
    let scalar = match (answer, function.gives) {
        (Answer::Flag(value), Kind::Flag) => {
            Some(Scalar { value: i64::from(value), decimals: 0, kind: Scalar::FLAG })
        }
        (Answer::Number(number), Kind::Number { .. }) => {
            Some(Scalar { value: number.value, decimals: number.decimals, kind: Scalar::NUMBER })
        }
        (Answer::Level(word), Kind::Levels(levels)) => {
            let at = levels.iter().position(|level| *level == word).and_then(|at| i64::try_from(at).ok());
            at.map(|value| Scalar { value, decimals: 0, kind: Scalar::LEVEL })
        }
        (Answer::Flag(_) | Answer::Number(_) | Answer::Level(_), _) => None,
    };
    let wrong = || format!("`{}` gives {answer:?}, which it does not declare", function.name);
    scalar.ok_or_else(|| BackendError::new(Fault::Internal, wrong()))
}
