//! Hover, completion, definition and layout.

use hq_dsl::{Completion, CompletionKind};
use serde_json::{Value, json};

use super::documents::{Documents, uri_of};
use super::position::{offset, range};

impl Documents {
    /// The result of a request: `None` for an unknown method, `Some(None)` for parameters that name no place.
    pub(super) fn answer(&mut self, method: &str, params: &Value) -> Option<Option<Value>> {
        Some(match method {
            "textDocument/hover" => self.hover(params),
            "textDocument/completion" => self.completion(params),
            "textDocument/definition" => self.definition(params),
            "textDocument/formatting" => self.formatting(params),
            _ => return None,
        })
    }

    /// The text a message is about, and the byte in it.
    fn place(&self, params: &Value) -> Option<(String, usize)> {
        let uri = uri_of(params)?;
        let at = offset(self.text(&uri)?, params.get("position")?)?;
        Some((uri, at))
    }

    fn hover(&mut self, params: &Value) -> Option<Value> {
        let (uri, at) = self.place(params)?;
        let known = self.known(&uri)?;
        let shown = known.insight.hover(at).map(|hover| {
            json!({
                "contents": {"kind": "markdown", "value": hover.text},
                "range": range(known.text, hover.span.start_index(), hover.span.end_index()),
            })
        });
        Some(shown.unwrap_or(Value::Null))
    }

    fn definition(&mut self, params: &Value) -> Option<Value> {
        let (uri, at) = self.place(params)?;
        let span = self.known(&uri)?.insight.definition(at);
        Some(span.and_then(|span| self.location(&uri, span)).unwrap_or(Value::Null))
    }

    fn completion(&mut self, params: &Value) -> Option<Value> {
        let (uri, at) = self.place(params)?;
        let modules = self.modules(&uri);
        let known = self.known(&uri)?;
        let before = known.text.get(..at).unwrap_or("");
        let word = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        let written = range(known.text, word, at);
        let items: Vec<Value> = known
            .insight
            .completions(at, &modules)
            .iter()
            .map(|item| completion_item(item, &written))
            .collect();
        Some(Value::Array(items))
    }

    /// One edit of the whole text; none if it is laid out, nothing if it does not parse.
    fn formatting(&self, params: &Value) -> Option<Value> {
        let text = self.text(&uri_of(params)?)?;
        Some(match hq_dsl::format(text) {
            Ok(laid_out) if laid_out == text => json!([]),
            Ok(laid_out) => json!([{"range": range(text, 0, text.len()), "newText": laid_out}]),
            Err(_) => Value::Null,
        })
    }
}

fn completion_item(item: &Completion, written: &Value) -> Value {
    // Kinds of the protocol; what is nearest comes first.
    let (kind, rank) = match item.kind {
        CompletionKind::Level => (20, 0),
        CompletionKind::Column => (5, 1),
        CompletionKind::Name => (6, 1),
        CompletionKind::Param => (21, 1),
        CompletionKind::Dataset | CompletionKind::Cohort => (22, 1),
        CompletionKind::Module => (9, 1),
        CompletionKind::Keyword => (14, 2),
        CompletionKind::Function | CompletionKind::Builtin => (3, 3),
    };
    json!({
        "label": item.text,
        "kind": kind,
        "detail": item.detail,
        "documentation": {"kind": "markdown", "value": item.documentation},
        "sortText": format!("{rank}{}", item.text),
        "textEdit": {"range": written, "newText": item.text},
    })
}
