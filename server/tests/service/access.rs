//! Every route and every role against a table of who may.

use hq_server::api::ROUTES;
use hq_server::roles::{Access, Claim, Role};

use crate::running::Running;

const PUBLISHER: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// Who may call each route: those named get through the gate, whatever the handler then says.
const EXPECTED: &[(&str, &str)] = &[
    ("GET /", "all"),
    ("GET /page/{file}", "all"),
    ("GET /health/live", "all"),
    ("GET /health/ready", "all"),
    ("GET /v1/openapi.json", "all"),
    ("GET /v1/service", "all"),
    ("GET /v1/me", "token"),
    ("GET /v1/me/audit", "token"),
    ("GET /v1/metrics", "operator"),
    ("GET /v1/audit", "auditor"),
    ("GET /v1/plugins", "administrator"),
    ("POST /v1/plugins", "administrator"),
    ("GET /v1/plugins/{plugin}", "administrator"),
    ("POST /v1/plugins/{plugin}/verify", "administrator"),
    ("POST /v1/plugins/{plugin}/revoke", "administrator"),
    ("GET /v1/datasets", "token"),
    ("POST /v1/datasets", "owner"),
    ("GET /v1/datasets/{dataset}", "owner researcher custodian inspector"),
    ("DELETE /v1/datasets/{dataset}", "owner"),
    ("GET /v1/datasets/{dataset}/audit", "owner inspector"),
    ("GET /v1/datasets/{dataset}/grants", "owner inspector"),
    ("POST /v1/datasets/{dataset}/grants", "owner"),
    ("POST /v1/datasets/{dataset}/grants/revoke", "owner"),
    ("GET /v1/datasets/{dataset}/schema", "owner researcher custodian"),
    ("GET /v1/datasets/{dataset}/manifest", "owner custodian"),
    ("POST /v1/datasets/{dataset}/versions", "owner"),
    ("GET /v1/datasets/{dataset}/versions/{version}", "owner"),
    ("DELETE /v1/datasets/{dataset}/versions/{version}", "owner"),
    ("PUT /v1/datasets/{dataset}/versions/{version}/files/{file}/chunks/{number}", "owner"),
    ("POST /v1/datasets/{dataset}/versions/{version}/publish", "owner"),
    ("POST /v1/datasets/{dataset}/check", "owner researcher custodian"),
    ("POST /v1/datasets/{dataset}/explain", "owner researcher custodian"),
    ("POST /v1/datasets/{dataset}/jobs", "researcher"),
    ("POST /v1/datasets/{dataset}/jobs/sealed", "researcher"),
    ("GET /v1/jobs", "token"),
    // There is no such job: nobody has a right to it, and nobody learns that there is none.
    ("GET /v1/jobs/{job}", ""),
    ("DELETE /v1/jobs/{job}", ""),
    ("GET /v1/jobs/{job}/events", ""),
    ("GET /v1/jobs/{job}/result", ""),
    ("PUT /v1/jobs/{job}/release", ""),
    ("POST /v1/jobs/{job}/refuse", ""),
    ("GET /v1/jobs/{job}/release", ""),
];

const USERS: [&str; 8] =
    ["owner", "researcher", "custodian", "inspector", "auditor", "operator", "administrator", "stranger"];

#[test]
fn every_route_and_every_role() {
    let running = Running::new();
    running.dataset("clinic", PUBLISHER);
    let tokens = USERS.map(|user| (user, running.token(user)));
    assert_eq!(ROUTES.len(), EXPECTED.len());
    // What erases comes last.
    let mut routes: Vec<_> = ROUTES.iter().collect();
    routes.sort_by_key(|route| route.method == "DELETE");
    let mut refusals = 0;
    for route in routes {
        let (_, may) = EXPECTED.iter().find(|(name, _)| *name == route.action()).unwrap();
        let path =
            route.path.replace("{dataset}", "clinic").replace("{version}", "1").replace("{file}", "a.hqc");
        let path = path
            .replace("{plugin}", "risk")
            .replace("{number}", "0")
            .replace("{job}", "0123456789abcdef0123456789abcdef");
        let anyone = running.send(route.method, &path, None, &[], b"");
        assert_eq!(
            anyone.status == 401,
            *may != "all",
            "{} without a token: {}",
            route.action(),
            anyone.status
        );
        for (user, token) in &tokens {
            let answer = running.json(route.method, &path, token, &serde_json::json!({}));
            let expected = matches!(*may, "all" | "token") || may.split(' ').any(|name| name == *user);
            let through = answer.status != 403;
            assert_eq!(through, expected, "{} as {user}: {}", route.action(), answer.status);
            assert!(answer.status < 500, "{} as {user}: {}", route.action(), answer.status);
            // A handler stands behind every route: what it does not find is a problem with a code.
            if answer.status == 404 {
                assert_eq!(answer.code(), "not-found", "{} as {user}", route.action());
            }
            assert_ne!(answer.status, 405, "{} has no handler", route.action());
            refusals += u64::from(!through);
        }
    }
    // Each refusal is in the log, with who and what.
    let auditor = &tokens.iter().find(|(user, _)| *user == "auditor").unwrap().1;
    let audit = running.send("GET", "/v1/audit", Some(auditor), &[], b"").json();
    let lines: Vec<&str> =
        audit["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let forbidden = lines.iter().filter(|line| line.contains("\"outcome\":\"forbidden\"")).count() as u64;
    assert_eq!(forbidden, refusals);
    let heads: Vec<hq_engine::audit::Head> = serde_json::from_value(audit["heads"].clone()).unwrap();
    let verified = hq_engine::audit::verify(lines.iter().copied(), &heads, None).unwrap();
    assert_eq!(verified.0, lines.len() as u64);
}

