//! The passes, each a pure function from plan to plan, in the order in which they run. The plan is
//! verified after each, in release builds too.

mod balance;
mod comparator;
mod decide;
mod digits;
mod distribute;
mod encode;
mod encode_digits;
mod functions;
mod limbs;
mod number;
mod place;
mod presence;
mod prune;
mod steps;
mod tables;

pub use balance::{Depths, balance};
pub use distribute::distribute;
pub use encode::{Encodings, Values, encode};
pub use encode_digits::encode_digits;
pub use limbs::{limbs, span};
pub use place::{Cut, choices, place, stage_shapes};
pub use presence::presence;
pub use prune::prune;
pub use tables::{Shared, tables};
