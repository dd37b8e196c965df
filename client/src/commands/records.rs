//! `hq records`: what the audit log and schemas say for a record of processing activities (GDPR, article 30), as Markdown. What they
//! cannot know is left to be filled in, and says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hq_dsl::{Dataset, with_commas};
use hq_engine::audit::{Entry, Event};

use crate::cli::RecordsArgs;
use crate::error::{Result, damaged, file_error};
use crate::keys::read_bounded;
use crate::output;
use crate::program::read_schema;

/// Largest log that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;
/// What neither log nor schema says.
const OPEN: &str = "(to be filled in)";

/// What happened to one dataset.
#[derive(Default)]
struct Record {
    created: Option<(String, String)>,
    erased: Option<String>,
    /// When each version came or went.
    versions: Vec<(String, &'static str)>,
    /// Who has which role, and since when.
    roles: BTreeMap<String, String>,
    /// Purposes by who had them: jobs that were submitted.
    purposes: BTreeMap<(String, String), u64>,
    released: u64,
    refused: u64,
}

/// Prints a section for each dataset.
pub(crate) fn records(args: &RecordsArgs) -> Result<()> {
    let mut schemas = BTreeMap::new();
    for path in &args.schema {
        let (dataset, _) = read_schema(path)?;
        schemas.insert(dataset.name.clone(), dataset);
    }
    let mut found: BTreeMap<String, Record> = BTreeMap::new();
    for entry in entries(&args.log)? {
        if let Some(name) = entry.event.dataset.clone() {
            found.entry(name).or_default().note(entry.time, entry.event);
        }
    }
    let mut text = "# Records of processing activities\n\nFrom an audit log of hq; verify it first with `hq audit verify`.\n".to_owned();
    for (name, record) in found.iter().filter(|(_, record)| !record.is_empty()) {
        text += &section(name, record, schemas.get(name));
    }
    output::out(&text);
    Ok(())
}

fn entries(path: &Path) -> Result<Vec<Entry>> {
    std::fs::metadata(path).map_err(file_error(path))?;
    let text = String::from_utf8(read_bounded(path, MAX_BYTES)?)
        .map_err(|error| damaged(path, error.to_string()))?;
    let entry = |line: &str| {
        let (_, json) = line.split_once(' ').unwrap_or_default();
        serde_json::from_str(json).map_err(|error| damaged(path, format!("holds no entry: {error}")))
    };
    text.lines().map(entry).collect()
}

impl Record {
    /// Whether nothing was done: names that somebody tried are no datasets.
    fn is_empty(&self) -> bool {
        self.created.is_none()
            && self.roles.is_empty()
            && self.purposes.is_empty()
            && self.versions.is_empty()
    }

    fn note(&mut self, time: String, event: Event) {
        let Event { action, outcome, subject, purpose, detail, .. } = event;
        if outcome != "done" {
            return;
        }
        match action.as_str() {
            "dataset.created" => self.created = Some((time, subject)),
            "dataset.erased" => self.erased = Some(time),
            "version.published" => self.versions.push((time, "published")),
            "version.withdrawn" => self.versions.push((time, "withdrawn")),
            "role.granted" => drop(self.roles.insert(detail.unwrap_or_default(), time)),
            "role.revoked" => drop(self.roles.remove(&detail.unwrap_or_default())),
            "job.submitted" => {
                *self.purposes.entry((subject, purpose.unwrap_or_default())).or_default() += 1;
            }
            "job.released" => self.released += 1,
            "job.refused" => self.refused += 1,
            _ => {}
        }
    }
}

fn section(name: &str, record: &Record, schema: Option<&Dataset>) -> String {
    let mut text = format!("\n## {}\n\n", output::plain(name));
    let mut line = |what: &str, words: &str| {
        // A bar or a line's end would end the cell.
        let words = output::plain(words).replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(text, "| {what} | {words} |");
    };
    line("what", "of this dataset");
    line("---", "---");
    line("controller, contact, data protection officer", OPEN);
    line("legal basis", OPEN);
    if let Some((time, owner)) = &record.created {
        line("created", &format!("{time} by {owner}"));
    }
    match schema {
        Some(schema) => {
            let unit = schema.one_per.as_deref().unwrap_or("row");
            line("data subjects", &format!("up to {}, one {unit} each", with_commas(schema.rows.into())));
            let columns: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
            line("categories of data", &columns.join(", "));
            let cells = if schema.release.min_cell_encrypted { ", encrypted" } else { "" };
            line(
                "release",
                &format!("counts from {} on{cells}; aggregates alone", schema.release.min_cell.max(1)),
            );
        }
        None => line("data subjects, categories of data", "(name the schema with --schema)"),
    }
    for ((subject, purpose), jobs) in &record.purposes {
        let s = if *jobs == 1 { "" } else { "s" };
        line("purpose", &format!("{purpose} ({subject}, {jobs} job{s})"));
    }
    for (role, since) in &record.roles {
        line("recipients and roles", &format!("{role}, since {since}"));
    }
    line("results", &format!("{} released, {} refused", record.released, record.refused));
    for (time, what) in &record.versions {
        line("version", &format!("{what} {time}"));
    }
    let erased = record.erased.as_ref().map(|time| format!("erased {time}"));
    line("time limits for erasure", erased.as_deref().unwrap_or(OPEN));
    line("transfers to third countries", OPEN);
    line(
        "security measures",
        "homomorphic encryption with the key at the custodian, sealed storage, TLS, roles, chained audit log",
    );
    text
}
