//! What tests of the whole way share: random circuits over random tables, and where the shared data lies.

pub mod random;

use std::path::PathBuf;

/// The folder of real tables and oracle answers, if it lies beside the checkout.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    folder.is_dir().then_some(folder)
}
