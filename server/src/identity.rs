//! Who calls: access tokens of the configured issuer (RFC 9068), checked against its keys, which may rotate.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::config::IdentityConfig;

/// Least time between two looks at the issuer's keys.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// How long the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest document of an issuer, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 1 << 20;
/// Longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// Whoever calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who says so.
    pub issuer: String,
    /// The name at the issuer.
    pub subject: String,
    /// May create datasets.
    pub owner: bool,
    /// Sees metrics.
    pub operator: bool,
    /// Reads the whole audit log.
    pub auditor: bool,
    /// Registers and revokes plugins.
    pub administrator: bool,
}

/// Why a token is not taken. The caller learns it: it is about the caller's own token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// No header, or none of this form.
    #[error("Send `Authorization: Bearer` with an access token.")]
    None,
    /// No JWT.
    #[error("The token is no JWT.")]
    Form,
    /// An ID token, for instance.
    #[error("The token is not an access token: its `typ` is not `at+jwt`.")]
    Kind,
    /// An algorithm that is not taken.
    #[error("The token's signature is of an algorithm that is not taken here.")]
    Algorithm,
    /// An unknown key.
    #[error("The token is signed with a key that its issuer does not have, or no longer.")]
    Key,
    /// The issuer does not answer.
    #[error("The issuer's keys cannot be had now.")]
    Issuer,
    /// Signature, issuer, audience or time.
    #[error("The token is not valid here: {0}.")]
    Claims(jsonwebtoken::errors::Error),
}

/// Checks tokens.
#[derive(Debug)]
pub struct Verifier {
    config: IdentityConfig,
    algorithms: Vec<Algorithm>,
    keys: RwLock<JwkSet>,
    refreshed: Mutex<Option<Instant>>,
    agent: ureq::Agent,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

impl Verifier {
    /// For an issuer; its keys are looked up when a token names one.
    ///
    /// # Errors
    /// An algorithm that is not known, or that is none of a public key; a file `identity.ca` without a certificate.
    pub fn new(config: IdentityConfig) -> Result<Self, String> {
        let algorithm = |name: &String| {
            name.parse::<Algorithm>()
                .ok()
                .filter(|algorithm| {
                    // A shared secret would be known to whoever checks.
                    !matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
                })
                .ok_or_else(|| format!("identity.algorithms: `{name}` is no algorithm of a public key"))
        };
        let algorithms = config.algorithms.iter().map(algorithm).collect::<Result<_, _>>()?;
        let roots = config.ca.as_deref().map_or(Ok(RootCerts::WebPki), authorities)?;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .new_agent();
        let keys = RwLock::new(JwkSet { keys: Vec::new() });
        Ok(Self { config, algorithms, keys, refreshed: Mutex::new(None), agent })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &IdentityConfig {
        &self.config
    }

    /// Checks the value of an `Authorization` header. May ask the issuer, so it may take a while.
    ///
    /// # Errors
    /// See [`TokenFault`].
    pub fn check(&self, header: Option<&str>) -> Result<Caller, TokenFault> {
        let (scheme, token) = header.and_then(|header| header.split_once(' ')).ok_or(TokenFault::None)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenFault::None);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::Form);
        }
        let header = decode_header(token).map_err(|_| TokenFault::Form)?;
        let kind = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        if !matches!(kind.as_str(), "at+jwt" | "application/at+jwt") {
            return Err(TokenFault::Kind);
        }
        if !self.algorithms.contains(&header.alg) {
            return Err(TokenFault::Algorithm);
        }
        let key = self.key(header.kid.as_deref().ok_or(TokenFault::Key)?)?;
        let fits = key.common.key_algorithm.is_none_or(|algorithm| algorithm.to_string() == name(header.alg));
        if !fits || key.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
            return Err(TokenFault::Algorithm);
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = self.config.leeway_s;
        let key = DecodingKey::from_jwk(&key).map_err(TokenFault::Claims)?;
        let claims = decode::<Claims>(token, &key, &validation).map_err(TokenFault::Claims)?.claims;
        if claims.sub.is_empty() {
            return Err(TokenFault::Form);
        }
        let roles = self.roles(&claims.others);
        let has = |role: &String| roles.contains(&role.as_str());
        Ok(Caller {
            owner: has(&self.config.owner),
            operator: has(&self.config.operator),
            auditor: has(&self.config.auditor),
            administrator: has(&self.config.administrator),
            issuer: claims.iss,
            subject: claims.sub,
        })
    }

    fn roles<'c>(&self, claims: &'c serde_json::Map<String, Value>) -> Vec<&'c str> {
        let mut words = self.config.roles_claim.split('.');
        let mut place = words.next().and_then(|word| claims.get(word));
        for word in words {
            place = place.and_then(|value| value.get(word));
        }
        match place {
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(roles)) => roles.split(' ').collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
        }
    }

    /// A key of the issuer; where it is not known the issuer is asked, not too often.
    fn key(&self, id: &str) -> Result<Jwk, TokenFault> {
        let known = || self.keys.read().unwrap_or_else(PoisonError::into_inner).find(id).cloned();
        if let Some(key) = known().filter(|_| self.is_fresh()) {
            return Ok(key);
        }
        {
            // Others wait here, and find what the first one fetched.
            let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
            if refreshed.is_none_or(|at| at.elapsed() >= REFRESH_EVERY) {
                match self.fetch() {
                    Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys,
                    Err(error) => {
                        tracing::warn!(issuer = %self.config.issuer, cause = %error, "keys cannot be fetched");
                        if known().is_none() {
                            return Err(TokenFault::Issuer);
                        }
                    }
                }
                *refreshed = Some(Instant::now());
            }
        }
        known().ok_or(TokenFault::Key)
    }

    /// Keys that were retired are noticed after a while without an unknown one.
    fn is_fresh(&self) -> bool {
        const KEPT: Duration = Duration::from_secs(300);
        let refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        refreshed.is_some_and(|at| at.elapsed() < KEPT)
    }

    fn fetch(&self) -> Result<JwkSet, ureq::Error> {
        let issuer = self.config.issuer.trim_end_matches('/');
        let discovery: Discovery = self.document(&format!("{issuer}/.well-known/openid-configuration"))?;
        if discovery.issuer != self.config.issuer {
            let reason = format!("the issuer calls itself {}", discovery.issuer);
            return Err(ureq::Error::Io(io::Error::other(reason)));
        }
        self.document(&discovery.jwks_uri)
    }

    fn document<T: for<'de> Deserialize<'de>>(&self, address: &str) -> Result<T, ureq::Error> {
        let mut response = self.agent.get(address).call()?;
        response.body_mut().with_config().limit(MAX_DOCUMENT_BYTES).read_json()
    }
}

/// The certificates of a PEM file.
fn authorities(file: &Path) -> Result<RootCerts, String> {
    let wrong = |reason: &dyn std::fmt::Display| format!("identity.ca: {}: {reason}", file.display());
    let mut certificates = Vec::new();
    for item in parse_pem(&fs::read(file).map_err(|error| wrong(&error))?) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong(&"holds no certificate in PEM"));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

fn name(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}
