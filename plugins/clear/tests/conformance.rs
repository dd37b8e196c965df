//! The conformance suite, linked and through the shared library.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hq_plugin_clear::Clear;
use hq_plugin_sdk::conformance::{Options, run, run_loaded};
use hq_plugin_sdk::host::{default_dirs, find};

#[test]
fn linked() {
    run::<Clear>(&Options { noise_bounds: Some(&|_| Vec::new()), ..Options::default() })
        .map_err(|failures| failures.to_string())
        .unwrap();
}

#[test]
fn loaded() {
    let path = find("clear", &default_dirs()).unwrap();
    run_loaded(&path, &Options::default()).map_err(|failures| failures.to_string()).unwrap();
}
