//! What a query is, before anything is encrypted: its stages, what is decrypted, and its circuit pass by pass.

use std::fmt::Write as _;

use hq_dsl::Query;
use hq_plugin_sdk::capabilities::OpKind;
use hq_plugin_sdk::plan::Plan;

use super::{Asked, section};
use crate::compile::CompiledQueries;
use crate::joint::{Needs, Sharing};
use crate::lower::groups;
use crate::passes::Depths;
use crate::sizes::{aggregates_per_group, sizes};

pub(super) fn stages(out: &mut String, query: &Query) {
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

/// `sums` are those of the plan that the query needs.
pub(super) fn decrypted(out: &mut String, query: &Query, (sums, rows): (usize, u64)) {
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
        "{groups} group(s){by} x {per_group} = {numbers} numbers, as {sums} distinct sums over at most {rows} rows"
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

/// What queries have in common.
pub(super) fn shared(out: &mut String, asked: &[Asked<'_>], sharing: &Sharing) {
    section(out, "Together, in one plan");
    let _ = writeln!(out, "{:<24} {:>9} {:>7}", "query", "products", "sums");
    let mut line = |name: &str, needs: Needs| {
        let _ = writeln!(out, "{name:<24} {:>9} {:>7}", needs.products, needs.sums);
    };
    for (Asked { query, .. }, needs) in asked.iter().zip(&sharing.each) {
        line(&query.name, *needs);
    }
    line("needed by several", sharing.shared);
    line("in the plan", sharing.all);
}

pub(super) fn circuit(out: &mut String, compiled: &CompiledQueries) {
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
