//! Compiled code is freed with its session. A file of its own: other tests would disturb the measurement.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::{Custody, Evaluator};
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;

/// Pages in memory, on Linux; elsewhere nothing is measured.
fn resident_pages() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

#[test]
fn compiled_code_is_freed_with_its_session() {
    let plan =
        Plan::parse("hq-plan 1\nrows 9\ninput a 0..9\n%0 = input a\n%1 = mul %0 %0\nsum %1 0..81\n").unwrap();
    let pair = Clear::keygen(&Parameters::Clear { rows_per_block: 4 }, None).unwrap();
    let open = || drop(Clear::open(&plan, &pair.evaluation).unwrap());
    (0..100).for_each(|_| open());
    let before = resident_pages();
    (0..2000).for_each(|_| open());
    let grown = resident_pages().saturating_sub(before);
    // Each session has a page of code at least.
    assert!(grown < 500, "2000 sessions leave {grown} pages");
}
