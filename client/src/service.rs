//! The service as commands speak with it: JSON and bytes over HTTP, with the access token of `hq login`. What it sends is not
//! believed: it is bounded, and checked where it is used.

use std::io::{BufRead, BufReader, Read as _};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::error::{ClientError, Result};
use crate::login::Login;
use crate::output;
use crate::wire::{JobBody, ProblemBody};

/// Longest document that is read, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the service may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Tries of a request that the service is too busy for.
const TRIES: u32 = 5;
/// Pause before it is sent again.
const PAUSE: Duration = Duration::from_secs(5);

/// A service that one is logged in to.
pub(crate) struct Service {
    agent: Agent,
    login: Login,
}

/// An HTTP client that follows no redirection: tokens go where they were meant to.
pub(crate) fn agent(authorities: RootCerts) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(SILENCE))
        .tls_config(TlsConfig::builder().root_certs(authorities).build())
        .build()
        .new_agent()
}

/// Tokens travel over TLS, or do not leave this machine.
pub(crate) fn check_address(address: &str) -> Result<()> {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| {
        address.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    if address.starts_with("https://") || local {
        return Ok(());
    }
    Err(ClientError::Address { address: address.to_owned() })
}

/// Why a request had no answer.
pub(crate) fn unreachable(address: &str) -> impl Fn(ureq::Error) -> ClientError {
    let address = address.to_owned();
    move |error| {
        let (address, reason) = (address.clone(), error.to_string());
        // As rustls begins it.
        match reason.split_once("invalid peer certificate: ") {
            Some((_, reason)) => ClientError::Certificate { address, reason: reason.to_owned() },
            None => ClientError::Unreachable { address, reason },
        }
    }
}

/// The document of an answer.
pub(crate) fn document<T: DeserializeOwned>(address: &str, answer: &mut Response<Body>) -> Result<T> {
    let bytes = bytes(address, answer, MAX_DOCUMENT_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer {
        address: address.to_owned(),
        reason: format!("is not of the form that this `hq` knows: {error}"),
    })
}

fn bytes(address: &str, answer: &mut Response<Body>, most: u64) -> Result<Vec<u8>> {
    answer.body_mut().with_config().limit(most).read_to_vec().map_err(unreachable(address))
}

/// What goes with a request.
enum Content<'a> {
    Nothing,
    Json(Vec<u8>),
    Bytes(&'a [u8]),
}

impl Service {
    /// The service of the last login.
    pub(crate) fn of_login() -> Result<Self> {
        let mut login = Login::read()?;
        let agent = agent(login.authorities()?);
        login.renew(&agent)?;
        Ok(Self { agent, login })
    }

    /// The service of the last login, if it is the one at an address.
    pub(crate) fn at(address: &str) -> Result<Self> {
        let service = Self::of_login()?;
        if service.address() == address.trim_end_matches('/') {
            return Ok(service);
        }
        Err(ClientError::OtherService { address: address.to_owned(), known: service.address().to_owned() })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        &self.login.service
    }

    /// Gives a new token where the old one is about to end: for commands that run for long.
    pub(crate) fn renew(&mut self) -> Result<()> {
        self.login.renew(&self.agent)
    }

    /// Reads a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut answer = self.send(&Method::GET, path, &[], &Content::Nothing)?;
        document(self.address(), &mut answer)
    }

    /// Reads a document of which there may be none for this caller.
    pub(crate) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.get(path) {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::Refused { code, .. }) if code == "forbidden" || code == "not-found" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a text.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        let bytes = self.bytes(path, MAX_DOCUMENT_BYTES)?;
        String::from_utf8(bytes).map_err(|error| ClientError::Answer {
            address: self.address().to_owned(),
            reason: error.to_string(),
        })
    }

    /// Reads bytes.
    pub(crate) fn bytes(&self, path: &str, most: u64) -> Result<Vec<u8>> {
        let mut answer = self.send(&Method::GET, path, &[], &Content::Nothing)?;
        bytes(self.address(), &mut answer, most)
    }

    /// Sends a document.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.post_once(path, &[], body)
    }

    /// Sends a document with further headers.
    pub(crate) fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T> {
        let json = serde_json::to_vec(body)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        let mut answer = self.send(&Method::POST, path, headers, &Content::Json(json))?;
        document(self.address(), &mut answer)
    }

    /// Sends bytes, and reads what became of them.
    pub(crate) fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        bytes: &[u8],
    ) -> Result<T> {
        let mut answer = self.send(&Method::POST, path, headers, &Content::Bytes(bytes))?;
        document(self.address(), &mut answer)
    }

    /// Sends a document and bytes behind it: four bytes with the document's length, little-endian, come first.
    pub(crate) fn post_with<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &impl Serialize,
        behind: &[u8],
    ) -> Result<T> {
        let json = serde_json::to_vec(body)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.post_bytes(path, headers, &[length.as_slice(), &json, behind].concat())
    }

    /// Sends bytes; what the service says of them is for the caller to read or not.
    pub(crate) fn put(&self, path: &str, headers: &[(&str, &str)], bytes: &[u8]) -> Result<()> {
        self.send(&Method::PUT, path, headers, &Content::Bytes(bytes)).map(drop)
    }

    /// Removes something, and reads what became of it.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut answer = self.send(&Method::DELETE, path, &[], &Content::Nothing)?;
        document(self.address(), &mut answer)
    }

    /// Follows a job until the service has nothing more to say of it; a connection that breaks is made anew.
    pub(crate) fn watch(&self, job: &str, mut seen: impl FnMut(&JobBody)) -> Result<JobBody> {
        loop {
            let mut last = None;
            let answer =
                self.send(&Method::GET, &format!("/v1/jobs/{job}/events"), &[], &Content::Nothing)?;
            let reader = BufReader::new(answer.into_body().into_reader().take(u64::MAX));
            // A line that cannot be read is a connection that broke.
            for line in reader.lines().map_while(std::result::Result::ok) {
                if let Some(text) = line.strip_prefix("data: ")
                    && let Ok(body) = serde_json::from_str::<JobBody>(text)
                {
                    seen(&body);
                    last = Some(body);
                }
            }
            match last {
                Some(body) if body.rests() => return Ok(body),
                Some(_) | None => std::thread::sleep(Duration::from_secs(1)),
            }
        }
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        content: &Content<'_>,
    ) -> Result<Response<Body>> {
        for _ in 1..TRIES {
            match self.send_once(method, path, headers, content) {
                Err(ClientError::Refused { code, .. }) if code == "quota" && *method == Method::PUT => {
                    std::thread::sleep(PAUSE);
                }
                answer => return answer,
            }
        }
        self.send_once(method, path, headers, content)
    }

    fn send_once(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        content: &Content<'_>,
    ) -> Result<Response<Body>> {
        let address = self.address();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{address}{path}"))
            .header("Authorization", format!("Bearer {}", self.login.access_token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match content {
            Content::Nothing => request.body(()).map(|request| self.agent.run(request)),
            Content::Json(json) => {
                let request = request.header("Content-Type", "application/json");
                request.body(json.as_slice()).map(|request| self.agent.run(request))
            }
            Content::Bytes(bytes) => {
                let request = request.header("Content-Type", "application/octet-stream");
                request.body(*bytes).map(|request| self.agent.run(request))
            }
        };
        let mut answer = answer
            .map_err(|error| ClientError::Answer { address: address.to_owned(), reason: error.to_string() })?
            .map_err(unreachable(address))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(address, &mut answer))
    }
}

/// What the service says of a request that it does not do; what it says of a program is drawn.
fn refusal(address: &str, answer: &mut Response<Body>) -> ClientError {
    let status = answer.status();
    match document::<ProblemBody>(address, answer) {
        Ok(problem) => {
            for diagnostic in &problem.diagnostics {
                output::note(output::plain(&diagnostic.drawn).trim_end());
            }
            ClientError::Refused {
                code: output::plain(&problem.code),
                detail: output::plain(&problem.detail),
            }
        }
        Err(_) => ClientError::Answer {
            address: address.to_owned(),
            reason: format!("has status {status} and says nothing: is this the address of an hq-server?"),
        },
    }
}
