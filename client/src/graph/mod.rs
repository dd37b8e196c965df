//! A plan as a picture, and its noise along the critical path as another: SVG files.
//!
//! | concept | file |
//! |---|---|
//! | what is drawn, and of which plan | `subject` |
//! | from nodes of a plan to few items and edges | `collect`, `summary` |
//! | where items stand: rows by level, few crossings | `layers`, `isotonic` |
//! | the picture | `draw` |
//! | noise from step to step | `curve` |
//! | SVG | `svg` |

mod collect;
mod curve;
mod draw;
mod isotonic;
mod layers;
mod subject;
mod summary;
mod svg;
#[cfg(test)]
mod tests;

pub(crate) use subject::Subject;

/// Plans of more items than this are summarised.
const MOST_ITEMS: usize = 60;

/// The plan as an SVG document.
pub(crate) fn plan(subject: &Subject<'_>) -> String {
    let mut graph = collect::collect(subject);
    if graph.items.len() > MOST_ITEMS {
        graph = summary::summarise(&graph, MOST_ITEMS);
    }
    let layout = layers::layout(&graph);
    draw::draw(subject, &graph, &layout)
}

/// Noise along the critical path as an SVG document.
pub(crate) fn noise(subject: &Subject<'_>) -> String {
    curve::draw(subject)
}
