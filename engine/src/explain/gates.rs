//! What is decided on while it is encrypted, and what that takes.

use std::fmt::Write as _;

use super::{Subject, section};
use crate::gates::GatesCertificate;

pub(super) fn gates(out: &mut String, subject: &Subject<'_>, certificate: &GatesCertificate) {
    let Some(gates) = &subject.plan.gates else { return };
    let Some(placed) = &gates.placed else { return };
    section(out, "Gates");
    let (cells, numbers) = (gates.cells.len(), subject.plan.padded().len());
    let _ = writeln!(
        out,
        "{cells} counts let {numbers} numbers out; where one is from 1 to {}, nobody can open what is behind it.\n\
         decided by bootstraps on at most {} digits in base {}: {} in all, and {cells} modulo 2^128\n\
         wrong decision or number <= 2^{:.0} over all; what passes shows its computation up to 2^{:.0}\n\
         CPU s, estimated: {:.1} for the cells, {:.2} each; {:.1} once for the keys",
        gates.least.saturating_sub(1),
        certificate.digits,
        placed.base,
        certificate.bootstraps,
        certificate.failure_log2,
        certificate.distance_log2,
        certificate.cells_ns / 1e9,
        certificate.cells_ns / 1e9 / f64::from(u32::try_from(cells.max(1)).unwrap_or(u32::MAX)),
        (certificate.cost_ns - certificate.cells_ns) / 1e9,
    );
}
