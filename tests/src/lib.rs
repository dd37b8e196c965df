//! What tests of the whole way share: random circuits over random tables, where the shared data lies, and the
//! oracle's answers to questions over it.

pub mod oracle;
pub mod random;

use std::path::PathBuf;

/// The folder of real tables and oracle answers, if it lies beside the checkout.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    folder.is_dir().then_some(folder)
}
