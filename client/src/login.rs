//! Who one is at a service: what `hq login` keeps, in a file that nobody else may read.

use std::env;
use std::fs::File;
use std::path::PathBuf;

use hq_engine::clock::now_s;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::tls::RootCerts;
use zeroize::Zeroizing;

use crate::authorities;
use crate::configuration;
use crate::error::{ClientError, Result, damaged, file_error};
use crate::keys::read_bounded;
use crate::service::{document, unreachable};

/// Names a file instead of the usual one.
pub(crate) const VARIABLE: &str = "HQ_LOGIN";
/// Form of the file.
const VERSION: u32 = 1;
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Seconds before its end from which on a token is renewed.
const EARLY_S: u64 = 60;

/// A login.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    version: u32,
    /// Address of the service.
    pub(crate) service: String,
    /// What requests are sent with.
    pub(crate) access_token: String,
    /// When that ends, in seconds since 1970.
    expires_s: u64,
    /// What a new one is had with, where the issuer gives one.
    refresh_token: Option<String>,
    token_endpoint: String,
    client_id: String,
    audience: String,
    /// Certificates of the authorities that are taken, in PEM; Mozilla's list without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

/// Tokens as an issuer sends them (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(crate) struct TokenBody {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Why it sends none (section 5.2).
#[derive(Deserialize)]
pub(crate) struct TokenError {
    /// The stable code.
    pub(crate) error: String,
    /// A sentence.
    #[serde(default)]
    pub(crate) error_description: Option<String>,
}

/// Where tokens come from.
pub(crate) struct Source {
    /// The service.
    pub(crate) service: String,
    /// The issuer's endpoint.
    pub(crate) token_endpoint: String,
    /// What `hq` is there.
    pub(crate) client_id: String,
    /// For whom tokens are.
    pub(crate) audience: String,
    /// Authorities that are taken, in PEM.
    pub(crate) ca: Option<String>,
}

fn path() -> Result<PathBuf> {
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    configuration::folder().map(|folder| folder.join("login.json")).ok_or(ClientError::NoLoginFile)
}

impl Login {
    /// Of tokens that were just given.
    pub(crate) fn new(source: Source, tokens: TokenBody) -> Self {
        let Source { service, token_endpoint, client_id, audience, ca } = source;
        Self {
            version: VERSION,
            service,
            access_token: tokens.access_token,
            // Where the issuer does not say, the service will.
            expires_s: tokens.expires_in.map_or(u64::MAX, |seconds| now_s().saturating_add(seconds)),
            refresh_token: tokens.refresh_token,
            token_endpoint,
            client_id,
            audience,
            ca,
        }
    }

    /// Authorities that it takes.
    pub(crate) fn authorities(&self) -> Result<RootCerts> {
        let Some(ca) = &self.ca else { return Ok(RootCerts::WebPki) };
        authorities::of(ca).map_err(|reason| match path() {
            Ok(path) => damaged(&path, format!("`ca` {reason}. Log in again with `hq login`")),
            Err(error) => error,
        })
    }

    /// The last one.
    pub(crate) fn read() -> Result<Self> {
        let path = path()?;
        if !path.exists() {
            return Err(ClientError::NotLoggedIn);
        }
        let bytes = Zeroizing::new(read_bounded(&path, MAX_BYTES)?);
        let login: Self = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(&path, format!("is no login: {error}. Log in again with `hq login`")))?;
        if login.version != VERSION {
            let reason = format!("has version {}, this program reads {VERSION}", login.version);
            return Err(damaged(&path, reason));
        }
        Ok(login)
    }

    fn is_fresh(&self) -> bool {
        now_s().saturating_add(EARLY_S) < self.expires_s
    }

    /// Keeps it.
    pub(crate) fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map(Zeroizing::new)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        configuration::write_private(&path()?, &text)
    }

    /// A new token where this one is about to end, if the issuer gave the means. Refresh tokens are often used once, so
    /// processes do it one after the other.
    pub(crate) fn renew(&mut self, agent: &Agent) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let path = path()?.with_extension("lock");
        let lock = File::create(&path).map_err(file_error(&path))?;
        lock.lock().map_err(file_error(&path))?;
        let kept = Self::read()?;
        if kept.service == self.service {
            *self = kept;
        }
        if self.is_fresh() {
            return Ok(());
        }
        let Some(refresh_token) = self.refresh_token.clone() else {
            return if now_s() < self.expires_s { Ok(()) } else { Err(ClientError::LoginEnded) };
        };
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.as_str()),
            ("client_id", self.client_id.as_str()),
            ("resource", self.audience.as_str()),
        ];
        let mut answer =
            agent.post(&self.token_endpoint).send_form(form).map_err(unreachable(&self.token_endpoint))?;
        if !answer.status().is_success() {
            return Err(ClientError::LoginEnded);
        }
        let tokens: TokenBody = document(&self.token_endpoint, &mut answer)?;
        self.access_token = tokens.access_token;
        self.expires_s = tokens.expires_in.map_or(u64::MAX, |seconds| now_s().saturating_add(seconds));
        if let Some(next) = tokens.refresh_token {
            self.refresh_token = Some(next);
        }
        self.write()
    }
}
