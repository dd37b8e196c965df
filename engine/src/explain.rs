//! What will happen to a query, for its author and for whoever must check it: stages, what is decrypted,
//! circuit, levels, every bit of noise, and the price.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hq_dsl::Query;
use hq_plugin_sdk::capabilities::{Capabilities, Leveled, OpKind};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::{NodeId, Op, Origin, Plan};
use hq_plugin_sdk::text::annotated;
use hq_plugin_sdk::verify;

use crate::certificate::{Certificate, blocks, model};
use crate::compile::CompiledQuery;
use crate::lower::groups;
use crate::noise::NoiseParameters;
use crate::passes::Depths;
use crate::sizes::{aggregates_per_group, sizes};

/// Plans of at most this many nodes are printed in full.
const MAX_LISTED_NODES: usize = 120;

/// The explanation as text. With `passes`, the plan after each pass, in full.
#[must_use]
pub fn explain(query: &Query, compiled: &CompiledQuery, backend: &Capabilities, passes: bool) -> String {
    let mut out = String::new();
    stages(&mut out, query);
    decrypted(&mut out, query, &compiled.planned.plan);
    circuit(&mut out, compiled);
    let plan = &compiled.planned.plan;
    match (&plan.parameters, &backend.leveled, &compiled.planned.certificate) {
        (Some(Parameters::Rns(rns)), Some(leveled), Some(certificate)) => {
            parameters(&mut out, rns, certificate, backend);
            levels(&mut out, plan, rns, leveled, certificate);
            release(&mut out, plan, rns, certificate);
            cost(&mut out, compiled, rns);
            if plan.nodes().len() <= MAX_LISTED_NODES && !passes {
                section(&mut out, "Plan: level and noise bound in bits of each value");
                out.push_str(&annotated(plan, |node| note(node, certificate)));
            }
        }
        _ => {
            section(&mut out, "Plan");
            let _ =
                writeln!(out, "Backend `{}` computes on plain numbers: no noise, no levels.", backend.name);
        }
    }
    if passes {
        all_passes(&mut out, compiled);
    }
    out
}

fn section(out: &mut String, title: &str) {
    // Writing to a String cannot fail; so everywhere below.
    let _ = writeln!(out, "\n{title}\n{}", "-".repeat(title.chars().count()));
}

fn stages(out: &mut String, query: &Query) {
    let _ = writeln!(out, "{} \u{201c}{}\u{201d}", query.name, query.purpose);
    section(out, "Stages");
    let sizes = match sizes(query).len() {
        0 => String::new(),
        count => format!(" + {count} size(s), not shown"),
    };
    let _ = writeln!(
        out,
        "per row, encrypted    where, derive, by, and what stands inside count() and sum()\n\
         per group, opened     {} aggregates{sizes}\n\
         in the clear          {} results computed from them",
        query.aggregates.len(),
        query.report.len()
    );
}

fn decrypted(out: &mut String, query: &Query, plan: &Plan) {
    section(out, "What will be decrypted, and nothing else");
    let groups = groups(query).len();
    let numbers = groups * aggregates_per_group(query);
    let sizes = sizes(query);
    let per_group = match sizes.len() {
        0 => format!("{} aggregate(s)", query.aggregates.len()),
        count => format!("({} aggregate(s) + {count} size(s))", query.aggregates.len()),
    };
    let keys: Vec<String> =
        query.by.iter().map(|key| format!("{} ({})", key.name, key.labels.size())).collect();
    let by = if keys.is_empty() { String::new() } else { format!(" by {}", keys.join(" x ")) };
    let _ = writeln!(
        out,
        "{groups} group(s){by} x {per_group} = {numbers} numbers, as {} distinct sums over at most {} rows",
        plan.sums.len(),
        plan.rows
    );
    for aggregate in query.aggregates.iter().take(12) {
        let _ = writeln!(out, "  {}", aggregate.name);
    }
    if query.aggregates.len() > 12 {
        let _ = writeln!(out, "  … and {} more", query.aggregates.len() - 12);
    }
    match sizes.as_slice() {
        [] => {}
        [rows] => {
            let which = if rows.is_empty() { "its size" } else { "how many rows a sum is over" };
            let _ = writeln!(
                out,
                "One more number per group: {which}, for the small-cell rule; opened, not shown."
            );
        }
        _ => {
            let _ = writeln!(
                out,
                "{} more numbers per group: how many rows sums are over, for the small-cell rule; opened, not shown.",
                sizes.len()
            );
        }
    }
    let _ = writeln!(
        out,
        "The service learns the schema, the row bound, this program, sizes and timing. Cells below {} are \
         hidden when results are opened.",
        query.dataset.release.min_cell
    );
}

