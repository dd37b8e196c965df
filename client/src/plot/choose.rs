//! Which results of a query can be drawn, and how. It is decided from their shape, before any number is known.

use hq_dsl::{Binary, ClearId, ClearOp, Domain, Output, Query};

/// A result that can be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drawing {
    /// The name of a report column, then fields of records.
    pub(super) path: Vec<String>,
    pub(super) form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lists `time` and `survival`, perhaps `lower`, `upper` and `at_risk`: a curve for each group.
    Curves,
    /// Lists `from` and `count`: a histogram for each group.
    Bins,
    /// A number for each group.
    Bars,
    /// A record with `lower` and `upper`, and the name of the field between them if there is one.
    Interval(Option<String>),
}

/// What can be drawn, in the order of the report.
pub(super) fn drawings(query: &Query) -> Vec<Drawing> {
    let mut found = Vec::new();
    for column in &query.report {
        visit(query, &column.value, &mut vec![column.name.clone()], &mut found);
    }
    found
}

fn visit(query: &Query, output: &Output, path: &mut Vec<String>, found: &mut Vec<Drawing>) {
    let mut push = |form: Form| found.push(Drawing { path: path.clone(), form });
    match output {
        Output::Scalar(id) if !query.by.is_empty() && is_number(query, *id) => push(Form::Bars),
        Output::Scalar(_) | Output::List(_) => {}
        Output::Record(_) if list(output, "time").is_some() && same_length(output, "time", "survival") => {
            push(Form::Curves);
        }
        Output::Record(_) if list(output, "from").is_some() && same_length(output, "from", "count") => {
            push(Form::Bins);
        }
        Output::Record(fields) if !query.by.is_empty() && is_interval(query, output) => {
            let number = |(name, field): &&(String, Output)| {
                !matches!(name.as_str(), "lower" | "upper")
                    && matches!(field, Output::Scalar(id) if is_number(query, *id))
            };
            push(Form::Interval(fields.iter().find(number).map(|(name, _)| name.clone())));
        }
        Output::Record(fields) => {
            for (name, field) in fields {
                path.push(name.clone());
                visit(query, field, path, found);
                path.pop();
            }
        }
    }
}

fn field<'a>(output: &'a Output, name: &str) -> Option<&'a Output> {
    let Output::Record(fields) = output else { return None };
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

/// A field that is a list of single values.
pub(super) fn list<'a>(output: &'a Output, name: &str) -> Option<&'a [Output]> {
    let Output::List(items) = field(output, name)? else { return None };
    let single = !items.is_empty() && items.iter().all(|item| matches!(item, Output::Scalar(_)));
    single.then_some(items.as_slice())
}

fn same_length(output: &Output, one: &str, other: &str) -> bool {
    let length = |name| list(output, name).map(<[Output]>::len);
    length(one) == length(other)
}

fn is_interval(query: &Query, output: &Output) -> bool {
    ["lower", "upper"]
        .iter()
        .all(|name| matches!(field(output, name), Some(Output::Scalar(id)) if is_number(query, *id)))
}

/// Whether a value is a number, as far as its expression tells; keys that are numbers are groups, no results.
fn is_number(query: &Query, id: ClearId) -> bool {
    match query.clears.get(id) {
        ClearOp::Key(_) | ClearOp::Bool(_) | ClearOp::Text(_) => false,
        ClearOp::Function(table, _) => {
            matches!(table.function().result, Domain::Int { .. } | Domain::Fixed { .. })
        }
        ClearOp::Binary(function, ..) => {
            !matches!(function, Binary::Equal | Binary::Less | Binary::LessEqual | Binary::And | Binary::Or)
        }
        ClearOp::Unary(function, _) => *function != hq_dsl::Unary::Not,
        ClearOp::Case { arms, otherwise } => {
            arms.iter().map(|(_, value)| value).chain([otherwise]).any(|&value| is_number(query, value))
        }
        ClearOp::Aggregate(_)
        | ClearOp::Cell(_)
        | ClearOp::Present(_)
        | ClearOp::Number(_)
        | ClearOp::Real(_)
        | ClearOp::Distribution(..)
        | ClearOp::Solve { .. } => true,
    }
}
