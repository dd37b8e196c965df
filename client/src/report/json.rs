//! The JSON form of a report. Integers are exact whatever their size.

use hq_dsl::Value;
use hq_engine::sizes::aggregates_per_group;
use hq_plugin_sdk::parameters::Parameters;
use serde::{Serialize, Serializer};

use super::Report;

/// JSON with ordered objects and integers of 128 bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i128(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
        }
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Integer(number) => Self::Integer(*number),
            Value::Bool(value) => Self::Bool(*value),
            Value::Text(text) => Self::Text(text.clone()),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Record(fields) => {
                Self::Object(fields.iter().map(|(name, value)| (name.clone(), Self::from(value))).collect())
            }
            Value::Hidden => Self::text("hidden"),
            Value::Undefined => Self::Null,
        }
    }
}

impl Json {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn count(count: u64) -> Self {
        Self::Integer(count.into())
    }

    fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn labels(by: &[(String, String)]) -> Self {
        Self::Object(by.iter().map(|(name, label)| (name.clone(), Self::text(label))).collect())
    }

    fn seconds(seconds: Option<f64>) -> Self {
        seconds.map_or(Self::Null, Self::Number)
    }
}

pub(super) fn render(report: &Report<'_>) -> Json {
    let groups = report
        .rows
        .iter()
        .map(|row| {
            let values =
                row.report.iter().map(|(name, value)| (name.clone(), Json::from(value))).collect::<Vec<_>>();
            Json::object([
                ("by", Json::labels(&row.by)),
                ("report", Json::Object(values)),
                ("hidden", Json::List(row.hidden.iter().map(|name| Json::text(name)).collect())),
            ])
        })
        .collect();
    let aggregates = report
        .aggregates
        .iter()
        .map(|aggregate| {
            Json::object([
                ("name", Json::text(&aggregate.name)),
                ("by", Json::labels(&aggregate.by)),
                ("value", Json::Integer(aggregate.value)),
            ])
        })
        .collect();
    let (timing, sizes) = (&report.timing, &report.sizes);
    let mut fields = vec![
        ("query", Json::text(&report.query.name)),
        ("backend", Json::text(report.backend)),
        ("groups", Json::List(groups)),
        ("aggregates", Json::List(aggregates)),
        ("certificate", certificate(report)),
        (
            "timing",
            Json::object([
                ("keygen_s", Json::seconds(timing.keygen_s)),
                ("encrypt_s", Json::seconds(timing.encrypt_s)),
                ("server_s", Json::seconds(timing.server_s)),
                ("open_s", Json::seconds(timing.open_s)),
                ("server_cpu_s", Json::seconds(timing.server_cpu_s)),
            ]),
        ),
        (
            "sizes",
            Json::object([
                ("evaluation_keys_bytes", Json::count(sizes.evaluation_keys_bytes)),
                ("upload_bytes", Json::count(sizes.upload_bytes)),
                ("result_bytes", Json::count(sizes.result_bytes)),
                ("rows", sizes.rows.map_or(Json::Null, Json::count)),
                ("blocks", Json::count(sizes.blocks)),
                ("rows_per_block", Json::count(sizes.rows_per_block.into())),
            ]),
        ),
    ];
    if !report.together.is_empty() {
        fields.push(("together", Json::List(report.together.iter().map(|name| Json::text(name)).collect())));
    }
    if report.verified {
        fields.push(("equal_to_clear_run", Json::Bool(true)));
    }
    Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn certificate(report: &Report<'_>) -> Json {
    let mut fields = vec![
        ("encrypted", Json::Bool(report.encrypted)),
        ("plan_blake3", Json::text(&report.plan_digest)),
        (
            "released_numbers",
            Json::count((aggregates_per_group(report.query) as u64) * report.query.group_count()),
        ),
    ];
    if let Some(promise) = &report.promise {
        fields.extend([
            ("failure_log2", Json::Number(promise.failure_log2)),
            ("release_distance_log2", Json::Integer(promise.release_distance_log2.into())),
            ("security_bits", Json::count(promise.security_bits.into())),
        ]);
    }
    if let Some(certificate) = &report.certificate {
        let (log2_qp, limit) = certificate.log2_qp;
        fields.extend([("log2_qp", Json::Number(log2_qp)), ("max_log2_qp", Json::count(limit.into()))]);
    }
    if let Some(gates) = &report.gates {
        let of_gates = Json::object([
            ("cells", Json::count(gates.cells.into())),
            ("bootstraps", Json::count(gates.bootstraps.into())),
            ("failure_log2", Json::Number(gates.failure_log2)),
            ("estimated_cpu_s", Json::Number(gates.cost_ns / 1e9)),
        ]);
        fields.push(("gates", of_gates));
    }
    if let Some(Parameters::Rns(rns)) = &report.parameters {
        fields.extend([
            ("ring_degree", Json::count(rns.ring_degree.into())),
            ("plaintext_modulus", Json::count(rns.plaintext_modulus)),
            ("levels", Json::count(rns.moduli.len() as u64)),
        ]);
    }
    Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
