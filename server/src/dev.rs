//! `--dev`: an issuer of the service's own, on loopback, which believes every name. It is for trials on one machine, and says so.
//!
//! A token's subject is the name that was typed; `owner`, `operator`, `auditor` and `administrator` have the claim of that name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hq_engine::signed::{SigningKey, hex};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::IdentityConfig;
use crate::envelope::{EnvelopeError, key_file, random};
use crate::problem::{Problem, Result};
use hq_engine::clock;

/// Seconds for which tokens are good.
const TOKEN_S: u64 = 3600;
/// Most logins that wait for a name.
const MAX_WAITING: usize = 1000;
/// PKCS #8 around an Ed25519 seed (RFC 8410).
const ED25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The issuer.
#[derive(Debug)]
pub struct DevIssuer {
    identity: IdentityConfig,
    seed: [u8; 32],
    /// By device code: the user code, and the name once it is known.
    logins: Mutex<BTreeMap<String, (String, Option<String>)>>,
}

/// As handlers have it.
type Issuer = web::Data<DevIssuer>;

impl DevIssuer {
    /// An issuer with the key of a file, so that tokens outlast the service.
    ///
    /// # Errors
    /// A file that is no key.
    pub fn new(identity: IdentityConfig, key: &Path) -> std::result::Result<Self, EnvelopeError> {
        Ok(Self { identity, seed: key_file(key)?, logins: Mutex::default() })
    }

    /// An access token of a name.
    ///
    /// # Errors
    /// A key that cannot sign.
    pub fn token(&self, user: &str) -> Result<String> {
        let roles: Vec<&str> = match user {
            "owner" => vec![&self.identity.owner],
            "operator" => vec![&self.identity.operator],
            "auditor" => vec![&self.identity.auditor],
            "administrator" => vec![&self.identity.administrator],
            _ => Vec::new(),
        };
        let now = clock::now_s();
        let mut claims = json!({
            "iss": self.identity.issuer, "aud": self.identity.audience, "sub": user,
            "iat": now, "exp": now + TOKEN_S, "client_id": self.identity.client_id,
        });
        if let Some(claims) = claims.as_object_mut() {
            claims.insert(self.identity.roles_claim.clone(), json!(roles));
        }
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some("dev".to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let der = [&ED25519_PKCS8[..], &self.seed].concat();
        encode(&header, &claims, &EncodingKey::from_ed_der(&der)).map_err(Problem::internal)
    }

    fn keys(&self) -> Value {
        let public = SigningKey::from_bytes(&self.seed).verifying_key();
        let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "dev", "x": x }] })
    }
}

/// Puts the issuer's pages under `/dev`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/dev/.well-known/openid-configuration", web::get().to(discovery))
        .route("/dev/keys", web::get().to(keys))
        .route("/dev/device_authorization", web::post().to(begin))
        .route("/dev/device", web::get().to(page))
        .route("/dev/device", web::post().to(name))
        .route("/dev/token", web::post().to(token));
}

async fn discovery(issuer: Issuer) -> web::Json<Value> {
    let root = &issuer.identity.issuer;
    web::Json(json!({
        "issuer": root,
        "jwks_uri": format!("{root}/keys"),
        "token_endpoint": format!("{root}/token"),
        "device_authorization_endpoint": format!("{root}/device_authorization"),
    }))
}

async fn keys(issuer: Issuer) -> web::Json<Value> {
    web::Json(issuer.keys())
}

async fn begin(issuer: Issuer) -> Result<HttpResponse> {
    let device = hex(&random::<16>().map_err(Problem::internal)?);
    let user = hex(&random::<4>().map_err(Problem::internal)?).to_uppercase();
    let mut logins = issuer.logins.lock().unwrap_or_else(PoisonError::into_inner);
    if logins.len() >= MAX_WAITING {
        logins.clear();
    }
    logins.insert(device.clone(), (user.clone(), None));
    let root = &issuer.identity.issuer;
    Ok(HttpResponse::Ok().json(json!({
        "device_code": device, "user_code": user, "verification_uri": format!("{root}/device"),
        "expires_in": 600, "interval": 1,
    })))
}

async fn page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(
        "<!doctype html><title>Log in for a trial</title><h1>For trials only</h1><p>This issuer believes every name.</p>\
         <form method=post><label>Code <input name=user_code></label> <label>Name <input name=user></label> \
         <button>Log in</button></form>",
    )
}

#[derive(Deserialize)]
struct Named {
    user_code: String,
    user: String,
}

async fn name(issuer: Issuer, named: web::Form<Named>) -> Result<&'static str> {
    let mut logins = issuer.logins.lock().unwrap_or_else(PoisonError::into_inner);
    let login = logins.values_mut().find(|(code, _)| *code == named.user_code);
    let (_, user) = login.ok_or_else(|| Problem::not_found("such code"))?;
    *user = Some(named.user.clone());
    Ok("Logged in. Go back to the terminal.\n")
}

#[derive(Deserialize)]
struct Asked {
    grant_type: String,
    #[serde(default)]
    device_code: String,
}

async fn token(issuer: Issuer, asked: web::Form<Asked>) -> Result<HttpResponse> {
    let error = |code: &str| Ok(HttpResponse::BadRequest().json(json!({ "error": code })));
    if asked.grant_type != "urn:ietf:params:oauth:grant-type:device_code" {
        return error("unsupported_grant_type");
    }
    let user = {
        let mut logins = issuer.logins.lock().unwrap_or_else(PoisonError::into_inner);
        match logins.get(&asked.device_code) {
            None => return error("invalid_grant"),
            Some((_, None)) => return error("authorization_pending"),
            Some((_, Some(_))) => logins.remove(&asked.device_code).and_then(|(_, user)| user),
        }
    };
    let token = issuer.token(&user.unwrap_or_default())?;
    Ok(HttpResponse::Ok()
        .json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S })))
}
