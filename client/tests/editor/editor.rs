//! An editor: the program with `lsp`, and messages to and from it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
    last: u64,
    version: i64,
    /// Diagnostics that came while something else was waited for.
    published: Vec<Value>,
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

pub(crate) fn uri(path: &Path) -> String {
    format!("file://{}", path.display()).replace(' ', "%20")
}

/// The place of the `nth` occurrence of some words, and so many UTF-16 units behind its start.
pub(crate) fn place(text: &str, words: &str, nth: usize, units: usize) -> Value {
    let (at, _) = text.match_indices(words).nth(nth).unwrap_or_else(|| panic!("`{words}` in {text}"));
    let line = text[..at].matches('\n').count();
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    json!({"line": line, "character": text[start..at].encode_utf16().count() + units})
}

/// The text in a range.
pub(crate) fn slice(text: &str, range: &Value) -> String {
    let index = |place: &Value| {
        let line = usize::try_from(place["line"].as_u64().unwrap()).unwrap();
        let units = usize::try_from(place["character"].as_u64().unwrap()).unwrap();
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest: Vec<u16> = text[start..].encode_utf16().take(units).collect();
        start + String::from_utf16(&rest).unwrap().len()
    };
    text[index(&range["start"])..index(&range["end"])].to_owned()
}

impl Editor {
    /// Starts the program without a word.
    pub(crate) fn start(folder: &Path, words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hq"))
            .arg("lsp")
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        let mut stream = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            loop {
                let (mut header, mut blank) = (String::new(), String::new());
                if stream.read_line(&mut header).unwrap_or(0) == 0 {
                    return;
                }
                let length = header.trim().strip_prefix("Content-Length: ").unwrap().parse().unwrap();
                stream.read_line(&mut blank).unwrap();
                assert_eq!(blank, "\r\n");
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, output, last: 0, version: 0, published: Vec::new() }
    }

    /// Starts it and says `initialize`.
    pub(crate) fn open(folder: &Path, words: &[&str]) -> Self {
        let mut editor = Self::start(folder, words);
        let related = json!({"textDocument": {"publishDiagnostics": {"relatedInformation": true}}});
        let result = editor.ask("initialize", json!({"capabilities": related, "rootUri": null}));
        assert_eq!(result["serverInfo"]["name"], "hq");
        editor.tell("initialized", json!({}));
        editor
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub(crate) fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    pub(crate) fn next(&mut self) -> Value {
        self.output.recv_timeout(PATIENCE).expect("an answer")
    }

    /// The whole answer to a request.
    pub(crate) fn answer(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.next();
            if message["id"] == id {
                return message;
            }
            self.published.push(message);
        }
    }

    /// The result of a request.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    pub(crate) fn show(&mut self, uri: &str, text: &str) {
        self.version += 1;
        let document = json!({"uri": uri, "languageId": "hq", "version": self.version, "text": text});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
    }

    pub(crate) fn change(&mut self, uri: &str, change: Value) {
        self.version += 1;
        let document = json!({"uri": uri, "version": self.version});
        self.tell("textDocument/didChange", json!({"textDocument": document, "contentChanges": [change]}));
    }

    /// Diagnostics of a text as it was shown or changed last.
    pub(crate) fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        loop {
            let message = if self.published.is_empty() { self.next() } else { self.published.remove(0) };
            let params = &message["params"];
            if params["uri"] == uri
                && params["version"].as_i64().is_none_or(|version| version == self.version)
            {
                return params["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// A request about a place of a text that is shown.
    pub(crate) fn at(&mut self, method: &str, uri: &str, place: Value) -> Value {
        self.ask(&format!("textDocument/{method}"), json!({"textDocument": {"uri": uri}, "position": place}))
    }

    pub(crate) fn hover(&mut self, uri: &str, place: Value) -> String {
        self.at("hover", uri, place)["contents"]["value"].as_str().unwrap_or("").to_owned()
    }

    /// What may be written at a place: the words, in the editor's order.
    pub(crate) fn completions(&mut self, uri: &str, place: Value) -> Vec<String> {
        let items = self.at("completion", uri, place);
        let mut items = items.as_array().unwrap().clone();
        items.sort_by_key(|item| item["sortText"].as_str().unwrap().to_owned());
        items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }

    /// Closes the connection, and waits for the end. Nothing may have been said on standard error by a
    /// panic.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.input = None;
        let status = self.child.wait().unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(!errors.contains("panicked"), "{errors}");
        status
    }

    /// Says `shutdown` and `exit`.
    pub(crate) fn leave(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        assert_eq!(self.wait().code(), Some(0));
    }
}
