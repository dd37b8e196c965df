//! `hq-server health`: whether the service beside it serves requests, for whoever watches over a container without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::TlsConfig;

use crate::config::Config;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the service is not well.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody answers.
    #[error("{address} does not answer: {source}")]
    Silent {
        /// The address that was asked.
        address: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// It answers that it cannot.
    #[error("{address} answers {status}")]
    Status {
        /// The address that was asked.
        address: String,
        /// The status of the answer.
        status: u16,
    },
}

/// Asks `/health/ready` on this machine. Its certificate is not looked at: it is for another name, and nothing secret is sent.
///
/// # Errors
/// See [`HealthError`].
pub fn ask(config: &Config) -> Result<(), HealthError> {
    let mut listen = config.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{listen}/health/ready");
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .build()
        .into();
    let answer = agent
        .get(&address)
        .call()
        .map_err(|source| HealthError::Silent { address: address.clone(), source: Box::new(source) })?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(HealthError::Status { address, status }),
    }
}
