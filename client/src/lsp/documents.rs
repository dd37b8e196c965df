//! The texts that the editor holds, and what is known of each. Any change makes all of them unknown again,
//! since they may use one another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hq_dsl::{FileId, Insight, Span};
use serde_json::{Value, json};

use super::position::{offset, range};
use super::uri;
use crate::loader::{FileLoader, MAX_SOURCE_BYTES, place};

/// A text.
struct Document {
    text: String,
    version: Value,
    /// `None` for a text that was never saved.
    path: Option<PathBuf>,
    known: Option<Insight>,
}

/// All of them, by URI.
pub(super) struct Documents {
    schemas: Vec<PathBuf>,
    documents: BTreeMap<String, Document>,
    /// Where the texts of the standard library are shown from; made when one is first asked for.
    library: Option<tempfile::TempDir>,
}

/// A text with what is known of it.
pub(super) struct Known<'a> {
    pub(super) text: &'a str,
    pub(super) version: &'a Value,
    pub(super) insight: &'a Insight,
}

impl Documents {
    pub(super) fn new(schemas: &[PathBuf]) -> Self {
        Self { schemas: schemas.to_vec(), documents: BTreeMap::new(), library: None }
    }

    pub(super) fn open(&mut self, params: &Value) {
        let Some(document) = params.get("textDocument") else { return };
        let (Some(uri), Some(text)) = (uri_of(params), document.get("text").and_then(Value::as_str)) else {
            return;
        };
        let version = document.get("version").cloned().unwrap_or(Value::Null);
        let path = uri::to_path(&uri);
        self.documents.insert(uri, Document { text: text.to_owned(), version, path, known: None });
        self.forget();
    }

    pub(super) fn change(&mut self, params: &Value) {
        let Some(document) = uri_of(params).and_then(|uri| self.documents.get_mut(&uri)) else { return };
        for change in params.get("contentChanges").and_then(Value::as_array).into_iter().flatten() {
            let Some(text) = change.get("text").and_then(Value::as_str) else { continue };
            let Some(range) = change.get("range") else {
                text.clone_into(&mut document.text);
                continue;
            };
            let place = |key: &str| range.get(key).and_then(|position| offset(&document.text, position));
            if let (Some(start), Some(end)) = (place("start"), place("end")) {
                document.text.replace_range(start.min(end)..start.max(end), text);
            }
        }
        if let Some(version) = params.pointer("/textDocument/version") {
            document.version = version.clone();
        }
        self.forget();
    }

    /// Closes a text; its diagnostics are to be cleared.
    pub(super) fn close(&mut self, params: &Value) -> Option<Value> {
        let uri = uri_of(params)?;
        self.documents.remove(&uri)?;
        self.forget();
        Some(super::diagnostics::published(&uri, &Value::Null, Vec::new()))
    }

    /// Files may have changed.
    pub(super) fn forget(&mut self) {
        for document in self.documents.values_mut() {
            document.known = None;
        }
    }

    pub(super) fn uris(&self) -> Vec<String> {
        self.documents.keys().cloned().collect()
    }

    fn loader(&self, path: Option<&Path>) -> FileLoader {
        let open = self
            .documents
            .values()
            .filter_map(|other| Some((place(other.path.as_deref()?)?, other.text.clone())));
        let here = Path::new("untitled.hq");
        FileLoader::beside(path.unwrap_or(here), &self.schemas).over(open.collect())
    }

    /// Names that `use` would find from a text.
    pub(super) fn modules(&self, uri: &str) -> Vec<String> {
        let Some(document) = self.documents.get(uri) else { return Vec::new() };
        let own = document.path.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str());
        let mut names = self.loader(document.path.as_deref()).names();
        names.retain(|name| Some(name.as_str()) != own);
        names
    }

    pub(super) fn text(&self, uri: &str) -> Option<&str> {
        self.documents.get(uri).map(|document| document.text.as_str())
    }

    /// A text with what is known of it.
    pub(super) fn known(&mut self, uri: &str) -> Option<Known<'_>> {
        let document = self.documents.get(uri)?;
        if document.known.is_none() {
            let loader = self.loader(document.path.as_deref());
            let name =
                document.path.as_ref().map_or_else(|| uri.to_owned(), |path| path.display().to_string());
            // As with files: what is too long for a program is not read.
            let length = u64::try_from(document.text.len()).unwrap_or(u64::MAX);
            let text = if length > MAX_SOURCE_BYTES { "" } else { &document.text };
            let insight = Insight::of(&name, text, &[], &loader);
            self.documents.get_mut(uri)?.known = Some(insight);
        }
        let document = self.documents.get(uri)?;
        let insight = document.known.as_ref()?;
        Some(Known { text: &document.text, version: &document.version, insight })
    }

    /// `{uri, range}` of a place in any of the sources of a text.
    pub(super) fn location(&mut self, uri: &str, span: Span) -> Option<Value> {
        let (name, text) = {
            let sources = self.documents.get(uri)?.known.as_ref()?.sources();
            (sources.name(span.file).to_owned(), sources.text(span.file).to_owned())
        };
        let target =
            if span.file == FileId::default() { uri.to_owned() } else { self.uri_of_source(&name, &text)? };
        Some(json!({"uri": target, "range": range(&text, span.start_index(), span.end_index())}))
    }

    /// The URI of a file that was used; a text of the standard library is put into a file first.
    fn uri_of_source(&mut self, name: &str, text: &str) -> Option<String> {
        let module = name.strip_prefix("stdlib/").and_then(|name| name.strip_suffix(".hq"));
        if module.and_then(hq_dsl::stdlib) == Some(text) {
            return self.library_file(module?, text).map(|path| uri::of_path(&path));
        }
        let path = place(Path::new(name))?;
        // A text that is open has the name that the editor gave it.
        let is_it = |document: &Document| document.path.as_deref().and_then(place).as_ref() == Some(&path);
        let open = self.documents.iter().find(|(_, document)| is_it(document));
        Some(open.map_or_else(|| uri::of_path(&path), |(uri, _)| uri.clone()))
    }

    fn library_file(&mut self, module: &str, text: &str) -> Option<PathBuf> {
        if self.library.is_none() {
            self.library = tempfile::Builder::new().prefix("hq-stdlib-").tempdir().ok();
        }
        let path = self.library.as_ref()?.path().join(format!("{module}.hq"));
        if !path.exists() {
            fs::write(&path, text).ok()?;
            let mut permissions = fs::metadata(&path).ok()?.permissions();
            permissions.set_readonly(true);
            fs::set_permissions(&path, permissions).ok()?;
        }
        Some(path)
    }
}

/// The URI of the text that a message is about.
pub(super) fn uri_of(params: &Value) -> Option<String> {
    params.pointer("/textDocument/uri").and_then(Value::as_str).map(str::to_owned)
}
