//! The result of a query as it is shown: the one value that all output formats are made from.

mod csv;
mod json;
mod layout;
mod number;
mod table;

use hq_dsl::{Group, Query, Value};
use hq_engine::certificate::Certificate;
use hq_engine::computation::plan_digest;
use hq_engine::gates::GatesCertificate;
use hq_engine::planner::{Planned, Promise};
use hq_engine::sizes::aggregates_per_group;
use hq_plugin_sdk::parameters::Parameters;

use crate::cli::{Format, Release};
use crate::error::{ClientError, Result};
use crate::execution::{Execution, Sizes, Timing};
use crate::joint::{Joint, Member};
use crate::output;
use crate::release::{self, Released};

pub(crate) use json::Json;
pub(crate) use table::{empty_table, trimmed};

/// What a query gave, ready to be shown.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    query: &'a Query,
    /// Names of all queries that were run with it, its own among them; empty where it was alone.
    together: Vec<&'a str>,
    backend: &'a str,
    /// Whether the backend saw ciphertexts only.
    encrypted: bool,
    rows: Vec<ReportRow>,
    aggregates: Vec<ShownAggregate>,
    /// What is hidden and why; empty where nothing is.
    hidden: String,
    certificate: Option<Certificate>,
    promise: Option<Promise>,
    gates: Option<GatesCertificate>,
    parameters: Option<Parameters>,
    plan_digest: String,
    timing: Timing,
    sizes: Sizes,
    /// Whether all numbers were compared with a clear run.
    verified: bool,
}

/// One row of the result.
#[derive(Debug)]
pub(crate) struct ReportRow {
    /// Names of the keys and labels of their values.
    pub(crate) by: Vec<(String, String)>,
    /// Names and values of the report.
    pub(crate) report: Vec<(String, Value)>,
    /// Names of report columns and aggregates that are hidden.
    pub(crate) hidden: Vec<String>,
}

/// An exact number behind the report.
#[derive(Debug)]
struct ShownAggregate {
    name: String,
    by: Vec<(String, String)>,
    value: i128,
}

impl<'a> Report<'a> {
    /// The query that was answered.
    pub(crate) fn query(&self) -> &'a Query {
        self.query
    }

    /// Its groups with what may be shown of them.
    pub(crate) fn rows(&self) -> &[ReportRow] {
        &self.rows
    }

    /// Applies the release rules, if they are on, and finishes the report; `numbers` are the query's own.
    fn new(
        query: &'a Query,
        numbers: &[Option<i128>],
        together: &[&'a str],
        run: &Run<'a>,
        rules: Release,
    ) -> Self {
        let codes = hq_engine::lower::groups(query);
        let per_group = aggregates_per_group(query);
        let released = match rules {
            Release::On => release::apply(query, numbers),
            Release::Off => Released::opened(query, numbers),
        };
        let value = |group: usize, index: usize| {
            let value = numbers.get(group * per_group + index).copied().flatten();
            value.filter(|_| released.reason(group, index).is_none())
        };
        let groups: Vec<Group> = codes
            .iter()
            .enumerate()
            .map(|(group, by)| Group {
                by: by.clone(),
                aggregates: (0..query.aggregates.len()).map(|index| value(group, index)).collect(),
            })
            .collect();
        let labels: Vec<Vec<(String, String)>> = codes.iter().map(|codes| labels(query, codes)).collect();
        let rows = hq_dsl::finish(query, &groups)
            .into_iter()
            .map(|row| {
                let group = labels.iter().position(|labels| *labels == row.by);
                let mut hidden: Vec<String> = row
                    .report
                    .iter()
                    .filter(|(_, value)| holds_hidden(value))
                    .map(|(name, _)| name.clone())
                    .collect();
                for (index, aggregate) in query.aggregates.iter().enumerate() {
                    let is_hidden = group.is_some_and(|group| released.reason(group, index).is_some());
                    if is_hidden && !hidden.contains(&aggregate.name) {
                        hidden.push(aggregate.name.clone());
                    }
                }
                ReportRow { by: row.by, report: row.report, hidden }
            })
            .collect();
        let mut aggregates = Vec::new();
        for (group, by) in groups.iter().zip(labels) {
            for (aggregate, value) in query.aggregates.iter().zip(&group.aggregates) {
                let name = aggregate.name.clone();
                aggregates.extend(value.map(|value| ShownAggregate { name, by: by.clone(), value }));
            }
        }
        Self {
            query,
            together: together.to_vec(),
            backend: run.backend,
            encrypted: run.encrypted,
            rows,
            aggregates,
            hidden: if released.hides() { release::describe(query, &released) } else { String::new() },
            certificate: run.planned.certificate.clone(),
            promise: run.planned.promise(),
            gates: run.planned.gates.clone(),
            parameters: run.planned.plan.parameters.clone(),
            plan_digest: plan_digest(&run.planned.plan),
            timing: run.execution.timing,
            sizes: run.execution.sizes,
            verified: run.verified,
        }
    }
}

