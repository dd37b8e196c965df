//! Parameters, and what happens on each level: operations, noise, and how much room is left.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::plan::{Op, Origin};

use super::{Subject, section};
use crate::certificate::{blocks, model};
use crate::noise::{NoiseParameters, ceil};

pub(super) fn parameters(out: &mut String, subject: &Subject<'_>, backend: &Capabilities) {
    let Subject { rns, certificate, .. } = subject;
    section(out, "Parameters");
    let source = backend.leveled.as_ref().map_or("", |leveled| leveled.security_source.as_str());
    let (log2_qp, limit) = certificate.log2_qp;
    let _ = writeln!(
        out,
        "backend {} {}   N = {} slots   t = {}   key switching: digits of {} prime(s), {} special prime(s)\n\
         log2(QP) = {log2_qp:.1} <= {limit} for {}-bit security ({source})",
        backend.name,
        backend.version,
        rns.ring_degree,
        rns.plaintext_modulus,
        rns.digit_limbs,
        rns.special_moduli.len(),
        rns.security_bits
    );
}

pub(super) fn levels(out: &mut String, subject: &Subject<'_>) {
    let Subject { plan, rns, leveled, certificate, .. } = *subject;
    section(out, "Levels (noise bounds in bits, canonical norm)");
    let blocks = u32::try_from(blocks(plan.rows, rns.ring_degree)).map_or(f64::MAX, f64::from);
    let noise = model(NoiseParameters::of(rns, leveled), plan, blocks);
    let secret = plan.inputs.iter().any(|input| input.origin == Origin::Parameter);
    let parameter = if secret {
        format!("   secret parameter {:.1}", noise.fresh_parameter().log2())
    } else {
        String::new()
    };
    let _ = writeln!(
        out,
        "fresh {:.1}{parameter}   rounding of a switch {:.1}   D = {:.2} standard deviations   |s| <= 2^{:.1}",
        noise.fresh().log2(),
        noise.rounding(2).log2(),
        certificate.tail,
        noise.parameters().secret.log2()
    );
    let _ = writeln!(
        out,
        "{:>5} {:>7} {:>7} {:>8} {:>6} {:>6} {:>6} {:>7} {:>7} {:>9} {:>7}",
        "level",
        "prime",
        "log2 Q",
        "key sw.",
        "input",
        "linear",
        "mul",
        "relin.",
        "switch",
        "max bound",
        "margin"
    );
    for level in (0..rns.moduli.len()).rev() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (node, op) in plan.iter() {
            if subject.level(node) == level {
                *counts.entry(kind_name(op)).or_default() += 1;
            }
        }
        let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
        let most = subject.most(level, &certificate.node_bits);
        let log2_q = rns.log2_q(level);
        let below = if level == 0 { 0.0 } else { rns.log2_q(level - 1) };
        let bound =
            if most.is_finite() { format!("{most:9.1} {:7.1}", log2_q - 1.0 - most) } else { String::new() };
        let _ = writeln!(
            out,
            "{:>5} {:>7.1} {:>7.1} {:>8.1} {:>6} {:>6} {:>6} {:>7} {:>7} {bound}",
            format!("@{level}"),
            log2_q - below,
            log2_q,
            noise.key_switch(level, 3).log2(),
            count("input"),
            count("linear"),
            count("mul"),
            count("relinearize"),
            count("mod_switch"),
        );
    }
}

/// Columns of the chart.
const CHART: f64 = 56.0;

/// The noise of each level as a bar in the modulus: standard deviation, certified bound, room.
pub(super) fn chart(out: &mut String, subject: &Subject<'_>) {
    section(out, "Room: bits of the modulus that values use, at most");
    let rns = subject.rns;
    let whole = rns.log2_q(rns.moduli.len());
    let columns = |bits: f64| usize::try_from(ceil(bits.max(0.0) / whole * CHART, 0..=1000)).unwrap_or(0);
    let measured = subject.measured.map(|measured| &measured.node_max_bits);
    for level in (0..rns.moduli.len()).rev() {
        let bound = subject.most(level, &subject.certificate.node_bits);
        if !bound.is_finite() {
            continue;
        }
        let predicted = subject.most(level, &subject.predicted.node_bits);
        let (inner, outer, end) = (columns(predicted), columns(bound), columns(rns.log2_q(level)));
        let bar =
            ["█".repeat(inner), "▒".repeat(outer - inner), "·".repeat(end.saturating_sub(outer))].concat();
        let seen = measured.map_or_else(String::new, |measured| {
            format!(", measured maximum {:.1}", subject.most(level, measured))
        });
        let _ = writeln!(
            out,
            "{:>5} {bar}| deviation {predicted:.1}{seen}, bound {bound:.1} of {:.1}",
            format!("@{level}"),
            rns.log2_q(level)
        );
    }
    out.push_str("      █ standard deviation (predicted)   ▒ certified bound   · room\n");
}

fn kind_name(op: &Op) -> &'static str {
    match op {
        Op::Input { .. } => "input",
        Op::Linear(_) => "linear",
        Op::Mul { .. } => "mul",
        Op::Relinearize { .. } => "relinearize",
        Op::ModSwitch { .. } => "mod_switch",
        Op::Drop { .. } => "drop",
        Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => "compare",
    }
}
