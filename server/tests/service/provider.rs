//! The service with a real OpenID provider, `oidc-provider` on Node: discovery, the device flow, access tokens as JWT, roles
//! from claims, refresh tokens that are used once. Without Node or the package, the test says so and passes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::clinic::{PROGRAM, await_computed, opened, owner_of};
use crate::people::{Person, has_client, repository};
use crate::running::Running;

pub(crate) const AUDIENCE: &str = "https://hq.example";
const ROWS: usize = 300;

pub(crate) struct Provider {
    pub(crate) issuer: String,
    agent: ureq::Agent,
    child: Child,
}

impl Provider {
    pub(crate) fn new() -> Option<Self> {
        let folder = repository("server/tests/provider");
        let node = Command::new("node").arg("--version").output().is_ok();
        if !node || !folder.join("node_modules/oidc-provider").is_dir() {
            eprintln!("skipped: Node and `npm ci --prefix server/tests/provider` are needed");
            return None;
        }
        let mut child = Command::new("node")
            .args(["provider.mjs", AUDIENCE])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut issuer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Some(Self { issuer: issuer.trim().to_owned(), agent, child })
    }

    /// What a person does in a browser.
    fn approve(&self, user: &str, code: &str) {
        let answer =
            self.agent.get(format!("{}/approve?user={user}&code={code}", self.issuer)).call().unwrap();
        assert_eq!(answer.status(), 200, "{code}");
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let mut answer = self.agent.post(format!("{}{path}", self.issuer)).send_form(form.to_vec()).unwrap();
        answer.body_mut().read_json().unwrap()
    }

    /// All tokens of a login.
    fn tokens(&self, user: &str) -> Value {
        let asked = [("client_id", "hq"), ("scope", "openid offline_access"), ("resource", AUDIENCE)];
        let begun = self.post("/device/auth", &asked);
        self.approve(user, begun["user_code"].as_str().unwrap());
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        let code = ("device_code", begun["device_code"].as_str().unwrap());
        self.post("/token", &[grant, code, ("client_id", "hq"), ("resource", AUDIENCE)])
    }

    pub(crate) fn person(&self, running: &Running, name: &'static str) -> Person {
        let person = Person::new(name);
        person.login_with(&running.root, |code| self.approve(name, code));
        person
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn people_log_in_at_a_certified_provider() {
    if !has_client("clear") {
        return;
    }
    let Some(provider) = Provider::new() else { return };
    let running = Running::at_issuer(&provider.issuer, AUDIENCE, |_| {});
    // Its ID tokens and opaque tokens are no access tokens of the service.
    let tokens = provider.tokens("owner");
    let me = |kind: &str| running.send("GET", "/v1/me", tokens[kind].as_str(), &[], b"");
    let told = me("access_token");
    assert_eq!(told.status, 200, "{}", String::from_utf8_lossy(&told.body));
    let body = told.json();
    assert!(body["subject"] == "owner" && body["owner"] == true && body["auditor"] == false, "{body}");
    assert_eq!(body["issuer"], provider.issuer.as_str());
    assert_eq!((me("id_token").status, me("refresh_token").status), (401, 401));

    // Tokens end after thirty seconds here, so each command has a new one by its refresh token.
    let owner = owner_of(provider.person(&running, "owner"), "clear", ROWS);
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let ada = provider.person(&running, "ada");
    ada.write("smokers.hq", PROGRAM);
    let kept = || std::fs::read_to_string(ada.path("config/hq/login.json")).unwrap();
    let before = kept();
    let job = ada.ok("submit smokers.hq --dataset clinic --purpose trial --detach").trim().to_owned();
    assert_ne!(kept(), before, "the token was renewed");
    await_computed(&ada, &job);
    opened(&owner, &ada, &job, ROWS);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(ada.path("config/hq/login.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}
