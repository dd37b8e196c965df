//! The form for reading: a title, tables, what is hidden, and what was promised of the run.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use hq_dsl::{Value, with_commas};

use super::Report;
use super::layout::{Sheet, lists, scalars};
use super::number::{decimals, show};

pub(super) fn render(report: &Report<'_>) -> String {
    let query = report.query;
    let mut text = query.name.clone();
    if !query.purpose.is_empty() {
        text += &format!(": {}", query.purpose);
    }
    text.push('\n');
    let groups = scalars(report);
    if !groups.header.is_empty() {
        text += &if query.by.is_empty() { column(&groups) } else { grid(&groups) };
    }
    for sheet in lists(report) {
        if !sheet.title.is_empty() {
            text += &format!("\n{}\n", sheet.title);
        }
        text += &grid(&sheet);
    }
    if !report.hidden.is_empty() {
        text += &format!("\n{}", report.hidden);
    }
    text += &format!("\n{}\n{}\n", promise(report), costs(report));
    text
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}

pub(crate) fn empty_table() -> Table {
    let rule = LineStyle::none().fill('─').junction('─');
    let style = TableStyle::new().top_border(rule).header_separator(rule).bottom_border(rule);
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// One row per group; numbers to the right.
fn grid(sheet: &Sheet) -> String {
    let columns: Vec<(usize, CellAlignment)> = (0..sheet.header.len())
        .map(|index| {
            let values = || sheet.rows.iter().filter_map(|row| row.get(index));
            let left = values().any(is_text);
            (decimals(values()), if left { CellAlignment::Left } else { CellAlignment::Right })
        })
        .collect();
    let mut table = empty_table();
    table.set_header(
        sheet.header.iter().zip(&columns).map(|(name, &(_, side))| Cell::new(name).set_alignment(side)),
    );
    for row in &sheet.rows {
        table.add_row(
            row.iter()
                .zip(&columns)
                .map(|(value, &(decimals, side))| Cell::new(show(value, decimals)).set_alignment(side)),
        );
    }
    trimmed(&table)
}

/// One group: a line per value.
fn column(sheet: &Sheet) -> String {
    let mut table = empty_table();
    for (name, value) in sheet.header.iter().zip(sheet.rows.first().into_iter().flatten()) {
        let shown = show(value, decimals(std::iter::once(value)));
        table.add_row([Cell::new(name), Cell::new(shown).set_alignment(CellAlignment::Right)]);
    }
    trimmed(&table)
}

pub(crate) fn trimmed(table: &Table) -> String {
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// What holds of the numbers above, in words.
fn promise(report: &Report<'_>) -> String {
    let sizes = &report.sizes;
    let mut sentences = Vec::new();
    if report.encrypted {
        let rows =
            sizes.rows.map_or_else(String::new, |rows| format!(" of {} rows", with_commas(rows.into())));
        sentences.push(format!("Computed on ciphertexts{rows} by backend {}.", report.backend));
        if report.verified {
            sentences.push("Every number was computed on ciphertexts and equals the clear run.".to_owned());
        }
    } else {
        sentences
            .push(format!("Computed IN THE CLEAR by backend {}: nothing was encrypted.", report.backend));
    }
    if !report.together.is_empty() {
        let names = report.together.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        sentences.push(format!("Computed in one run for {names}: its times and sizes are those of all."));
    }
    if let Some(promise) = &report.promise {
        sentences.push(format!(
            "Certified exact: the probability that any number is wrong is at most 2^{:.0}; security {} bits.",
            promise.failure_log2, promise.security_bits
        ));
        sentences.push(format!(
            "The service learned the schema, the program, that there are at most {} rows, sizes and times; no \
             value and no count.",
            with_commas(u128::from(sizes.blocks) * u128::from(sizes.rows_per_block))
        ));
    }
    wrapped(&sentences.join(" "))
}

/// Lines of at most 100 signs.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

fn costs(report: &Report<'_>) -> String {
    let timing = &report.timing;
    let steps = [
        ("keys", timing.keygen_s),
        ("encryption", timing.encrypt_s),
        ("service", timing.server_s),
        ("opening", timing.open_s),
    ];
    let mut parts: Vec<String> = steps
        .into_iter()
        .filter_map(|(step, seconds)| seconds.map(|seconds| format!("{step} {seconds:.2} s")))
        .collect();
    if let Some(cpu) = timing.server_cpu_s {
        parts.push(format!("service CPU {cpu:.2} s"));
    }
    let sizes = &report.sizes;
    parts.push(format!("evaluation keys {}", bytes(sizes.evaluation_keys_bytes)));
    parts.push(format!("upload {}", bytes(sizes.upload_bytes)));
    parts.push(format!("result {}", bytes(sizes.result_bytes)));
    wrapped(&parts.join(", "))
}

fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let value = count as f64;
    match count {
        0..10_000 => format!("{} B", with_commas(count.into())),
        10_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}
