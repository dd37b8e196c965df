//! Functions that plugins supply, between the language and the plugins.
//!
//! | concept | file |
//! |---|---|
//! | domains of a declaration against those of a plugin's function, codes against what crosses the ABI | `tabulate` |
//! | where plugins come from, and what a program used of them | `supply` |
//! | values that are kept in files | `store` |

mod store;
mod supply;
mod tabulate;

pub use store::subject;
pub use supply::{Digests, Functions, Supply, Values};
pub(crate) use tabulate::arguments;
pub use tabulate::tabulate;
