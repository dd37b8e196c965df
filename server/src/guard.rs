//! The one gate: every request passes here before any handler. What no route of the table names is not there; whoever may not
//! is refused, and that is audited.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};
use hq_engine::audit::Event;
use tracing::Instrument as _;

use crate::api::{self, Route};
use crate::app::{App, Shared, blocking, event};
use crate::identity::Caller;
use crate::problem::{Code, Problem, Result};
use crate::roles::{Access, Claim};
use crate::telemetry::SPANS;

/// What the caller is here, for handlers.
pub type CallerData = actix_web::web::ReqData<Caller>;

/// Lets a request through to its handler, or not.
///
/// # Errors
/// A problem that is told to the caller.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(app) = request.app_data::<Shared>().cloned() else {
        return Err(Problem::internal("no application").into());
    };
    if app.config.is_dev_path(request.path()) {
        return next.call(request).await;
    }
    let Some((route, names)) = api::find(request.method(), request.path()) else {
        return Err(Problem::not_found(format!("route {} {}", request.method(), request.path())).into());
    };
    let named = |wanted: &str| names.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = %route.action(),
        otel.kind = "server",
        http.request.method = route.method,
        http.route = route.path,
        http.response.status_code = tracing::field::Empty,
        dataset = named("dataset"),
        job = named("job"),
    );
    let answer = answer(app, route, names, request, next).instrument(span.clone()).await;
    let status = answer
        .as_ref()
        .map_or_else(|error| error.as_response_error().status_code(), |answer| answer.status());
    span.record("http.response.status_code", status.as_u16());
    answer
}

/// What the handler says, where the caller may ask it.
async fn answer<B: MessageBody + 'static>(
    app: Shared,
    route: &'static Route,
    names: Vec<(String, String)>,
    request: ServiceRequest,
    next: Next<B>,
) -> std::result::Result<ServiceResponse<B>, Error> {
    if route.access == Access::Public {
        return next.call(request).await;
    }
    let header = request.headers().get(AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let caller = blocking(&app, move |app| admit(app, route, &names, header.as_deref())).await?;
    request.extensions_mut().insert(caller);
    next.call(request).await
}

/// Who calls, if they may.
fn admit(app: &App, route: &Route, names: &[(String, String)], header: Option<&str>) -> Result<Caller> {
    let named = |wanted: &str| names.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let caller = app.verifier.check(header).map_err(|fault| {
        let problem = Problem::new(Code::Unauthenticated, fault.to_string());
        let refused = Event {
            action: route.action(),
            outcome: Code::Unauthenticated.text().to_owned(),
            detail: Some(fault.to_string()),
            ..Event::default()
        };
        // Without a token anyone could fill the log; it counts as an access when there is one.
        let noted = if header.is_some() { app.store.audit(refused) } else { Ok(()) };
        noted.err().unwrap_or(problem)
    })?;
    if allowed(app, route.access, &caller, named("dataset"), named("job"))? {
        return Ok(caller);
    }
    let mut refused = event(&caller, &route.action());
    Code::Forbidden.text().clone_into(&mut refused.outcome);
    refused.dataset = named("dataset").map(str::to_owned);
    refused.job = named("job").map(str::to_owned);
    app.store.audit(refused)?;
    Err(Problem::new(Code::Forbidden, "There is no such thing, or you have no right to it."))
}

/// Whether a caller may. Nothing that is not said here is allowed.
fn allowed(
    app: &App,
    access: Access,
    caller: &Caller,
    dataset: Option<&str>,
    job: Option<&str>,
) -> Result<bool> {
    Ok(match access {
        Access::Public | Access::SignedIn => true,
        Access::Claim(Claim::Owner) => caller.owner,
        Access::Claim(Claim::Operator) => caller.operator,
        Access::Claim(Claim::Auditor) => caller.auditor,
        Access::Claim(Claim::Administrator) => caller.administrator,
        Access::Dataset(roles) => {
            let held = app.store.with(|tx| tx.roles(dataset.unwrap_or_default(), caller))?;
            held.iter().any(|role| roles.contains(role))
        }
        Access::Job(roles) | Access::JobOrOwn(roles) => {
            let found = app.store.with(|tx| {
                let job = tx.job(job.unwrap_or_default())?;
                let held = tx.roles(&job.dataset, caller)?;
                Ok((job, held))
            });
            match found {
                Ok((job, held)) => {
                    let own = matches!(access, Access::JobOrOwn(_))
                        && job.is_of(caller)
                        && held.contains(&crate::roles::Role::Researcher);
                    own || held.iter().any(|role| roles.contains(role))
                }
                Err(problem) if problem.code == Code::NotFound => false,
                Err(problem) => return Err(problem),
            }
        }
    })
}
