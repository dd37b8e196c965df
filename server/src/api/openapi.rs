//! The OpenAPI document: made from the table of routes and the types that go in and out.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Content as Media, InfoBuilder, OpenApiBuilder, Ref, Required};

use super::{Content, ROUTES, Route, Schemas, noted};
use crate::problem::ProblemBody;
use crate::roles::Access;

/// The document as JSON.
///
/// # Errors
/// What JSON cannot hold.
pub fn document() -> Result<String, serde_json::Error> {
    let mut schemas = Schemas::new();
    let problem = noted::<ProblemBody>(&mut schemas);
    let mut paths = Paths::new();
    for route in ROUTES {
        let method = match route.method {
            "GET" => HttpMethod::Get,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Post,
        };
        let mut operation = OperationBuilder::new()
            .summary(Some(route.summary))
            .description(Some(access(route.access)))
            .operation_id(Some(id(route)))
            .response(if route.gives_new() { "201" } else { "200" }, {
                let done = ResponseBuilder::new().description("Done");
                match media(route.gives, &mut schemas) {
                    Some((kind, media)) => done.content(kind, media),
                    None => done,
                }
            })
            .response(
                "default",
                ResponseBuilder::new()
                    .description("Not done, and why")
                    .content("application/problem+json", Media::new(Some(Ref::from_schema_name(&problem)))),
            );
        for parameter in parameters(route) {
            operation = operation.parameter(parameter);
        }
        if let Some((kind, media)) = media(route.takes, &mut schemas) {
            let body = RequestBodyBuilder::new().content(kind, media).required(Some(Required::True)).build();
            operation = operation.request_body(Some(body));
        }
        if route.access != Access::Public {
            operation = operation.security(SecurityRequirement::new("token", [""; 0]));
        }
        paths.add_path_operation(route.path, vec![method], operation.build());
    }
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .build();
    let info = InfoBuilder::new().title("hq-server").version(env!("CARGO_PKG_VERSION")).build();
    let document = OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build();
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

impl Route {
    fn gives_new(&self) -> bool {
        self.method == "POST"
            && ["/datasets", "/versions", "/jobs", "/jobs/sealed", "/plugins"]
                .iter()
                .any(|end| self.path.ends_with(end))
    }
}

/// `GET /v1/jobs/{job}` is `get_jobs_job`.
fn id(route: &Route) -> String {
    let words = route.path.trim_start_matches("/v1").replace(['{', '}'], "").replace(['/', '.'], "_");
    format!("{}{words}", route.method.to_lowercase())
}

fn access(access: Access) -> String {
    match access {
        Access::Public => "Anyone, without a token.".to_owned(),
        Access::SignedIn => "Anyone with a token.".to_owned(),
        Access::Claim(claim) => format!("Whose token says {claim:?}."),
        Access::Dataset(roles) | Access::Job(roles) => format!("For the dataset: {roles:?}."),
        Access::JobOrOwn(roles) => format!("Whoever submitted the job, and for its dataset: {roles:?}."),
    }
}

fn media(content: Content, schemas: &mut Schemas) -> Option<(&'static str, Media)> {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let binary = || {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()
    };
    match content {
        Content::Nothing => None,
        Content::Json(note) => {
            let name = note(schemas);
            Some(("application/json", Media::new(Some(Ref::from_schema_name(name)))))
        }
        Content::Bytes => {
            Some(("application/octet-stream", ContentBuilder::new().schema(Some(binary())).build()))
        }
        Content::Text => Some(("text/plain", ContentBuilder::new().schema(Some(text())).build())),
        Content::Page => Some(("*/*", ContentBuilder::new().schema(Some(text())).build())),
        Content::Events => Some(("text/event-stream", ContentBuilder::new().schema(Some(text())).build())),
    }
}

fn parameters(route: &Route) -> Vec<Parameter> {
    let string = || ObjectBuilder::new().schema_type(Type::String).build();
    let parameter = |name: &str, place: ParameterIn, required: Required| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .schema(Some(string()))
            .build()
    };
    let named = route.path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Parameter> =
        named.map(|name| parameter(name, ParameterIn::Path, Required::True)).collect();
    let queries: &[&str] = match (route.method, route.path) {
        ("GET", "/v1/jobs") => &["state", "before", "limit"],
        ("GET", "/v1/me/audit") => &["after", "limit", "from", "until"],
        ("GET", path) if path.ends_with("/audit") => &["after", "limit", "subject", "from", "until"],
        ("GET", path) if path.ends_with("/manifest") => &["version"],
        _ => &[],
    };
    all.extend(queries.iter().map(|name| parameter(name, ParameterIn::Query, Required::False)));
    match (route.method, route.path) {
        ("PUT", path) if path.contains("/chunks/") => {
            all.push(parameter("hq-digest", ParameterIn::Header, Required::True));
        }
        ("POST", "/v1/plugins") => {
            let headers = ["hq-file", "hq-digest", "hq-signature"];
            all.extend(headers.map(|name| parameter(name, ParameterIn::Header, Required::True)));
        }
        ("POST", path) if path.ends_with("/jobs") || path.ends_with("/jobs/sealed") => {
            all.push(parameter("idempotency-key", ParameterIn::Header, Required::True));
        }
        _ => {}
    }
    all
}
