//! A service that runs for a test, on a free port, with the issuer of trials.

use std::path::PathBuf;
use std::sync::mpsc;

use actix_web::dev::ServerHandle;
use hq_server::config::Config;
use hq_server::server::start;
use serde_json::{Value, json};

pub(crate) struct Running {
    pub(crate) root: String,
    /// What the service keeps; removed with it.
    pub(crate) folder: tempfile::TempDir,
    agent: ureq::Agent,
    pub(crate) config: Config,
    at_work: Option<(ServerHandle, std::thread::JoinHandle<()>)>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Folders with plugins and programs that `cargo build` makes.
pub(crate) fn built() -> Vec<PathBuf> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_hq-server"));
    program.parent().map(PathBuf::from).into_iter().collect()
}

impl Running {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With another configuration.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(change, true)
    }

    /// With an issuer that runs elsewhere.
    pub(crate) fn at_issuer(issuer: &str, audience: &str, further: impl FnOnce(&mut Config)) -> Self {
        let change = |config: &mut Config| {
            issuer.clone_into(&mut config.identity.issuer);
            audience.clone_into(&mut config.identity.audience);
            further(config);
        };
        Self::of(change, false)
    }

    fn of(change: impl FnOnce(&mut Config), dev: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = toml::toml! {
            listen = "127.0.0.1:0"
            backends = ["bgv", "clear"]
            [identity]
            issuer = "https://replaced.example"
            audience = "hq-test"
            [limits]
            chunk_bytes = 65536
        };
        let data = folder.path().join("data").display().to_string();
        let worker = env!("CARGO_BIN_EXE_hq-server").to_owned();
        let plugins = format!("{:?}", built());
        let variables = [("DATA", data), ("WORKER", worker.clone()), ("APART", worker), ("PLUGINS", plugins)]
            .map(|(name, value)| (format!("HQ_SERVER_{name}"), value));
        let mut config = Config::of(table, variables).unwrap();
        change(&mut config);
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut running = Self { root: String::new(), folder, agent, config, at_work: None };
        running.begin(dev);
        running
    }

    /// The issuer of trials is the service itself, so a service that begins again has the address it had.
    pub(crate) fn begin(&mut self, dev: bool) {
        let (sender, receiver) = mpsc::channel();
        let config = self.config.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let service = start(config, dev).await.unwrap();
                sender.send((service.address, service.server.handle())).unwrap();
                service.server.await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().unwrap();
        self.config.listen = address;
        self.root = format!("http://{address}");
        self.at_work = Some((handle, thread));
    }

    /// An access token, by the device flow of the issuer.
    pub(crate) fn token(&self, user: &str) -> String {
        let post = |path: &str, form: &[(&str, &str)]| -> Value {
            let mut answer =
                self.agent.post(format!("{}/dev/{path}", self.root)).send_form(form.to_vec()).unwrap();
            serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap_or_default()
        };
        let begun = post("device_authorization", &[("client_id", "hq")]);
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let device = begun["device_code"].as_str().unwrap();
        let asked = [("grant_type", grant), ("device_code", device)];
        assert_eq!(post("token", &asked)["error"], "authorization_pending");
        post("device", &[("user_code", begun["user_code"].as_str().unwrap()), ("user", user)]);
        post("token", &asked)["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.root));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = self.agent.run(request.body(body.to_vec()).unwrap()).unwrap();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer { status: answer.status().as_u16(), body }
    }

    pub(crate) fn json(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let headers = [("Content-Type", "application/json"), ("idempotency-key", "one-key-for-all")];
        self.send(method, path, Some(token), &headers, body.to_string().as_bytes())
    }

    /// A dataset without versions, with one of each role, named so.
    pub(crate) fn dataset(&self, name: &str, publisher: &str) -> String {
        let owner = self.token("owner");
        let new = json!({ "name": name, "publisher": publisher });
        let created = self.json("POST", "/v1/datasets", &owner, &new);
        assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.body));
        for role in ["researcher", "custodian"] {
            let grant = json!({ "subject": role, "role": role });
            let granted = self.json("POST", &format!("/v1/datasets/{name}/grants"), &owner, &grant);
            assert_eq!(granted.status, 200);
        }
        let grant = json!({ "subject": "inspector", "role": "auditor" });
        assert_eq!(self.json("POST", &format!("/v1/datasets/{name}/grants"), &owner, &grant).status, 200);
        owner
    }

    /// Ends the service; what it keeps stays.
    pub(crate) fn end(&mut self) {
        if let Some((handle, thread)) = self.at_work.take() {
            drop(handle.stop(false));
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
