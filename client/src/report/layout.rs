//! A report as flat tables: one with a row per group, and one per group for values that are lists.

use hq_dsl::Value;

use super::{Report, ReportRow};

/// A table of values.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Above the table; empty for the first.
    pub(super) title: String,
    /// Labels of the group that it belongs to; empty for the table of all groups.
    pub(super) labels: Vec<String>,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// Values, row by row.
    pub(super) rows: Vec<Vec<Value>>,
}

/// A named scalar or list; records are taken apart.
type Flat<'a> = Vec<(String, &'a Value)>;

fn flatten<'a>(name: &str, value: &'a Value, flat: &mut Flat<'a>) {
    if let Value::Record(fields) = value {
        for (field, value) in fields {
            flatten(&format!("{name}.{field}"), value, flat);
        }
    } else {
        flat.push((name.to_owned(), value));
    }
}

fn flat(row: &ReportRow) -> Flat<'_> {
    let mut flattened = Vec::new();
    for (name, value) in &row.report {
        flatten(name, value, &mut flattened);
    }
    flattened
}

/// The table of keys and scalars; without columns where the report has lists only.
pub(super) fn scalars(report: &Report<'_>) -> Sheet {
    let mut sheet = Sheet::default();
    for row in &report.rows {
        let scalars: Flat<'_> =
            flat(row).into_iter().filter(|(_, value)| !matches!(value, Value::List(_))).collect();
        if sheet.header.is_empty() && !scalars.is_empty() {
            sheet.header = row.by.iter().map(|(name, _)| name.clone()).collect();
            sheet.header.extend(scalars.iter().map(|(name, _)| name.clone()));
        }
        let keys = row.by.iter().map(|(_, label)| Value::Text(label.clone()));
        sheet.rows.push(keys.chain(scalars.into_iter().map(|(_, value)| value.clone())).collect());
    }
    if sheet.header.is_empty() {
        sheet.rows.clear();
    }
    sheet
}

/// For each group, tables whose columns are its lists; lists of one length that stand together make one.
pub(super) fn lists(report: &Report<'_>) -> Vec<Sheet> {
    report.rows.iter().flat_map(lists_of).collect()
}

fn lists_of(row: &ReportRow) -> Vec<Sheet> {
    let by: Vec<String> = row.by.iter().map(|(name, label)| format!("{name} = {label}")).collect();
    let mut sheets: Vec<Sheet> = Vec::new();
    for (name, value) in flat(row) {
        let Value::List(items) = value else { continue };
        let fits = sheets
            .last_mut()
            .filter(|sheet| sheet.rows.len() == items.len() && !sheet.header.contains(&name));
        let sheet = match fits {
            Some(sheet) => sheet,
            None => {
                let rows = (1..).zip(items).map(|(index, _)| vec![Value::Integer(index)]).collect();
                let labels = row.by.iter().map(|(_, label)| label.clone()).collect();
                let header = vec!["#".to_owned()];
                sheets.push(Sheet { title: by.join(", "), labels, header, rows });
                let Some(sheet) = sheets.last_mut() else { continue };
                sheet
            }
        };
        sheet.header.push(name);
        for (cells, item) in sheet.rows.iter_mut().zip(items) {
            cells.push(item.clone());
        }
    }
    for sheet in &mut sheets {
        shorten(sheet);
    }
    sheets
}

/// `km.time`, `km.survival` become `time`, `survival` under the title `km`.
fn shorten(sheet: &mut Sheet) {
    let names = || sheet.header.iter().skip(1);
    let Some((record, _)) = names().next().and_then(|name| name.split_once('.')) else { return };
    let prefix = format!("{record}.");
    if names().all(|name| name.starts_with(&prefix)) {
        let record = record.to_owned();
        for name in sheet.header.iter_mut().skip(1) {
            *name = name.split_off(prefix.len());
        }
        sheet.title = if sheet.title.is_empty() { record } else { format!("{record}, {}", sheet.title) };
    }
}
