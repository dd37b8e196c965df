//! The registry of plugins, for administrators. What is sent is looked at in a process apart; what is refused is audited too.

use std::io::Write as _;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use hq_engine::clock;
use hq_engine::registry::{By, Candidate, Entry, Registry, RegistryError};
use tempfile::NamedTempFile;

use super::bodies::{PluginBody, PluginsBody, RevokeBody, RevokedBody, VerifiedBody};
use crate::app::{App, Shared, blocking, compiling, event, work_folder};
use crate::guard::CallerData;
use crate::identity::Caller;
use crate::plugins::stop_revoked;
use crate::problem::{Code, Problem, Result};

/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1000;

pub(super) async fn list(app: Shared) -> Result<web::Json<PluginsBody>> {
    let read = blocking(&app, |app| {
        let registry = registry(app)?;
        let plugins = registry.entries().map_err(problem)?.into_iter().map(PluginBody::from).collect();
        let revoked = registry.revoked().map_err(problem)?.into_iter().map(RevokedBody::from).collect();
        Ok(PluginsBody { plugins, revoked, keys: registry.keys().map_err(problem)? })
    });
    read.await.map(web::Json)
}

pub(super) async fn show(app: Shared, name: web::Path<String>) -> Result<web::Json<PluginBody>> {
    let read = blocking(&app, move |app| registry(app)?.entry(&name).map_err(problem));
    read.await.map(|entry| web::Json(entry.into()))
}

pub(super) async fn register(
    app: Shared,
    caller: CallerData,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        value.ok_or_else(|| Problem::invalid(format!("The header `{name}` is missing.")))
    };
    let (file, digest, signature) = (header("hq-file")?, header("hq-digest")?, header("hq-signature")?);
    let signed = BASE64_STANDARD.decode(signature).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let signed =
        signed.ok_or_else(|| Problem::invalid("`hq-signature` is the base64 of a file of minisign."))?;
    // Nothing at all is no signature.
    let signed = Some(signed).filter(|text| !text.is_empty());
    registry(&app)?;
    let (content, found) = receive(&app, payload).await?;
    if found != digest {
        return Err(Problem::new(Code::Digest, "The file is not that of `hq-digest`: send it again."));
    }
    let caller = caller.into_inner();
    let done = compiling(&app, move |app| {
        let candidate = Candidate::sent(&file, content.path(), signed);
        let registry = registry(app)?;
        let earlier = registry.entries().map_err(problem)?;
        let inspect = |copy: &_, shown: &_| app.apart.inspect(copy, shown);
        let accepted =
            noted(app, &caller, "plugin.registered", |by| registry.register(candidate, by, inspect))?;
        Ok((earlier.contains(&accepted), accepted))
    });
    let (known, accepted) = done.await?;
    let mut answer = if known { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(answer.json(PluginBody::from(accepted)))
}

/// What is sent, in a file of its own, and its digest.
async fn receive(app: &Shared, mut payload: web::Payload) -> Result<(NamedTempFile, String)> {
    let most = app.config.limits.plugin_bytes;
    let mut content = NamedTempFile::new_in(work_folder(&app.config)).map_err(Problem::internal)?;
    let (mut hasher, mut length) = (blake3::Hasher::new(), 0);
    while let Some(bytes) = payload.next().await {
        let bytes = bytes.map_err(|error| Problem::invalid(format!("The file did not arrive: {error}.")))?;
        length += bytes.len() as u64;
        if length > most {
            return Err(Problem::new(Code::TooLarge, format!("A plugin has at most {most} bytes here.")));
        }
        hasher.update(&bytes);
        content.write_all(&bytes).map_err(Problem::internal)?;
    }
    Ok((content, hasher.finalize().to_hex().to_string()))
}

pub(super) async fn verify(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
) -> Result<web::Json<VerifiedBody>> {
    let caller = caller.into_inner();
    let verified = compiling(&app, move |app| {
        let registry = registry(app)?;
        registry.entry(&name).map_err(problem)?;
        let found = registry.verify(&name, &app.apart);
        let mut event = event(&caller, "plugin.verified");
        event.detail = Some(name.clone());
        if let Err(error) = &found {
            error.code().clone_into(&mut event.outcome);
            event.detail = Some(error.to_string());
        }
        app.store.audit(event)?;
        let reason = found.err().map(|error| error.to_string());
        Ok(VerifiedBody { name: name.into_inner(), reason })
    });
    verified.await.map(web::Json)
}

pub(super) async fn revoke(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    body: web::Json<RevokeBody>,
) -> Result<web::Json<RevokedBody>> {
    let (caller, RevokeBody { blake3, reason }) = (caller.into_inner(), body.into_inner());
    if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(Problem::invalid(format!("`reason` has from 1 to {MAX_REASON_BYTES} bytes.")));
    }
    let revoked = blocking(&app, move |app| {
        let registry = registry(app)?;
        let act = |by: By<'_>| registry.revoke(&name, Some(&blake3), &reason, by);
        let revoked = noted(app, &caller, "plugin.revoked", act)?;
        stop_revoked(app)?;
        Ok(revoked)
    });
    revoked.await.map(|revoked| web::Json(revoked.into()))
}

/// Does something in the name of a caller; what became of it goes to the service's log, and to the registry's.
fn noted<T: Noted>(
    app: &App,
    caller: &Caller,
    action: &str,
    act: impl FnOnce(By<'_>) -> std::result::Result<T, RegistryError>,
) -> Result<T> {
    let (who, time) = (format!("{} at {}", caller.subject, caller.issuer), clock::now());
    let done = act(By { who: &who, time: &time });
    let mut event = event(caller, action);
    match &done {
        Ok(done) => event.detail = Some(done.detail()),
        Err(error) => {
            error.code().clone_into(&mut event.outcome);
            event.detail = Some(error.to_string());
        }
    }
    app.store.audit(event)?;
    done.map_err(problem)
}

/// What the log says of something that was done.
trait Noted {
    fn detail(&self) -> String;
}

impl Noted for Entry {
    fn detail(&self) -> String {
        format!("{} {} signed by {}", self.name, self.blake3, self.key)
    }
}

impl Noted for hq_engine::registry::Revoked {
    fn detail(&self) -> String {
        format!("{} {}: {}", self.name, self.blake3, self.reason)
    }
}

fn registry(app: &App) -> Result<Registry> {
    let missing =
        || Problem::new(Code::Unsupported, "This service has no registry of plugins: set `registry`.");
    app.registry().ok_or_else(missing)
}

/// What an administrator is told.
fn problem(error: RegistryError) -> Problem {
    let code = match &error {
        RegistryError::File { .. } | RegistryError::Damaged { .. } => return Problem::internal(error),
        RegistryError::NoKeys { .. }
        | RegistryError::Unsigned { .. }
        | RegistryError::Signature { .. }
        | RegistryError::UnknownKey { .. } => Code::Signature,
        RegistryError::Name { .. } => Code::Invalid,
        RegistryError::NotRegistered { .. } => Code::NotFound,
        RegistryError::Revoked { .. } | RegistryError::Replaced { .. } | RegistryError::OtherBuild { .. } => {
            Code::Conflict
        }
        RegistryError::Capabilities { .. } | RegistryError::Unusable { .. } | RegistryError::Load(_) => {
            Code::Plugin
        }
    };
    Problem::new(code, format!("{error}."))
}
