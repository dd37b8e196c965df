//! `hq login`: an access token for a service, by the device flow of its issuer (RFC 8628).

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::Agent;
use ureq::tls::RootCerts;

use crate::authorities;
use crate::cli::LoginArgs;
use crate::error::{ClientError, Result, damaged};
use crate::login::{Login, Source, TokenBody, TokenError};
use crate::output;
use crate::service::{Service, agent, check_address, document, unreachable};
use crate::wire::{MeBody, ServiceBody};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// What is asked of the issuer: a name, and to stay logged in.
const SCOPE: &str = "openid offline_access";
/// Seconds between two questions, where the issuer says nothing else.
const INTERVAL_S: u64 = 5;
/// Seconds between two questions at most.
const MOST_INTERVAL_S: u64 = 60;
/// Seconds that a login may take, whatever the issuer says.
const MOST_S: u64 = 3600;

/// What an issuer says of itself.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    token_endpoint: String,
    #[serde(default)]
    device_authorization_endpoint: Option<String>,
}

/// A login that was begun.
#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

/// Logs in.
pub(crate) fn login(args: &LoginArgs) -> Result<()> {
    let service = args.service.trim_end_matches('/').to_owned();
    check_address(&service)?;
    let ca = args.ca.as_deref().map(authorities::read).transpose()?;
    let roots = ca.as_deref().map_or(Ok(RootCerts::WebPki), authorities::of);
    let agent = agent(roots.map_err(|reason| damaged(Path::new("--ca"), reason))?);
    let about: ServiceBody = read(&agent, &format!("{service}/v1/service"))?;
    let discovery = discover(&agent, &about.issuer)?;
    let device = discovery
        .device_authorization_endpoint
        .ok_or_else(|| ClientError::NoDeviceFlow { issuer: about.issuer.clone() })?;
    check_address(&device)?;
    check_address(&discovery.token_endpoint)?;
    let form = [("client_id", about.client_id.as_str()), ("scope", SCOPE), ("resource", &about.audience)];
    let mut answer = agent.post(&device).send_form(form).map_err(unreachable(&device))?;
    if !answer.status().is_success() {
        return Err(failed(&about.issuer, &document(&device, &mut answer)?));
    }
    let begun: Begun = document(&device, &mut answer)?;
    match &args.trial {
        Some(name) => confirm(&agent, &service, &about.issuer, &begun, name)?,
        None => {
            let place = begun.verification_uri_complete.as_deref().unwrap_or(&begun.verification_uri);
            output::note(&format!(
                "Open {} and enter the code {}",
                output::plain(place),
                output::plain(&begun.user_code)
            ));
        }
    }
    let tokens = wait(&agent, &discovery.token_endpoint, &about, &begun)?;
    let source = Source {
        service,
        token_endpoint: discovery.token_endpoint,
        client_id: about.client_id,
        audience: about.audience,
        ca,
    };
    Login::new(source, tokens).write()?;
    let service = Service::of_login()?;
    let me: MeBody = service.get("/v1/me")?;
    output::out(&format!("logged in to {} as {}\n", service.address(), output::plain(&me.subject)));
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(agent: &Agent, address: &str) -> Result<T> {
    let mut answer = agent.get(address).call().map_err(unreachable(address))?;
    document(address, &mut answer)
}

/// Says the name to the issuer of trials, which is the service itself and asks for nothing else.
fn confirm(agent: &Agent, service: &str, issuer: &str, begun: &Begun, name: &str) -> Result<()> {
    if issuer != format!("{service}/dev") {
        return Err(ClientError::NoTrial { service: service.to_owned() });
    }
    let page = format!("{issuer}/device");
    let form = [("user_code", begun.user_code.as_str()), ("user", name)];
    let answer = agent.post(&page).send_form(form).map_err(unreachable(&page))?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(ClientError::LoginRefused { issuer: issuer.to_owned(), reason: answer.status().to_string() })
}

/// The document of an issuer must be its own.
fn discover(agent: &Agent, issuer: &str) -> Result<Discovery> {
    check_address(issuer)?;
    let root = issuer.trim_end_matches('/');
    let discovery: Discovery = read(agent, &format!("{root}/.well-known/openid-configuration"))?;
    if discovery.issuer != issuer {
        let reason = format!("says that it is {}", output::plain(&discovery.issuer));
        return Err(ClientError::Answer { address: issuer.to_owned(), reason });
    }
    Ok(discovery)
}

/// Asks for tokens until the person has said yes or no.
fn wait(agent: &Agent, endpoint: &str, about: &ServiceBody, begun: &Begun) -> Result<TokenBody> {
    let end = Instant::now() + Duration::from_secs(begun.expires_in.min(MOST_S));
    let mut interval_s = begun.interval.unwrap_or(INTERVAL_S);
    let form = [
        ("grant_type", DEVICE_CODE),
        ("device_code", begun.device_code.as_str()),
        ("client_id", about.client_id.as_str()),
        ("resource", about.audience.as_str()),
    ];
    while Instant::now() < end {
        thread::sleep(Duration::from_secs(interval_s.clamp(1, MOST_INTERVAL_S)));
        let mut answer = agent.post(endpoint).send_form(form).map_err(unreachable(endpoint))?;
        if answer.status().is_success() {
            return document(endpoint, &mut answer);
        }
        let error: TokenError = document(endpoint, &mut answer)?;
        match error.error.as_str() {
            "authorization_pending" => {}
            "slow_down" => interval_s += 5,
            _ => return Err(failed(&about.issuer, &error)),
        }
    }
    Err(ClientError::LoginEnded)
}

fn failed(issuer: &str, error: &TokenError) -> ClientError {
    let reason = error.error_description.as_ref().unwrap_or(&error.error);
    ClientError::LoginRefused { issuer: issuer.to_owned(), reason: output::plain(reason) }
}