#[test]
fn what_is_no_route_is_not_there() {
    let running = Running::new();
    let owner = running.token("owner");
    for (method, path) in [
        ("GET", "/page"),
        ("GET", "/v1"),
        ("GET", "/v1/me/"),
        ("POST", "/v1/me"),
        ("PATCH", "/v1/datasets"),
        ("GET", "/v1/datasets/%2e%2e"),
        ("GET", "/v1/datasets/a%2fb"),
        ("GET", "/v1//datasets"),
    ] {
        let answer = running.send(method, path, Some(&owner), &[], b"");
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{method} {path}");
    }
}

#[test]
fn a_dataset_keeps_an_owner_and_a_revoked_role_is_gone() {
    let running = Running::new();
    let owner = running.dataset("clinic", PUBLISHER);
    let researcher = running.token("researcher");
    assert_eq!(running.send("GET", "/v1/datasets/clinic", Some(&researcher), &[], b"").status, 200);
    let grant = serde_json::json!({ "subject": "researcher", "role": "researcher" });
    assert_eq!(running.json("POST", "/v1/datasets/clinic/grants/revoke", &owner, &grant).status, 200);
    assert_eq!(running.send("GET", "/v1/datasets/clinic", Some(&researcher), &[], b"").status, 403);
    let last = serde_json::json!({ "subject": "owner", "role": "owner" });
    let refused = running.json("POST", "/v1/datasets/clinic/grants/revoke", &owner, &last);
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
    let taken = serde_json::json!({ "name": "clinic", "publisher": PUBLISHER });
    assert_eq!(running.json("POST", "/v1/datasets", &owner, &taken).status, 409);
    let bad = running.json(
        "POST",
        "/v1/datasets",
        &owner,
        &serde_json::json!({ "name": "../x", "publisher": PUBLISHER }),
    );
    assert_eq!((bad.status, bad.code().as_str()), (400, "invalid"));
}

#[test]
fn entries_are_picked_by_person_dataset_and_time() {
    let running = Running::new();
    let owner = running.dataset("clinic", PUBLISHER);
    let (researcher, auditor) = (running.token("researcher"), running.token("auditor"));
    assert_eq!(running.send("DELETE", "/v1/datasets/clinic", Some(&researcher), &[], b"").status, 403);
    let lines = |token: &str, path: &str| -> Vec<String> {
        let answer = running.send("GET", path, Some(token), &[], b"");
        assert_eq!(answer.status, 200, "{path}");
        serde_json::from_value(answer.json()["lines"].clone()).unwrap()
    };
    let own = lines(&researcher, "/v1/me/audit");
    assert!(own.len() == 1 && own[0].contains("\"forbidden\"") && own[0].contains("DELETE"), "{own:?}");
    assert_eq!(lines(&auditor, "/v1/audit?subject=researcher"), own);
    assert_eq!(lines(&owner, "/v1/me/audit").len(), 4);
    assert_eq!(lines(&owner, "/v1/datasets/clinic/audit?subject=owner").len(), 4);
    assert_eq!(lines(&auditor, "/v1/audit?from=2020-01-01&until=2999-01-01"), lines(&auditor, "/v1/audit"));
    for path in
        ["/v1/audit?from=2999-01-01", "/v1/audit?until=2020-01-01T00:00:00Z", "/v1/audit?subject=nobody"]
    {
        assert!(lines(&auditor, path).is_empty(), "{path}");
    }
    for path in ["/v1/audit?from=yesterday", "/v1/me/audit?subject=owner", "/v1/audit?other=1"] {
        assert_eq!(running.send("GET", path, Some(&auditor), &[], b"").status, 400, "{path}");
    }
}

#[test]
fn routes_say_who_may() {
    assert!(ROUTES.iter().any(|route| route.access == Access::Claim(Claim::Operator)));
    let results = ROUTES.iter().find(|route| route.path.ends_with("/result")).unwrap();
    assert_eq!(results.access, Access::Job(&[Role::Custodian]));
}
