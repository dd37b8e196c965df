//! The one place where diagnostics are drawn: source lines, a mark under the place, fact and remedy.

use std::collections::HashMap;

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind, Source};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{FileId, Sources, Span};

/// Draws a diagnostic over its source, with or without terminal colours.
#[must_use]
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let (title, paint) = match diagnostic.severity {
        Severity::Error => ("Error", Color::Red),
        Severity::Warning => ("Warning", Color::Yellow),
        Severity::Note => ("Note", Color::Blue),
    };
    let place = |span: Span| {
        let length = sources.text(span.file).len();
        let start = span.start_index().min(length);
        (span.file, start..span.end_index().clamp(start, length))
    };
    let config = Config::default()
        .with_color(color)
        .with_index_type(IndexType::Byte)
        .with_char_set(CharSet::Unicode)
        .with_compact(false);
    let mut report = Report::build(ReportKind::Custom(title, paint), place(diagnostic.span()))
        .with_config(config)
        .with_code(diagnostic.code)
        .with_message(&diagnostic.message);
    for (index, (span, words)) in diagnostic.labels.iter().enumerate() {
        let color = if index == 0 { paint } else { Color::Cyan };
        // A label without words draws no mark, so the main place always has one.
        let words = if words.is_empty() { "here" } else { words };
        report = report.with_label(Label::new(place(*span)).with_message(words).with_color(color));
    }
    for note in &diagnostic.notes {
        report = report.with_note(note);
    }
    if !diagnostic.help.is_empty() {
        report = report.with_help(&diagnostic.help);
    }
    let mut bytes = Vec::new();
    let names = Files { sources, lines: HashMap::new() };
    if report.finish().write(names, &mut bytes).is_err() {
        return format!("{diagnostic}\n");
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = if color { text.into_owned() } else { without_colors(&text) };
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    trimmed.join("\n") + "\n"
}

/// The title is painted whatever the configuration says, so its escape sequences are taken out.
fn without_colors(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}

struct Files<'a> {
    sources: &'a Sources,
    lines: HashMap<FileId, Source<String>>,
}

impl ariadne::Cache<FileId> for Files<'_> {
    type Storage = String;

    fn fetch(&mut self, id: &FileId) -> Result<&Source<String>, impl std::fmt::Debug> {
        let source = self.lines.entry(*id).or_insert_with(|| Source::from(self.sources.text(*id).to_owned()));
        Ok::<_, std::convert::Infallible>(source)
    }

    fn display<'b>(&self, id: &'b FileId) -> Option<impl std::fmt::Display + 'b> {
        Some(self.sources.name(*id).to_owned())
    }
}
