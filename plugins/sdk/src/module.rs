//! A library of functions as a module of WebAssembly: what `export_functions!` exports where a crate is compiled for `wasm32`.
//! `docs/plugins/functions.md` has the contract. The host writes arguments into the room that it asked for, between two calls.

use std::cell::RefCell;

use crate::abi::{OK, Scalar};
use crate::export::{compute, description};
use crate::function::Library;

/// Most arguments that room is made for.
const MAX_ARGUMENTS: u32 = 64;

/// What stands in the module's memory for the host.
struct Shared {
    /// Arguments, and behind them the answer.
    room: Vec<Scalar>,
    /// The last description, or the reason of the last failure.
    text: Vec<u8>,
}

thread_local! {
    /// A module has one thread.
    static SHARED: RefCell<Shared> = const { RefCell::new(Shared { room: Vec::new(), text: Vec::new() }) };
}

/// Makes room for so many arguments and an answer; where it is. It stays until room is asked for again.
#[must_use]
pub fn room(count: u32) -> u32 {
    let count = usize::try_from(count.min(MAX_ARGUMENTS)).unwrap_or(0);
    SHARED.with_borrow_mut(|shared| {
        shared.room = vec![Scalar { value: 0, decimals: 0, kind: Scalar::NUMBER }; count + 1];
        place(shared.room.as_ptr())
    })
}

/// The place and length of the library's description: `place << 32 | length`.
#[must_use]
pub fn describe<L: Library>() -> u64 {
    SHARED.with_borrow_mut(|shared| {
        shared.text = description::<L>().unwrap_or_default();
        text(&shared.text)
    })
}

/// Calls a function with the first `count` values of the room; its value is the last there. Gives 0, or whose fault it is.
#[must_use]
pub fn call<L: Library>(function: u32, count: u32) -> i32 {
    SHARED.with_borrow_mut(|shared| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let values = shared.room.get(..count).unwrap_or_default();
        match (compute::<L>(function, values), shared.room.last_mut()) {
            (Ok(value), Some(answer)) => {
                *answer = value;
                OK
            }
            (Ok(_), None) => i32::MAX,
            (Err(error), _) => {
                shared.text = error.message.into_bytes();
                error.fault.status()
            }
        }
    })
}

/// The place and length of why the last call failed.
#[must_use]
pub fn reason() -> u64 {
    SHARED.with_borrow(|shared| text(&shared.text))
}

fn text(bytes: &[u8]) -> u64 {
    u64::from(place(bytes.as_ptr())) << 32 | u64::from(u32::try_from(bytes.len()).unwrap_or(0))
}

/// An address of a module has 32 bits.
fn place<T>(pointer: *const T) -> u32 {
    u32::try_from(pointer.expose_provenance()).unwrap_or(0)
}
