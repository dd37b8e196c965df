//! What a plugin of hq is written against: the plan and its text form, the description of a backend as
//! data, the framed file format, the C ABI behind safe traits, and a conformance suite.

pub mod abi;
pub mod backend;
pub mod capabilities;
pub mod cells;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod export;
#[cfg(feature = "host")]
pub mod find;
pub mod frame;
pub mod function;
pub mod gate;
#[cfg(feature = "host")]
pub mod host;
pub mod interpret;
#[cfg(feature = "host")]
mod load_error;
pub mod module;
pub mod parameters;
pub mod payload;
pub mod plan;
pub mod range;
pub mod rotations;
pub mod table;
pub mod text;
pub mod tfhe;
pub mod verify;
