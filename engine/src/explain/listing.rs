//! The plan as text: each value with its noise, and the plan after each pass.

use std::fmt::Write as _;

use hq_plugin_sdk::plan::NodeId;
use hq_plugin_sdk::text::annotated;

use super::{Subject, section};
use crate::compile::CompiledQueries;

/// Each value with its level and noise.
pub(super) fn values(out: &mut String, subject: &Subject<'_>) {
    let title = match subject.measured {
        None => "Plan: of each value its level, standard deviation (predicted), bound, of log2 Q",
        Some(_) => {
            "Plan: of each value its level, standard deviation (predicted, measured), maximum (measured), bound, of \
             log2 Q"
        }
    };
    section(out, title);
    out.push_str(&annotated(subject.plan, |node| note(node, subject)));
}

fn note(node: NodeId, subject: &Subject<'_>) -> String {
    let at = |bits: &[f64]| bits.get(node.index()).copied().unwrap_or(f64::NAN);
    let predicted = at(&subject.predicted.node_bits);
    let measured = subject.measured.map_or_else(String::new, |measured| {
        format!(" {:5.1} {:5.1}", at(&measured.node_stddev_bits), at(&measured.node_max_bits))
    });
    let level = subject.level(node);
    let (bound, whole) = (at(&subject.certificate.node_bits), subject.rns.log2_q(level));
    format!("@{level} {predicted:5.1}{measured} {bound:5.1} of {whole:5.1}")
}

pub(super) fn all_passes(out: &mut String, compiled: &CompiledQueries) {
    section(out, "Passes");
    let _ = writeln!(out, "== lower\n{}", compiled.circuit);
    let mut before = compiled.circuit.to_string();
    for (name, plan) in &compiled.planned.passes {
        let text = plan.to_string();
        if text == before {
            let _ = writeln!(out, "== {name}\nsame text as above\n");
        } else {
            let _ = writeln!(out, "== {name}\n{text}");
        }
        before = text;
    }
    let _ = writeln!(out, "== plan\n{}", compiled.planned.plan);
}
