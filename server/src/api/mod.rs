//! The routes. [`ROUTES`] says of each who may call it and what goes in and out; the gate (`guard`), the OpenAPI document and the
//! test of every route and role read this one table.

pub mod audit;
pub mod bodies;
mod datasets;
mod erasure;
mod jobs;
mod openapi;
mod page;
mod plugins;
mod programs;
mod results;
mod service;
mod versions;

use actix_web::http::{Method, StatusCode};
use actix_web::web;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

pub use openapi::document;

use crate::problem::{Code, Problem, Result};
use crate::programs::ProgramBody;
use crate::roles::{Access, Claim, Role};
use bodies::{
    AuditBody, CheckedBody, DatasetBody, DatasetsBody, ExplainedBody, GrantsBody, JobBody, JobsBody,
    ManifestBody, MeBody, NewDatasetBody, NewVersionBody, PluginBody, PluginsBody, ReasonBody, ReceiptBody,
    RevokeBody, RevokedBody, ServiceBody, SubmitBody, VerifiedBody, VersionBody,
};

/// Schemas that a document needs, by name.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// What is sent one way or the other.
#[derive(Clone, Copy)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// JSON of a type: notes its schemas, gives its name.
    Json(fn(&mut Schemas) -> String),
    /// Bytes.
    Bytes,
    /// Plain text.
    Text,
    /// Server-sent events.
    Events,
    /// A file of the page.
    Page,
}

fn noted<T: ToSchema + PartialSchema>(schemas: &mut Schemas) -> String {
    let name = T::name().into_owned();
    schemas.push((name.clone(), T::schema()));
    T::schemas(schemas);
    name
}

/// A route.
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it does.
    pub summary: &'static str,
    /// What goes in.
    pub takes: Content,
    /// What comes out.
    pub gives: Content,
}

