//! The page for researchers and the viewer of the API: files that stand in the program. Nothing of them comes from elsewhere,
//! and the browser is told to load nothing else.

use actix_web::{HttpResponse, web};

use crate::app::Shared;
use crate::problem::{Problem, Result};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const INDEX: &str = include_str!("../page/index.html");

/// Name, type and content.
const FILES: &[(&str, &str, &str)] = &[
    ("api.html", HTML, include_str!("../page/api.html")),
    ("api.js", SCRIPT, include_str!("../page/api.js")),
    ("page.css", "text/css; charset=utf-8", include_str!("../page/page.css")),
    ("page.js", SCRIPT, include_str!("../page/page.js")),
    ("age.js", SCRIPT, include_str!("../page/age.js")),
];

pub(super) async fn index(app: Shared) -> HttpResponse {
    sent(&app, HTML, INDEX)
}

pub(super) async fn file(app: Shared, name: web::Path<String>) -> Result<HttpResponse> {
    let found = FILES.iter().find(|(known, ..)| *known == name.as_str());
    let (_, kind, content) = found.ok_or_else(|| Problem::not_found(format!("file `{name}`")))?;
    Ok(sent(&app, kind, content))
}

fn sent(app: &Shared, kind: &'static str, content: &'static str) -> HttpResponse {
    // Logging in is between the page and the issuer.
    let identity = &app.config.identity;
    let others = [&[origin(&identity.issuer).to_owned()], identity.origins.as_slice()].concat().join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; connect-src 'self' {others}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("Content-Security-Policy", policy))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .insert_header(("Cache-Control", "no-cache"))
        .body(content)
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let path = address.get(host..).and_then(|rest| rest.find('/'));
    path.and_then(|path| address.get(..host + path)).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_origin_has_no_path() {
        for (address, origin) in [
            ("https://id.example/realms/x", "https://id.example"),
            ("http://127.0.0.1:80/dev", "http://127.0.0.1:80"),
            ("https://id.example", "https://id.example"),
        ] {
            assert_eq!(super::origin(address), origin);
        }
    }
}
