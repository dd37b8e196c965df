//! Runs circuits in the clear: the dry run on a researcher's synthetic rows, and the oracle of every
//! differential test. Each plan becomes machine code, a loop over columnar rows.
//!
//! A plan goes through `steps` (bounded pieces of work), `compile` (Cranelift) and `call` (the one unsafe
//! call) into a `session`.

mod backend;
mod call;
mod compile;
mod format;
mod session;
mod state;
mod steps;

pub use backend::{Clear, ClearKey};
pub use session::ClearSession;

hq_plugin_sdk::export_backend!(Clear);
