//! A plan of bootstraps: its parameters, what a row takes, and how sure its numbers are.

use std::fmt::Write as _;

use hq_plugin_sdk::plan::{NodeId, Op, Plan};
use hq_plugin_sdk::rotations::{Rotation, Use};
use hq_plugin_sdk::text::annotated;
use hq_plugin_sdk::tfhe::TfheParameters;

use super::{Request, section};
use crate::bootstraps::{BootstrapCertificate, rotations};

pub(super) fn describe(
    out: &mut String,
    request: &Request<'_>,
    parameters: &TfheParameters,
    certificate: &BootstrapCertificate,
) {
    let planned = &request.compiled.planned;
    let plan = &planned.plan;
    section(out, "Parameters");
    let _ = writeln!(
        out,
        "Backend `{}`: values are looked up in tables of at most {} entries; sums are known modulo 2^{}.\n\
         small key of {} bits, ring key of degree {}, rotations of {} and {} levels; security {} bits\n\
         {} rows in a block",
        request.backend.name,
        parameters.entries(),
        parameters.sum_bits,
        parameters.lwe_dimension,
        parameters.polynomial_size,
        parameters.bootstrap.levels,
        parameters.sum_bootstrap.levels,
        parameters.security_bits,
        parameters.rows_per_block,
    );
    let (digits, shares) = certificate.bootstraps;
    section(out, "Bootstraps");
    let _ = writeln!(
        out,
        "{} in a row: {digits} for the next table, {shares} for sums; none to add up.",
        digits + shares
    );
    let rotations = rotations(plan, parameters).unwrap_or_default().rotations;
    for (rotation, failure) in rotations.iter().zip(&certificate.rotations_log2) {
        let _ = writeln!(
            out,
            "  by {:<5} {:>2} values, {:>2} table{} {} wrong with 2^{failure:.0}",
            rotation.arg.to_string(),
            rotation.range.size(),
            rotation.lookups.len(),
            if rotation.lookups.len() == 1 { " " } else { "s" },
            match rotation.role {
                Use::Digit => "to go on, ",
                Use::Share => "to be summed,",
            },
        );
    }
    section(out, "Release");
    let worst = certificate.sums_log2.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let pieces = parameters.pieces().len();
    let _ = writeln!(
        out,
        "{} sums, each in {pieces} piece{} that are looked up once more modulo 2^128, which leaves them hardly any noise.\n\
         a fresh encryption of zero and noise uniform in [-2^{f}, 2^{f}) of 2^128; opened wrongly with 2^{worst:.0} at most\n\
         statistical distance 2^{} per number; any number of the whole table wrong: 2^{:.0}",
        plan.sums.len(),
        if pieces == 1 { "" } else { "s" },
        certificate.release_distance_log2,
        certificate.failure_log2,
        f = parameters.flood_bits(),
    );
    section(out, "Price");
    let _ = writeln!(
        out,
        "about {:.0} CPU seconds for {} rows, {:.0} ms a row, by the backend's own figures",
        planned.cost_ns / 1e9,
        plan.rows,
        planned.cost_ns / 1e6 / float(plan.rows.max(1)),
    );
    section(out, "Plan: of each value what it is");
    out.push_str(&annotated(plan, |node| note(plan, &rotations, node)));
}

/// Which bootstrap gives a node.
fn note(plan: &Plan, rotations: &[Rotation], node: NodeId) -> String {
    if !matches!(plan.op(node), Some(Op::Lookup { .. })) {
        return String::new();
    }
    let own = rotations.iter().enumerate().filter(|(_, rotation)| rotation.lookups.contains(&node));
    let own: Vec<String> = own
        .map(|(index, rotation)| match rotation.role {
            Use::Digit => format!("bootstrap {}", index + 1),
            Use::Share => format!("bootstrap {}, summed", index + 1),
        })
        .collect();
    own.join("; ")
}

#[expect(clippy::cast_precision_loss, reason = "a figure for the eye")]
fn float(value: u64) -> f64 {
    value as f64
}
