//! Dead code: keeps only what the sums need, merges what became equal, folds what became constant.

use hq_plugin_sdk::plan::Plan;

use crate::algebra::{Algebra, Result, rebuild};

/// Rebuilds the plan through the identities of [`Algebra`].
///
/// # Errors
/// A value leaves 62 bits.
pub fn prune(plan: &Plan) -> Result<Plan> {
    rebuild(plan, |algebra: &mut Algebra, _, op| algebra.apply(op))
}
