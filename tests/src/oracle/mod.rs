//! Queries P01 to P15 with an independent oracle's answers: where in a result each number of the oracle
//! stands, and whether it does. The tables lie beside the checkout.

mod cases;
mod result;

pub use cases::{CASES, Case, Place};
pub use result::{Answer, Comparison, answer, answer_together, answer_under, compare, synthetic};

/// Longest program of a case, in lines.
pub const MOST_LINES: usize = 25;
