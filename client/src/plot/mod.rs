//! Results as pictures: an SVG file with a panel for each result that can be drawn.
//!
//! | concept | file |
//! |---|---|
//! | which results can be drawn, and how | `choose` |
//! | what a picture shows, without places and colours | `panel` |
//! | from values to panels | `fill`, `bins` |
//! | words and units of axes | `label` |
//! | the page: titles, panels, caption | `page` |
//! | kinds of panels | `curves`, `histogram`, `bars` |
//! | coordinate systems, legends | `frame`, `legend` |
//! | marks of an axis, colours, texts | `axis`, `ink` |

mod axis;
mod bars;
mod bins;
mod choose;
mod curves;
mod fill;
mod frame;
mod histogram;
mod ink;
mod label;
mod legend;
mod page;
mod panel;
#[cfg(test)]
mod tests;

use std::path::Path;

use hq_dsl::Query;

use crate::error::{ClientError, Result, file_error};
use crate::report::Report;

/// Refuses where no result of the queries can be drawn; called before anything is computed.
pub(crate) fn check(queries: &[&Query], path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    if queries.iter().any(|query| !choose::drawings(query).is_empty()) {
        return Ok(());
    }
    let names: Vec<String> = queries.iter().map(|query| format!("`{}`", query.name)).collect();
    Err(ClientError::NothingToDraw { path: path.to_owned(), queries: names.join(", ") })
}

/// Draws reports into one file.
pub(crate) fn write(reports: &[Report<'_>], path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, draw(&sections(reports))?).map_err(file_error(path))
}

/// The picture of reports, where there is something to draw.
pub(crate) fn picture(reports: &[Report<'_>]) -> Result<Option<String>> {
    let sections = sections(reports);
    if sections.is_empty() { Ok(None) } else { draw(&sections).map(Some) }
}

fn sections(reports: &[Report<'_>]) -> Vec<panel::Section> {
    reports.iter().map(fill::section).filter(|section| !section.panels.is_empty()).collect()
}

fn draw(sections: &[panel::Section]) -> Result<String> {
    page::draw(sections).map_err(|error| ClientError::Format { format: "SVG", reason: error.to_string() })
}
