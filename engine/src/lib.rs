//! From a checked query to a certified plan, and the run of a plan on a backend.

pub mod algebra;
pub mod certificate;
pub mod encoding;
pub mod lower;
pub mod noise;
pub mod passes;