fn circuit(out: &mut String, compiled: &CompiledQuery) {
    section(out, "Circuit");
    let _ = writeln!(out, "{:<12} {:>7} {:>9} {:>7} {:>6}", "after", "nodes", "products", "sums", "depth");
    let mut depths_of = |name: &str, plan: &Plan| {
        let mut depths = Depths::default();
        let depth = plan.sums.iter().map(|sum| depths.of(plan, sum.node)).max().unwrap_or(0);
        let products = plan.nodes().iter().filter(|op| op.kind() == OpKind::Mul).count();
        let _ = writeln!(
            out,
            "{name:<12} {:>7} {products:>9} {:>7} {depth:>6}",
            plan.nodes().len(),
            plan.sums.len()
        );
    };
    depths_of("lower", &compiled.circuit);
    for (name, plan) in &compiled.planned.passes {
        depths_of(name, plan);
    }
}

fn parameters(out: &mut String, rns: &RnsParameters, certificate: &Certificate, backend: &Capabilities) {
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

fn levels(out: &mut String, plan: &Plan, rns: &RnsParameters, leveled: &Leveled, certificate: &Certificate) {
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
    let Ok(shapes) = verify::shapes(plan) else { return };
    for level in (0..rns.moduli.len()).rev() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut most = f64::NEG_INFINITY;
        for (node, op) in plan.iter() {
            if shapes.get(node.index()).map(|shape| usize::from(shape.level.0)) != Some(level) {
                continue;
            }
            *counts.entry(kind_name(op)).or_default() += 1;
            most = most.max(certificate.node_bits.get(node.index()).copied().unwrap_or(f64::INFINITY));
        }
        let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
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

fn kind_name(op: &Op) -> &'static str {
    match op {
        Op::Input { .. } => "input",
        Op::Linear(_) => "linear",
        Op::Mul { .. } => "mul",
        Op::Relinearize { .. } => "relinearize",
        Op::ModSwitch { .. } => "mod_switch",
        Op::Drop { .. } => "drop",
        Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } => "compare",
    }
}

fn release(out: &mut String, plan: &Plan, rns: &RnsParameters, certificate: &Certificate) {
    section(out, "Release");
    let Some(release) = plan.release else { return };
    let widest = certificate.sums.iter().max_by_key(|sum| sum.hi.saturating_sub(sum.lo));
    let noisiest = certificate.sums.iter().map(|sum| sum.bits).fold(f64::NEG_INFINITY, f64::max);
    let flooded = certificate.sums.iter().map(|sum| sum.flooded_bits).fold(f64::NEG_INFINITY, f64::max);
    let _ = writeln!(
        out,
        "Sums are relinearized once, switched to {} (log2 Q = {:.1}), and only their constant coefficient leaves.\n\
         noise there <= {noisiest:.1} bits; flooding uniform in t [-2^{f}, 2^{f}]; in all <= {flooded:.1} bits < {:.1}\n\
         statistical distance 2^{} per number; decryption failure <= 2^{:.0} over the whole plan",
        release.level,
        rns.log2_q(usize::from(release.level.0)),
        rns.log2_q(usize::from(release.level.0)) - 1.0,
        certificate.release_distance_log2,
        certificate.failure_log2,
        f = release.flood_bits,
    );
    if let Some(widest) = widest {
        let _ = writeln!(
            out,
            "widest sum {}..{}: fewer values than t = {}, so none wraps",
            widest.lo, widest.hi, rns.plaintext_modulus
        );
    }
}

fn cost(out: &mut String, compiled: &CompiledQuery, rns: &RnsParameters) {
    section(out, "Price");
    let plan = &compiled.planned.plan;
    let _ = writeln!(
        out,
        "{} blocks of {} rows at most, {} ciphertexts per block; estimated server CPU {:.2} s",
        blocks(plan.rows, rns.ring_degree),
        rns.ring_degree,
        plan.inputs.len(),
        compiled.planned.cost_ns / 1e9
    );
}

fn note(node: NodeId, certificate: &Certificate) -> String {
    match (certificate.node_levels.get(node.index()), certificate.node_bits.get(node.index())) {
        (Some(&level), Some(&bits)) => {
            let q = certificate.level_bits.get(usize::from(level)).copied().unwrap_or(0.0);
            format!("@{level} {bits:5.1} of {q:5.1}")
        }
        _ => String::new(),
    }
}

fn all_passes(out: &mut String, compiled: &CompiledQuery) {
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
