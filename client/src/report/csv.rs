//! The CSV form: a row per group; where there are lists, a row per group and index. Numbers are written in
//! full, what is hidden as `hidden`, what is undefined as an empty cell.

use hq_dsl::Value;

use super::Report;
use super::layout::{lists, scalars};

pub(super) fn render(report: &Report<'_>) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let groups = scalars(report);
    if !groups.header.is_empty() {
        writer.write_record(&groups.header)?;
        for row in &groups.rows {
            writer.write_record(row.iter().map(cell))?;
        }
    }
    let keys: Vec<&str> = report.query.by.iter().map(|key| key.name.as_str()).collect();
    let mut last_header: Vec<String> = Vec::new();
    for sheet in lists(report) {
        let header: Vec<String> = keys
            .iter()
            .map(|&key| key.to_owned())
            .chain(sheet.header.iter().map(|name| index_name(name)))
            .collect();
        if header != last_header {
            writer.write_record(&header)?;
            last_header = header;
        }
        for row in &sheet.rows {
            let labels = sheet.labels.iter().cloned();
            writer.write_record(labels.chain(row.iter().map(cell)))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn index_name(name: &str) -> String {
    if name == "#" { "index".to_owned() } else { name.to_owned() }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("{number}"),
        Value::Integer(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        Value::Record(fields) => fields.iter().map(|(_, value)| cell(value)).collect::<Vec<_>>().join(";"),
        Value::Hidden => "hidden".to_owned(),
        Value::Undefined => String::new(),
    }
}
