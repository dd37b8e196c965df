//! Bootstrapped TFHE: small values of one row at a time, tables of any kind over them, sums over all rows.
//!
//! The arithmetic of ciphertexts is that of tfhe-rs, by its core layer. What is here is the scheme of `hq_plugin_sdk::tfhe`:
//! digits, rotations that tables share, and shares that are only added up.
//!
//! | file | holds |
//! |---|---|
//! | `describe`, `params` | the backend as data; parameters, validated |
//! | `key`, `evaluation_key` | the custodian's key; what the service computes with |
//! | `ciphertext` | blocks of inputs |
//! | `tables` | tables as polynomials |
//! | `prepare`, `session`, `workspace` | a plan with its keys; a plan at work; a rotation |
//! | `squash`, `sums` | how sums lose the noise of their computation; how they leave and are opened |
//! | `bridge`, `gates` | sums of another scheme under our key; what is let out of them |
//! | `wire`, `error` | bytes from outside; what can go wrong |

mod backend;
pub mod bridge;
mod ciphertext;
mod describe;
mod error;
mod evaluation_key;
pub mod gates;
mod key;
mod params;
mod prepare;
mod random;
mod session;
mod squash;
mod sums;
mod tables;
#[cfg(test)]
mod tests;
mod wire;
mod workspace;

pub use backend::Tfhe;
pub use describe::{capabilities, test_parameters};
pub use key::SecretKey;
pub use session::Session;

hq_plugin_sdk::export_backend!(Tfhe);
