//! Every fault of a token, against an issuer whose keys rotate.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hq_engine::signed::SigningKey;
use hq_server::config::Config;
use hq_server::identity::{TokenFault, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const DER: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// An issuer with the keys of some seeds, named by them.
struct Issuer {
    root: String,
    seeds: Arc<Mutex<Vec<u8>>>,
}

fn keys(seeds: &[u8]) -> Value {
    let key = |&seed: &u8| {
        let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": seed.to_string(), "x": x })
    };
    json!({ "keys": seeds.iter().map(key).collect::<Vec<_>>() })
}

impl Issuer {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let seeds = Arc::new(Mutex::new(vec![1]));
        let (address, held) = (root.clone(), Arc::clone(&seeds));
        std::thread::spawn(move || {
            let serve = HttpServer::new(move || {
                let (address, held) = (address.clone(), Arc::clone(&held));
                let discovery = json!({ "issuer": address, "jwks_uri": format!("{address}/keys") });
                App::new()
                    .route(
                        "/.well-known/openid-configuration",
                        web::get().to(move || {
                            let discovery = discovery.clone();
                            async move { web::Json(discovery) }
                        }),
                    )
                    .route(
                        "/keys",
                        web::get().to(move || {
                            let keys = keys(&held.lock().unwrap());
                            async move { web::Json(keys) }
                        }),
                    )
            });
            actix_web::rt::System::new().block_on(serve.workers(1).listen(listener).unwrap().run()).unwrap();
        });
        Self { root, seeds }
    }

    fn verifier(&self) -> Verifier {
        let text = format!(
            "data = \"x\"\n[identity]\nissuer = \"{}\"\naudience = \"hq\"\nleeway_s = 0\n",
            self.root
        );
        Verifier::new(Config::of(text.parse().unwrap(), []).unwrap().identity).unwrap()
    }

    fn claims(&self) -> Value {
        let now = hq_engine::clock::now_s();
        json!({ "iss": self.root, "aud": "hq", "sub": "ann", "exp": now + 60, "roles": ["hq-owner"] })
    }
}

fn header(seed: u8) -> Header {
    Header { typ: Some("at+jwt".to_owned()), kid: Some(seed.to_string()), ..Header::new(Algorithm::EdDSA) }
}

fn signed(header: &Header, claims: &Value, seed: u8) -> String {
    encode(header, claims, &EncodingKey::from_ed_der(&[&DER[..], &[seed; 32]].concat())).unwrap()
}

fn checked(verifier: &Verifier, token: &str) -> Result<String, TokenFault> {
    verifier.check(Some(&format!("Bearer {token}"))).map(|caller| caller.subject)
}

#[test]
fn authorities_that_are_none_stop_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |file: &str| {
        let ca = folder.path().join(file);
        let text = format!(
            "data = \"x\"\n[identity]\nissuer = \"https://id.example\"\naudience = \"hq\"\nca = {ca:?}\n"
        );
        Verifier::new(Config::of(text.parse().unwrap(), []).unwrap().identity).unwrap_err()
    };
    std::fs::write(folder.path().join("empty.pem"), "no certificate").unwrap();
    assert!(refused("empty.pem").contains("empty.pem: holds no certificate"), "{}", refused("empty.pem"));
    assert!(refused("absent.pem").starts_with("identity.ca: "), "{}", refused("absent.pem"));
}

#[test]
fn every_fault_of_a_token_is_refused() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let good = signed(&header(1), &issuer.claims(), 1);
    let caller = verifier.check(Some(&format!("Bearer {good}"))).unwrap();
    assert!(caller.owner && !caller.auditor && caller.subject == "ann");

    assert!(matches!(verifier.check(None), Err(TokenFault::None)));
    assert!(matches!(verifier.check(Some(&format!("Basic {good}"))), Err(TokenFault::None)));
    assert!(matches!(checked(&verifier, "x.y.z"), Err(TokenFault::Form)));
    assert!(matches!(checked(&verifier, &"x".repeat(20_000)), Err(TokenFault::Form)));
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { unreachable!() };

    // alg none, with and without a signature.
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt","kid":"1"}"#);
    for token in [format!("{none}.{body}."), format!("{none}.{body}.{signature}")] {
        assert!(checked(&verifier, &token).is_err());
    }
    // The public key as a shared secret.
    let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
    let shared = Header { alg: Algorithm::HS256, ..header(1) };
    let token = encode(&shared, &issuer.claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap();
    assert!(matches!(checked(&verifier, &token), Err(TokenFault::Algorithm)));
    // An ID token, or a token that says nothing.
    for kind in [Some("JWT".to_owned()), None] {
        let token = signed(&Header { typ: kind, ..header(1) }, &issuer.claims(), 1);
        assert!(matches!(checked(&verifier, &token), Err(TokenFault::Kind)));
    }
    // Claims.
    let now = hq_engine::clock::now_s();
    let faults = [
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("iss", json!("https://other.example")),
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
        ("nbf", json!(now + 60)),
        ("sub", json!("")),
        ("sub", Value::Null),
    ];
    for (claim, value) in faults {
        let mut claims = issuer.claims();
        let fields = claims.as_object_mut().unwrap();
        fields.remove(claim);
        if !value.is_null() {
            fields.insert(claim.to_owned(), value.clone());
        }
        assert!(checked(&verifier, &signed(&header(1), &claims, 1)).is_err(), "{claim} {value}");
    }
    // Tampered content, another key's signature under this key's name, no name.
    let mut claims = issuer.claims();
    claims["sub"] = json!("eve");
    let eve = URL_SAFE_NO_PAD.encode(claims.to_string());
    assert!(checked(&verifier, &format!("{head}.{eve}.{signature}")).is_err());
    assert!(checked(&verifier, &signed(&header(1), &issuer.claims(), 2)).is_err());
    let nameless = Header { kid: None, ..header(1) };
    assert!(matches!(checked(&verifier, &signed(&nameless, &issuer.claims(), 1)), Err(TokenFault::Key)));
}

#[test]
fn keys_rotate() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let old = signed(&header(1), &issuer.claims(), 1);
    let new = signed(&header(2), &issuer.claims(), 2);
    assert!(checked(&verifier, &old).is_ok());
    // The issuer is not asked for every token that names an unknown key.
    *issuer.seeds.lock().unwrap() = vec![2];
    assert!(matches!(checked(&verifier, &new), Err(TokenFault::Key)));
    std::thread::sleep(Duration::from_millis(5100));
    assert!(checked(&verifier, &new).is_ok());
    assert!(matches!(checked(&verifier, &old), Err(TokenFault::Key)));
}