impl Route {
    /// Its name in the audit log.
    #[must_use]
    pub fn action(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

const fn route(
    (method, path): (&'static str, &'static str),
    access: Access,
    summary: &'static str,
    takes: Content,
    gives: Content,
) -> Route {
    Route { method, path, access, summary, takes, gives }
}

const ADMINISTRATOR: Access = Access::Claim(Claim::Administrator);
const OWNER: Access = Access::Dataset(&[Role::Owner]);
const READERS: Access = Access::Dataset(&[Role::Owner, Role::Researcher, Role::Custodian]);
const ANYONE: Access = Access::Dataset(&Role::ALL);
const CUSTODIAN_OF_JOB: Access = Access::Job(&[Role::Custodian]);
const OWN_JOB: Access = Access::JobOrOwn(&[]);
const JOB_READERS: Access = Access::JobOrOwn(&[Role::Owner, Role::Custodian]);
use Content::{Bytes, Events, Json, Nothing, Page, Text};

/// All routes.
pub const ROUTES: &[Route] = &[
    route(("GET", "/"), Access::Public, "The page for researchers", Nothing, Page),
    route(("GET", "/page/{file}"), Access::Public, "A file of the page", Nothing, Page),
    route(("GET", "/health/live"), Access::Public, "Whether the process answers", Nothing, Text),
    route(("GET", "/health/ready"), Access::Public, "Whether requests can be served", Nothing, Text),
    route(("GET", "/v1/openapi.json"), Access::Public, "This document", Nothing, Text),
    route(
        ("GET", "/v1/service"),
        Access::Public,
        "Where to log in, and limits",
        Nothing,
        Json(noted::<ServiceBody>),
    ),
    route(("GET", "/v1/me"), Access::SignedIn, "Who the token is of", Nothing, Json(noted::<MeBody>)),
    route(
        ("GET", "/v1/me/audit"),
        Access::SignedIn,
        "What the audit log has of the caller",
        Nothing,
        Json(noted::<AuditBody>),
    ),
    route(
        ("GET", "/v1/metrics"),
        Access::Claim(Claim::Operator),
        "Metrics in Prometheus' form",
        Nothing,
        Text,
    ),
    route(
        ("GET", "/v1/audit"),
        Access::Claim(Claim::Auditor),
        "Entries of the audit log",
        Nothing,
        Json(noted::<AuditBody>),
    ),
    route(
        ("GET", "/v1/plugins"),
        ADMINISTRATOR,
        "Plugins that are accepted, those that are no more, and the keys that count",
        Nothing,
        Json(noted::<PluginsBody>),
    ),
    route(
        ("POST", "/v1/plugins"),
        ADMINISTRATOR,
        "Register a plugin: its file; name, BLAKE3 and signature (base64 of the .minisig) stand in headers",
        Bytes,
        Json(noted::<PluginBody>),
    ),
    route(
        ("GET", "/v1/plugins/{plugin}"),
        ADMINISTRATOR,
        "A registered plugin",
        Nothing,
        Json(noted::<PluginBody>),
    ),
    route(
        ("POST", "/v1/plugins/{plugin}/verify"),
        ADMINISTRATOR,
        "See that a plugin is the file that was accepted, and can be used",
        Nothing,
        Json(noted::<VerifiedBody>),
    ),
    route(
        ("POST", "/v1/plugins/{plugin}/revoke"),
        ADMINISTRATOR,
        "Accept a build no more: jobs that wait or are computed with it end",
        Json(noted::<RevokeBody>),
        Json(noted::<RevokedBody>),
    ),
    route(
        ("GET", "/v1/datasets"),
        Access::SignedIn,
        "The caller's datasets",
        Nothing,
        Json(noted::<DatasetsBody>),
    ),
    route(
        ("POST", "/v1/datasets"),
        Access::Claim(Claim::Owner),
        "Create a dataset",
        Json(noted::<NewDatasetBody>),
        Json(noted::<DatasetBody>),
    ),
    route(("GET", "/v1/datasets/{dataset}"), ANYONE, "A dataset", Nothing, Json(noted::<DatasetBody>)),
    route(
        ("DELETE", "/v1/datasets/{dataset}"),
        OWNER,
        "Erase a dataset: its key, its ciphertexts, its results",
        Nothing,
        Json(noted::<ReceiptBody>),
    ),
    route(
        ("GET", "/v1/datasets/{dataset}/audit"),
        Access::Dataset(&[Role::Owner, Role::Auditor]),
        "Entries about a dataset",
        Nothing,
        Json(noted::<AuditBody>),
    ),
    route(
        ("GET", "/v1/datasets/{dataset}/grants"),
        Access::Dataset(&[Role::Owner, Role::Auditor]),
        "Who is what",
        Nothing,
        Json(noted::<GrantsBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/grants"),
        OWNER,
        "Give a role",
        Json(noted::<crate::datasets::Grant>),
        Json(noted::<GrantsBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/grants/revoke"),
        OWNER,
        "Take a role",
        Json(noted::<crate::datasets::Grant>),
        Json(noted::<GrantsBody>),
    ),
    route(
        ("GET", "/v1/datasets/{dataset}/schema"),
        READERS,
        "The schema of the published version",
        Nothing,
        Text,
    ),
    route(
        ("GET", "/v1/datasets/{dataset}/manifest"),
        Access::Dataset(&[Role::Owner, Role::Custodian]),
        "The manifest of a version with its signature: of `version`, or of the published one",
        Nothing,
        Json(noted::<ManifestBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/versions"),
        OWNER,
        "Begin or resume the upload of a version",
        Json(noted::<NewVersionBody>),
        Json(noted::<VersionBody>),
    ),
    route(
        ("GET", "/v1/datasets/{dataset}/versions/{version}"),
        OWNER,
        "How far an upload is",
        Nothing,
        Json(noted::<VersionBody>),
    ),
    route(
        ("DELETE", "/v1/datasets/{dataset}/versions/{version}"),
        OWNER,
        "Take a version back: its ciphertexts and keys",
        Nothing,
        Json(noted::<ReceiptBody>),
    ),
    route(
        ("PUT", "/v1/datasets/{dataset}/versions/{version}/files/{file}/chunks/{number}"),
        OWNER,
        "Upload a chunk; its BLAKE3 stands in the header `hq-digest`",
        Bytes,
        Nothing,
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/versions/{version}/publish"),
        OWNER,
        "Check everything that was uploaded, and publish it",
        Nothing,
        Json(noted::<VersionBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/check"),
        READERS,
        "Check a program",
        Json(noted::<ProgramBody>),
        Json(noted::<CheckedBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/explain"),
        READERS,
        "Show how a program is computed",
        Json(noted::<ProgramBody>),
        Json(noted::<ExplainedBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/jobs"),
        Access::Dataset(&[Role::Researcher]),
        "Submit a program; the header `idempotency-key` is needed",
        Json(noted::<SubmitBody>),
        Json(noted::<JobBody>),
    ),
    route(
        ("POST", "/v1/datasets/{dataset}/jobs/sealed"),
        Access::Dataset(&[Role::Researcher]),
        "The same with secret parameters: four bytes with the length of the document, little-endian, the document, and what `hq \
         seal` makes",
        Bytes,
        Json(noted::<JobBody>),
    ),
    route(
        ("GET", "/v1/jobs"),
        Access::SignedIn,
        "The caller's jobs, and those of datasets whose results the caller opens",
        Nothing,
        Json(noted::<JobsBody>),
    ),
    route(("GET", "/v1/jobs/{job}"), JOB_READERS, "A job", Nothing, Json(noted::<JobBody>)),
    route(
        ("DELETE", "/v1/jobs/{job}"),
        Access::JobOrOwn(&[Role::Owner]),
        "Cancel a job",
        Nothing,
        Json(noted::<JobBody>),
    ),
    route(("GET", "/v1/jobs/{job}/events"), JOB_READERS, "How far a job is, as it goes on", Nothing, Events),
    route(("GET", "/v1/jobs/{job}/result"), CUSTODIAN_OF_JOB, "The encrypted result", Nothing, Bytes),
    route(
        ("PUT", "/v1/jobs/{job}/release"),
        CUSTODIAN_OF_JOB,
        "Release a table, encrypted to the researcher",
        Bytes,
        Json(noted::<JobBody>),
    ),
    route(
        ("POST", "/v1/jobs/{job}/refuse"),
        CUSTODIAN_OF_JOB,
        "Refuse to release",
        Json(noted::<ReasonBody>),
        Json(noted::<JobBody>),
    ),
    route(
        ("GET", "/v1/jobs/{job}/release"),
        OWN_JOB,
        "The released table, encrypted to the researcher",
        Nothing,
        Bytes,
    ),
];

/// The route of a request, with what stands for the names in its path.
#[must_use]
pub fn find(method: &Method, path: &str) -> Option<(&'static Route, Vec<(String, String)>)> {
    ROUTES.iter().filter(|route| route.method == method.as_str()).find_map(|route| {
        let mut names = Vec::new();
        let (mut wanted, mut given) = (route.path.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some((route, names)),
                (Some(wanted), Some(given)) => {
                    match wanted.strip_prefix('{').and_then(|wanted| wanted.strip_suffix('}')) {
                        Some(name) if is_segment(given) => names.push((name.to_owned(), given.to_owned())),
                        None if wanted == given => {}
                        Some(_) | None => return None,
                    }
                }
                (Some(_), None) | (None, Some(_)) => return None,
            }
        }
    })
}

/// Names are of plain signs, so none leads elsewhere or has two spellings.
#[must_use]
pub fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.len() <= 200 && !text.starts_with('.') && text.chars().all(plain)
}

/// Puts the handlers to their routes. Requests with secret parameters have at most so many bytes.
pub fn configure(config: &mut web::ServiceConfig, parameter_bytes: usize) {
    config
        .route("/", web::get().to(page::index))
        .route("/page/{file}", web::get().to(page::file))
        .route("/health/live", web::get().to(service::live))
        .route("/health/ready", web::get().to(service::ready))
        .route("/v1/openapi.json", web::get().to(service::openapi))
        .route("/v1/service", web::get().to(service::service))
        .route("/v1/me", web::get().to(service::me))
        .route("/v1/me/audit", web::get().to(audit::own))
        .route("/v1/metrics", web::get().to(service::metrics))
        .route("/v1/audit", web::get().to(audit::all))
        .route("/v1/plugins", web::get().to(plugins::list))
        .route("/v1/plugins", web::post().to(plugins::register))
        .route("/v1/plugins/{plugin}", web::get().to(plugins::show))
        .route("/v1/plugins/{plugin}/verify", web::post().to(plugins::verify))
        .route("/v1/plugins/{plugin}/revoke", web::post().to(plugins::revoke))
        .route("/v1/datasets", web::get().to(datasets::list))
        .route("/v1/datasets", web::post().to(datasets::create))
        .route("/v1/datasets/{dataset}", web::get().to(datasets::show))
        .route("/v1/datasets/{dataset}", web::delete().to(erasure::erase))
        .route("/v1/datasets/{dataset}/audit", web::get().to(audit::of_dataset))
        .route("/v1/datasets/{dataset}/grants", web::get().to(datasets::grants))
        .route("/v1/datasets/{dataset}/grants", web::post().to(datasets::grant))
        .route("/v1/datasets/{dataset}/grants/revoke", web::post().to(datasets::revoke))
        .route("/v1/datasets/{dataset}/schema", web::get().to(versions::schema))
        .route("/v1/datasets/{dataset}/manifest", web::get().to(versions::manifest))
        .route("/v1/datasets/{dataset}/versions", web::post().to(versions::begin))
        .route("/v1/datasets/{dataset}/versions/{version}", web::get().to(versions::show))
        .route("/v1/datasets/{dataset}/versions/{version}", web::delete().to(erasure::withdraw))
        .route(
            "/v1/datasets/{dataset}/versions/{version}/files/{file}/chunks/{number}",
            web::put().to(versions::put_chunk),
        )
        .route("/v1/datasets/{dataset}/versions/{version}/publish", web::post().to(versions::publish))
        .route("/v1/datasets/{dataset}/check", web::post().to(programs::check))
        .route("/v1/datasets/{dataset}/explain", web::post().to(programs::explain))
        .route("/v1/datasets/{dataset}/jobs", web::post().to(jobs::submit))
        .service(
            web::resource("/v1/datasets/{dataset}/jobs/sealed")
                .app_data(web::PayloadConfig::new(parameter_bytes))
                .route(web::post().to(jobs::submit_sealed)),
        )
        .route("/v1/jobs", web::get().to(jobs::list))
        .route("/v1/jobs/{job}", web::get().to(jobs::show))
        .route("/v1/jobs/{job}", web::delete().to(jobs::cancel))
        .route("/v1/jobs/{job}/events", web::get().to(jobs::events))
        .route("/v1/jobs/{job}/result", web::get().to(results::result))
        .route("/v1/jobs/{job}/release", web::put().to(results::release))
        .route("/v1/jobs/{job}/refuse", web::post().to(results::refuse))
        .route("/v1/jobs/{job}/release", web::get().to(results::released));
}

/// A body of bytes that came whole.
///
/// # Errors
/// It is too long, or broke off.
pub(crate) fn whole(bytes: std::result::Result<web::Bytes, actix_web::Error>) -> Result<web::Bytes> {
    bytes.map_err(|error| {
        let large = error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(if large { Code::TooLarge } else { Code::Invalid }, format!("The body: {error}."))
    })
}

/// A page of a list: at most so many.
///
/// # Errors
/// A page of nothing.
pub(crate) fn page(limit: Option<u32>, most: u32) -> Result<u32> {
    match limit.unwrap_or(most) {
        0 => Err(Problem::invalid("`limit` is at least 1.")),
        limit => Ok(limit.min(most)),
    }
}
