//! `hq plan-data`: the forms of a dataset's columns that a workload of queries costs least in.

use std::path::Path;

use comfy_table::{Cell, CellAlignment};
use hq_dsl::{Query, with_commas};
use hq_engine::encoding::Encoding;
use hq_engine::forms::Forms;
use hq_engine::plan_data::{Choice, Comparison, Estimate, Workload, choose, comparison};
use hq_engine::run::Progress;
use hq_plugin_sdk::parameters::RnsRequest;

use crate::backend::load_evaluator_for;
use crate::checkpoint::write_whole;
use crate::cli::PlanDataArgs;
use crate::error::Result;
use crate::forms::{self, shown};
use crate::output::{self, Bar};
use crate::program::read_schema;
use crate::report::{empty_table, trimmed};
use crate::workload;

/// Most plans that are made in search of forms.
const MAX_PLANS: usize = 2_000;

/// Chooses forms, shows what they cost, and writes them.
pub(crate) fn plan_data(args: &PlanDataArgs) -> Result<()> {
    let (dataset, schema) = read_schema(&args.dataset)?;
    let evaluator = load_evaluator_for(&args.backend, [&dataset])?;
    let of_schema = (args.dataset.as_path(), &dataset, schema.as_str());
    let programs = workload::programs(&args.workload, &args.schema, of_schema)?;
    let queries: Vec<&Query> = programs.iter().flat_map(|program| &program.queries).collect();
    let resolve = |request: &RnsRequest| evaluator.resolve(request);
    let workload = Workload {
        queries: &queries,
        capabilities: evaluator.capabilities(),
        resolve: &resolve,
        security_bits: args.security,
        max_plans: MAX_PLANS,
    };
    let budget = args.max_bytes_per_row.unwrap_or(Forms::of(&dataset).max_bytes_per_row);
    let mut bar = Bar::of("choosing", "plans");
    let choice = choose(&dataset, budget, &workload, &mut |done, most| {
        bar.set(Progress { done: done as u64, blocks: most as u64 });
    });
    drop(bar);
    let place = args.output.clone().unwrap_or_else(|| args.dataset.with_extension("forms.json"));
    write_whole(&place, &forms::text(&choice.forms)?)?;
    output::out(&columns(&choice));
    output::out(&summary(&choice, &queries, &place));
    Ok(())
}

/// A line per column.
fn columns(choice: &Choice) -> String {
    let mut table = empty_table();
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let head = ["parts", "bytes a row", "products", "depth"].map(|name| right(name.to_owned()));
    table.set_header([Cell::new("column"), Cell::new("forms")].into_iter().chain(head));
    for (name, encoding) in &choice.forms.columns {
        let parts = encoding.parts(name).len();
        let (products, depth) = match comparison(name, encoding) {
            Some(Comparison { products, depth }) => (products.to_string(), depth.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let held = encoding.forms.iter().map(shown).collect::<Vec<_>>().join(", ");
        let numbers = [parts.to_string(), bytes(parts, &choice.estimate), products, depth].map(right);
        table.add_row([Cell::new(name), Cell::new(held + known(encoding))].into_iter().chain(numbers));
    }
    trimmed(&table) + "products and depth: of a comparison in the middle of the values\n"
}

/// Whether a part says that a cell is there.
fn known(encoding: &Encoding) -> &'static str {
    if encoding.has_known() { ", known" } else { "" }
}

/// Bytes of a row's share of so many ciphertexts; a dash where no plan says how long they are.
fn bytes(parts: usize, estimate: &Estimate) -> String {
    if estimate.log2_q == 0.0 {
        return "-".to_owned();
    }
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    format!("{:.0}", f64::from(parts) * estimate.log2_q / 8.0)
}

/// Room and time, in all and for each query, beside those of bits and of the schema's forms.
fn summary(choice: &Choice, queries: &[&Query], place: &Path) -> String {
    let (default, of_default) = &choice.default;
    let sets = [
        (choice.forms.parts(), &choice.estimate),
        (choice.bits.0.parts(), &choice.bits.1),
        (default.parts(), of_default),
    ];
    let mut table = empty_table();
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let head = ["chosen", "bits", "default"].map(|name| right(name.to_owned()));
    table.set_header([Cell::new("")].into_iter().chain(head));
    let mut line = |name: &str, cells: [String; 3]| {
        table.add_row([Cell::new(name)].into_iter().chain(cells.map(right)));
    };
    line("parts of a row", sets.map(|(parts, _)| parts.to_string()));
    if !queries.is_empty() {
        line("bytes a row", sets.map(|(parts, estimate)| bytes(parts, estimate)));
        for (index, query) in queries.iter().enumerate() {
            let seconds = |estimate: &Estimate| seconds(estimate.nanoseconds.get(index).copied().flatten());
            line(&query.name, sets.map(|(_, estimate)| seconds(estimate)));
        }
        line("in all", sets.map(|(_, estimate)| seconds(estimate.total())));
    }
    let most = with_commas(choice.forms.max_bytes_per_row.into());
    let what =
        if queries.is_empty() { "" } else { "queries: CPU seconds for a million rows, as estimated\n" };
    format!("\n{}{what}{}: for at most {most} bytes a row\n", trimmed(&table), place.display())
}

fn seconds(nanoseconds: Option<f64>) -> String {
    nanoseconds.map_or_else(|| "no plan".to_owned(), |cost| format!("{:.2}", cost / 1e9))
}
