//! `hq lsp`: a language server. What is known of a program comes from [`hq_dsl::Insight`]; here is the
//! protocol (Language Server Protocol 3.17), of which a dozen messages are spoken, as plain JSON.
//!
//! | concept | file |
//! |---|---|
//! | messages on their way | `transport` |
//! | places: bytes, lines and UTF-16 columns; paths and URIs | `position`, `uri` |
//! | texts that the editor holds | `documents` |
//! | what is asked for | `requests`, `diagnostics` |

mod diagnostics;
mod documents;
mod position;
mod requests;
mod transport;
mod uri;

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::LspArgs;
use crate::error::{ClientError, Result, file_error};
use documents::Documents;
use transport::{Incoming, read, write};

/// Diagnostics follow when nothing was typed for so long.
const QUIET: Duration = Duration::from_millis(150);

/// Codes of JSON-RPC and of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Parse = -32_700,
    InvalidRequest = -32_600,
    UnknownMethod = -32_601,
    InvalidParams = -32_602,
    NotInitialized = -32_002,
}

/// How far the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begun,
    Running,
    ShutDown,
    Left,
}

struct Server {
    state: State,
    documents: Documents,
    /// Something changed since diagnostics were sent.
    stale: bool,
    /// The editor shows places that belong to a diagnostic.
    related: bool,
}

/// Serves one editor until it leaves.
pub(crate) fn serve(args: &LspArgs) -> Result<()> {
    let (sender, incoming) = mpsc::channel();
    // The thread ends with its input, or with the process.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(message) = read(&mut input) {
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    let mut server =
        Server { state: State::Begun, documents: Documents::new(&args.schema), stale: false, related: false };
    while server.state != State::Left {
        let message = if server.stale {
            match incoming.recv_timeout(QUIET) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    server.stale = false;
                    send(&server.documents.diagnostics(server.related))?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        } else {
            match incoming.recv() {
                Ok(message) => message,
                Err(_) => break,
            }
        };
        let (answers, left) = server.take(message);
        send(&answers)?;
        if let Some(orderly) = left {
            return if orderly { Ok(()) } else { Err(ClientError::EditorLeft) };
        }
    }
    if server.state == State::ShutDown { Ok(()) } else { Err(ClientError::EditorLeft) }
}

fn send(messages: &[Value]) -> Result<()> {
    let mut output = io::stdout().lock();
    for message in messages {
        write(&mut output, message).map_err(file_error("<the editor>".as_ref()))?;
    }
    Ok(())
}

fn refuse(id: &Value, code: Refusal, words: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code as i32, "message": words}})
}

impl Server {
    /// Answers a message. The second is given when the editor leaves: whether it did so in order.
    fn take(&mut self, message: Incoming) -> (Vec<Value>, Option<bool>) {
        let message = match message {
            Incoming::Message(message) => message,
            Incoming::Garbage(words) => return (vec![refuse(&Value::Null, Refusal::Parse, &words)], None),
        };
        let (id, params) = (message.get("id"), message.get("params").unwrap_or(&Value::Null));
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // An answer: nothing was asked of the editor. Or no message at all.
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            let words = "a message has a `method`";
            let refused = refuse(id.unwrap_or(&Value::Null), Refusal::InvalidRequest, words);
            return (if is_answer { Vec::new() } else { vec![refused] }, None);
        };
        match (method, id) {
            ("exit", None) => {
                let orderly = self.state == State::ShutDown;
                self.state = State::Left;
                (Vec::new(), Some(orderly))
            }
            (_, Some(id)) => (vec![self.request(id, method, params)], None),
            (_, None) => (self.notification(method, params), None),
        }
    }

    fn request(&mut self, id: &Value, method: &str, params: &Value) -> Value {
        match (self.state, method) {
            (State::Begun, "initialize") => {
                self.state = State::Running;
                let related = "/capabilities/textDocument/publishDiagnostics/relatedInformation";
                self.related = params.pointer(related).and_then(Value::as_bool).unwrap_or(false);
                json!({"jsonrpc": "2.0", "id": id, "result": capabilities()})
            }
            (State::Begun, _) => refuse(id, Refusal::NotInitialized, "`initialize` comes first"),
            (State::ShutDown | State::Left, _) => {
                refuse(id, Refusal::InvalidRequest, "nothing but `exit` comes after `shutdown`")
            }
            (State::Running, "initialize") => refuse(id, Refusal::InvalidRequest, "`initialize` comes once"),
            (State::Running, "shutdown") => {
                self.state = State::ShutDown;
                json!({"jsonrpc": "2.0", "id": id, "result": null})
            }
            (State::Running, _) => match self.documents.answer(method, params) {
                Some(Some(result)) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Some(None) => refuse(id, Refusal::InvalidParams, "no open document and place are named"),
                None => refuse(id, Refusal::UnknownMethod, &format!("`{method}` is not known here")),
            },
        }
    }

    fn notification(&mut self, method: &str, params: &Value) -> Vec<Value> {
        if self.state != State::Running {
            return Vec::new();
        }
        match method {
            "textDocument/didOpen" => self.documents.open(params),
            "textDocument/didChange" => self.documents.change(params),
            "textDocument/didClose" => {
                let cleared = self.documents.close(params);
                self.stale = true;
                return cleared.into_iter().collect();
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => self.documents.forget(),
            _ => return Vec::new(),
        }
        self.stale = true;
        Vec::new()
    }
}

fn capabilities() -> Value {
    json!({
        "capabilities": {
            "positionEncoding": "utf-16",
            "textDocumentSync": {"openClose": true, "change": 2, "save": {"includeText": false}},
            "hoverProvider": true,
            "completionProvider": {"triggerCharacters": ["."]},
            "definitionProvider": true,
            "documentFormattingProvider": true,
        },
        "serverInfo": {"name": "hq", "version": env!("CARGO_PKG_VERSION")},
    })
}
