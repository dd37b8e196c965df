//! What the compiler says of a program, as JSON: the same codes, places and sentences that `hq check` draws.

use hq_dsl::{Diagnostic, Severity, Sources};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message about a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiagnosticBody {
    /// Stable code, such as `HQ010`.
    pub code: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// One sentence of fact.
    pub message: String,
    /// One sentence of remedy; may be empty.
    pub help: String,
    /// Further facts.
    pub notes: Vec<String>,
    /// Places; the first is the main one.
    pub labels: Vec<LabelBody>,
    /// The message as it is drawn in a terminal.
    pub drawn: String,
}

/// A place in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LabelBody {
    /// The file.
    pub file: String,
    /// Its first byte.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// Its line, from 1.
    pub line: usize,
    /// A few words; may be empty.
    pub text: String,
}

impl DiagnosticBody {
    /// Of a diagnostic.
    #[must_use]
    pub fn of(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let label = |(span, text): &(hq_dsl::Span, String)| LabelBody {
            file: sources.name(span.file).to_owned(),
            start: span.start,
            end: span.end,
            line: sources.line(*span),
            text: text.clone(),
        };
        Self {
            code: diagnostic.code.to_string(),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            }
            .to_owned(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            notes: diagnostic.notes.clone(),
            labels: diagnostic.labels.iter().map(label).collect(),
            drawn: hq_dsl::render(diagnostic, sources, false),
        }
    }
}
