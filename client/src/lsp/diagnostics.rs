//! Diagnostics as the editor takes them: the codes, places and words of `hq check`.

use hq_dsl::{Diagnostic, FileId, Severity, Span};
use serde_json::{Value, json};

use super::documents::Documents;
use super::position::range;

impl Documents {
    /// Diagnostics of every open text, as messages.
    pub(super) fn diagnostics(&mut self, related: bool) -> Vec<Value> {
        let mut messages = Vec::new();
        for uri in self.uris() {
            let Some(known) = self.known(&uri) else { continue };
            let (text, version) = (known.text.to_owned(), known.version.clone());
            let found = known.insight.diagnostics().to_vec();
            let items = found.iter().map(|diagnostic| self.item(&uri, &text, diagnostic, related)).collect();
            messages.push(published(&uri, &version, items));
        }
        messages
    }

    fn item(&mut self, uri: &str, text: &str, diagnostic: &Diagnostic, related: bool) -> Value {
        let is_here = |span: &Span| span.file == FileId::default();
        let main = diagnostic.labels.iter().find(|(span, _)| is_here(span));
        let place = match main {
            Some((span, _)) => (span.start_index(), span.end_index()),
            // The mistake is in a file that is used.
            None => self.use_of(uri, text, diagnostic.span()),
        };
        let mut message = diagnostic.message.clone();
        let words = main.map_or("", |(_, words)| words.as_str());
        for more in
            [words, diagnostic.help.as_str()].into_iter().chain(diagnostic.notes.iter().map(String::as_str))
        {
            if !more.is_empty() {
                message.push('\n');
                message.push_str(more);
            }
        }
        let severity = match diagnostic.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
            Severity::Note => 3,
        };
        let mut item = json!({
            "range": range(text, place.0, place.1),
            "severity": severity,
            "code": diagnostic.code.to_string(),
            "source": "hq",
            "message": message,
        });
        if related {
            let others =
                diagnostic.labels.iter().filter(|(span, _)| main.is_none_or(|(main, _)| main != span));
            let places: Vec<Value> = others
                .filter_map(|(span, words)| {
                    let words = if words.is_empty() { diagnostic.message.as_str() } else { words };
                    Some(json!({"location": self.location(uri, *span)?, "message": words}))
                })
                .collect();
            if let (false, Some(fields)) = (places.is_empty(), item.as_object_mut()) {
                fields.insert("relatedInformation".to_owned(), Value::Array(places));
            }
        }
        item
    }

    /// The name behind the `use` that brought a file.
    fn use_of(&mut self, uri: &str, text: &str, span: Span) -> (usize, usize) {
        let Some(known) = self.known(uri) else { return (0, 0) };
        let file = known.insight.sources().name(span.file);
        let stem = file.rsplit(['/', '\\']).next().and_then(|name| name.strip_suffix(".hq")).unwrap_or("");
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let mut words = line.split_whitespace();
            if words.next() == Some("use")
                && words.next() == Some(stem)
                && let Some(at) = line.rfind(stem)
            {
                return (start + at, start + at + stem.len());
            }
            start += line.len();
        }
        (0, 0)
    }
}

/// The message with the diagnostics of a text.
pub(super) fn published(uri: &str, version: &Value, items: Vec<Value>) -> Value {
    let mut params = json!({"uri": uri, "diagnostics": items});
    if let (true, Some(fields)) = (version.is_i64(), params.as_object_mut()) {
        fields.insert("version".to_owned(), version.clone());
    }
    json!({"jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": params})
}