/// A run of a plan.
pub(crate) struct Run<'a> {
    /// Name of the backend.
    pub(crate) backend: &'a str,
    /// Whether the backend saw ciphertexts only.
    pub(crate) encrypted: bool,
    /// The plan.
    pub(crate) planned: &'a Planned,
    /// What it gave.
    pub(crate) execution: Execution,
    /// Whether all numbers were compared with a clear run.
    pub(crate) verified: bool,
}

/// The reports of the queries of a run, each with its place among all queries of the command.
pub(crate) fn of<'a>(joint: &Joint<'a>, run: &Run<'a>, rules: Release) -> Vec<(usize, Report<'a>)> {
    let names: Vec<&str> = joint.queries().iter().map(|query| query.name.as_str()).collect();
    let together = if joint.is_several() { names.as_slice() } else { &[] };
    let report = |(member, numbers): (Member<'a>, &[Option<i128>])| {
        (member.place, Report::new(member.query, numbers, together, run, rules))
    };
    joint.numbers(&run.execution.aggregates).map(report).collect()
}

/// Reports in the order of their queries.
pub(crate) fn in_order(mut reports: Vec<(usize, Report<'_>)>) -> Vec<Report<'_>> {
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// Names of the keys with the labels of a group's codes.
fn labels(query: &Query, codes: &[i64]) -> Vec<(String, String)> {
    query.by.iter().zip(codes).map(|(key, &code)| (key.name.clone(), key.labels.label(code))).collect()
}

fn holds_hidden(value: &Value) -> bool {
    match value {
        Value::Hidden => true,
        Value::List(items) => items.iter().any(holds_hidden),
        Value::Record(fields) => fields.iter().any(|(_, value)| holds_hidden(value)),
        Value::Number(_) | Value::Integer(_) | Value::Bool(_) | Value::Text(_) | Value::Undefined => false,
    }
}

/// Reports as a text; several are an array in JSON.
pub(crate) fn text(reports: &[Report<'_>], format: Format) -> Result<String> {
    let wrong = |format, reason: String| ClientError::Format { format, reason };
    match format {
        Format::Table => Ok(reports.iter().map(table::render).collect::<Vec<_>>().join("\n")),
        Format::Json => {
            let mut values: Vec<Json> = reports.iter().map(json::render).collect();
            let value = if values.len() == 1 { values.pop() } else { None };
            let text = serde_json::to_string_pretty(&value.unwrap_or(Json::List(values)));
            text.map(|text| text + "\n").map_err(|error| wrong("JSON", error.to_string()))
        }
        Format::Csv => {
            let texts = reports.iter().map(csv::render).collect::<std::result::Result<Vec<_>, _>>();
            texts.map(|texts| texts.join("\n")).map_err(|error| wrong("CSV", error.to_string()))
        }
    }
}

/// What is hidden and why, of all reports; tables say it themselves.
pub(crate) fn hidden(reports: &[Report<'_>]) -> String {
    reports.iter().map(|report| report.hidden.as_str()).collect()
}

/// Writes reports to standard output.
pub(crate) fn print(reports: &[Report<'_>], format: Format) -> Result<()> {
    output::out(&text(reports, format)?);
    let hidden = hidden(reports);
    if format != Format::Table && !hidden.is_empty() {
        output::note(hidden.trim_end());
    }
    Ok(())
}
