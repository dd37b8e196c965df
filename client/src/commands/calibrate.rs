//! `hq calibrate`: what a backend's kernels cost on this machine.

use std::fmt::Write as _;

use crate::backend::Backend;
use crate::calibrate::{Calibration, calibrate as measure, path, save};
use crate::cli::CalibrateArgs;
use crate::error::{ClientError, Result};
use crate::output;

/// Measures, and keeps what was found.
pub(crate) fn calibrate(args: &CalibrateArgs) -> Result<()> {
    let backend = Backend::load(&args.backend)?;
    let path = args.output.clone().or_else(|| path(&args.backend)).ok_or(ClientError::NoConfiguration)?;
    let fitted = measure(&backend, &mut |words| output::note(&format!("measuring at {words}")))?;
    let calibration = Calibration::new(backend.evaluator.capabilities(), fitted.costs);
    save(&calibration, &path)?;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:>6} {:>6} {:>10} {:>12} {:>11} {:>8} {:>7} {:>8}   ns for each slot and limb",
        "N", "load", "transform", "key product", "conversion", "product", "linear", "release"
    );
    for costs in &calibration.costs {
        let _ = writeln!(
            out,
            "{:>6} {:>6.2} {:>10.2} {:>12.2} {:>11.2} {:>8.2} {:>7.2} {:>8.1}",
            costs.ring_degree,
            costs.load,
            costs.transform,
            costs.key_product,
            costs.conversion,
            costs.product,
            costs.linear_term,
            costs.release
        );
    }
    let _ = writeln!(
        out,
        "{} times of plans, explained to {:.0} %; on {}, {}\n{}",
        fitted.timings,
        100.0 * fitted.deviation,
        calibration.processor,
        calibration.date,
        path.display()
    );
    output::out(&out);
    Ok(())
}
