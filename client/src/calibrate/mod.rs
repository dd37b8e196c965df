//! What the kernels of a backend cost on this machine.
//!
//! Small plans are run through the backend's public interface with keys that are thrown away, their CPU time is
//! compared with how often each kernel runs in them, and the costs that fit best are kept (`solve`). They are used
//! for what is told and never for planning: a plan must be the same on every machine, since `open` compares digests.
//!
//! | concept | file |
//! |---|---|
//! | the plans | `workload` |
//! | running them | `measure` |
//! | from times to costs | `solve` |
//! | the file they are kept in | `file` |

mod file;
mod measure;
mod solve;
mod workload;

pub(crate) use file::{Calibration, load, path, save};

use hq_engine::explain::price;
use hq_plugin_sdk::capabilities::{KernelCosts, Leveled};
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::verify::Shape;

use crate::backend::Backend;
use crate::error::{ClientError, Result};
use measure::Timed;

/// Ring degrees that are measured; the planner's count of kernels takes the nearest.
const DEGREES: [u32; 2] = [1 << 13, 1 << 14];

/// A kernel's cost.
type Kernel = fn(&mut KernelCosts) -> &mut f64;

/// The kernels that are measured, in the order of [`solve::fit`]'s unknowns.
const KERNELS: [Kernel; 8] = [
    |costs| &mut costs.load,
    |costs| &mut costs.transform,
    |costs| &mut costs.key_product,
    |costs| &mut costs.conversion,
    |costs| &mut costs.product,
    |costs| &mut costs.linear_term,
    |costs| &mut costs.release,
    |costs| &mut costs.setup,
];

/// Costs with how well they fit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitted {
    /// By ring degree.
    pub(crate) costs: Vec<KernelCosts>,
    /// Plans that were timed.
    pub(crate) timings: usize,
    /// Standard deviation of measured over fitted times, minus 1.
    pub(crate) deviation: f64,
}

/// Measures a backend. `progress` is called with a few words before each step.
pub(crate) fn calibrate(backend: &Backend, progress: &mut dyn FnMut(&str)) -> Result<Fitted> {
    let capabilities = backend.evaluator.capabilities();
    let leveled = capabilities
        .leveled
        .as_ref()
        .ok_or_else(|| ClientError::NothingToCalibrate { backend: backend.name.clone() })?;
    let (mut costs, mut squares, mut timings) = (Vec::new(), 0.0, 0_u32);
    for degree in DEGREES {
        progress(&format!("N = {degree}"));
        let Some(own) = nearest(leveled, degree) else { continue };
        let mut rows = Vec::new();
        for Timed { plan, shapes, rns, open_ns, block_ns, finish_ns } in measure::all(backend, degree)? {
            let mut blocks = plan.clone();
            blocks.sums.clear();
            let of_block = counts(&blocks, &shapes, &rns, leveled);
            let whole = counts(&plan, &shapes, &rns, leveled);
            let once: Vec<f64> = whole.iter().zip(&of_block).map(|(whole, block)| whole - block).collect();
            rows.push((of_block, block_ns));
            // What a session takes once, as far as the planner's count knows of its opening.
            let opening = once.last().is_some_and(|&setup| setup > 0.0);
            rows.push((once, finish_ns + if opening { open_ns } else { 0.0 }));
        }
        let mut fitted = own;
        fitted.ring_degree = degree;
        let prior: Vec<f64> = KERNELS.iter().map(|kernel| *kernel(&mut fitted)).collect();
        let fit = solve::fit(&rows, &prior);
        for (kernel, cost) in KERNELS.iter().zip(&fit.costs) {
            *kernel(&mut fitted) = *cost;
        }
        costs.push(fitted);
        squares += fit.squares;
        timings += fit.rows;
    }
    let deviation = (squares / f64::from(timings.max(1))).sqrt();
    Ok(Fitted { costs, timings: usize::try_from(timings).unwrap_or(0), deviation })
}

fn nearest(leveled: &Leveled, degree: u32) -> Option<KernelCosts> {
    leveled.costs.iter().min_by_key(|costs| costs.ring_degree.abs_diff(degree)).copied()
}

/// How often each kernel runs in a plan, per slot: its price where the kernel costs 1 and all others nothing.
fn counts(plan: &Plan, shapes: &[Shape], rns: &RnsParameters, leveled: &Leveled) -> Vec<f64> {
    let count = |kernel: &Kernel| {
        let mut unit = KernelCosts::nothing(rns.ring_degree);
        *kernel(&mut unit) = 1.0;
        price::nanoseconds(plan, shapes, rns, leveled, vec![unit])
    };
    KERNELS.iter().map(count).collect()
}
