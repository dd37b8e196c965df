//! The configuration: a TOML file, over which environment variables win. What is not known is refused by name.

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Variables that begin so are settings; `__` leads into a section, as in `HQ_SERVER_IDENTITY__ISSUER`.
const PREFIX: &str = "HQ_SERVER_";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}. Name the file with `--config FILE`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: toml::de::Error,
    },
    /// An environment variable leads nowhere.
    #[error("{variable}: `{section}` is no section of the configuration")]
    Variable {
        /// The variable.
        variable: String,
        /// The word in it.
        section: String,
    },
    /// A setting that is unknown, missing or of another kind.
    #[error("the configuration is not as it should be: {0}")]
    Schema(toml::de::Error),
    /// A value that cannot be.
    #[error("{setting} {reason}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Folder of everything that the service keeps.
    pub data: PathBuf,
    /// Where objects are instead of in that folder: `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`.
    pub objects: Option<String>,
    /// Folders with plugins, before the usual ones.
    #[serde(default)]
    pub plugins: Vec<PathBuf>,
    /// The folder of a registry of plugins, as `hq plugin` keeps it; where it is given, plugins come from it alone.
    pub registry: Option<PathBuf>,
    /// The program that is started for each job; this program if not given.
    pub worker: Option<PathBuf>,
    /// The program that looks at plugins and calls their functions; this program if not given.
    pub apart: Option<PathBuf>,
    /// Backends that datasets may be made for.
    #[serde(default = "backends")]
    pub backends: Vec<String>,
    /// Which log lines are written, as in `info,hq_server=debug`.
    #[serde(default = "log")]
    pub log: String,
    /// Where spans of requests and jobs go, by OTLP over HTTP: an address as `http://127.0.0.1:4318/v1/traces`; without it nowhere.
    pub traces: Option<String>,
    /// Certificate and key for TLS; without them the service speaks plain HTTP and must stand behind something.
    pub tls: Option<Tls>,
    /// Days after which results and released tables are removed; without it they are kept.
    pub retention_days: Option<u64>,
    /// Who issues identities.
    pub identity: IdentityConfig,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// Whether the service is its own issuer; no setting, but `--dev`.
    #[serde(skip)]
    pub dev: bool,
}

/// Files for TLS, in PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// The OpenID provider, and what its tokens mean here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The issuer, exactly as in its tokens.
    pub issuer: String,
    /// PEM file of the authorities whose certificates are taken of the issuer, instead of Mozilla's list.
    pub ca: Option<PathBuf>,
    /// The audience that tokens must be for.
    pub audience: String,
    /// The client that `hq login` is at the issuer.
    #[serde(default = "client_id")]
    pub client_id: String,
    /// Signature algorithms that are taken.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    /// The claim that lists roles; dots lead into objects.
    #[serde(default = "roles_claim")]
    pub roles_claim: String,
    /// What stands in that claim for whoever may create datasets.
    #[serde(default = "owner")]
    pub owner: String,
    /// What stands there for operators.
    #[serde(default = "operator")]
    pub operator: String,
    /// What stands there for auditors of the whole log.
    #[serde(default = "auditor")]
    pub auditor: String,
    /// What stands there for administrators of the registry of plugins.
    #[serde(default = "administrator")]
    pub administrator: String,
    /// Origins beside the issuer's that the page speaks with to log in, such as that of its token endpoint. They and the issuer
    /// have to allow requests from the page's origin.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Seconds by which clocks may differ.
    #[serde(default = "leeway_s")]
    pub leeway_s: u64,
}

/// What may be used at most.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one chunk of an upload; all but the last of a file have this length.
    pub chunk_bytes: u64,
    /// Bytes of all files of a version of a dataset.
    pub dataset_bytes: u64,
    /// Bytes of evaluation keys.
    pub key_bytes: u64,
    /// Bytes of the secret parameters of a job.
    pub parameter_bytes: u64,
    /// Bytes of a request that is no chunk: programs, manifests.
    pub request_bytes: usize,
    /// Bytes of a plugin that is registered.
    pub plugin_bytes: u64,
    /// Programs that are checked or planned at once.
    pub compilers: usize,
    /// Jobs that are computed at once.
    pub workers: usize,
    /// Jobs of one researcher that wait or are computed.
    pub jobs_per_researcher: u64,
    /// Threads of a worker.
    pub worker_threads: usize,
    /// Address space of a worker in bytes.
    pub worker_memory_bytes: u64,
    /// CPU seconds of a worker.
    pub worker_cpu_s: u64,
    /// Seconds after which a worker is ended.
    pub worker_wall_s: u64,
    /// Seconds between two checkpoints of a worker.
    pub worker_checkpoint_s: u64,
    /// How often a job is tried when its worker ends without a word.
    pub attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_bytes: 2 << 20,
            dataset_bytes: 1 << 40,
            key_bytes: 4 << 30,
            parameter_bytes: 64 << 20,
            request_bytes: 4 << 20,
            plugin_bytes: 256 << 20,
            compilers: 2,
            workers: 1,
            jobs_per_researcher: 20,
            worker_threads: 2,
            worker_memory_bytes: 32 << 30,
            worker_cpu_s: 24 * 3600,
            worker_wall_s: 24 * 3600,
            worker_checkpoint_s: 10,
            attempts: 3,
        }
    }
}

fn listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)
}

fn backends() -> Vec<String> {
    vec!["bgv".to_owned()]
}

fn log() -> String {
    "info".to_owned()
}

fn client_id() -> String {
    "hq".to_owned()
}

fn algorithms() -> Vec<String> {
    ["ES256", "EdDSA", "PS256", "RS256"].map(str::to_owned).to_vec()
}

fn roles_claim() -> String {
    "roles".to_owned()
}

fn owner() -> String {
    "hq-owner".to_owned()
}

fn operator() -> String {
    "hq-operator".to_owned()
}

fn auditor() -> String {
    "hq-auditor".to_owned()
}

fn administrator() -> String {
    "hq-administrator".to_owned()
}

fn leeway_s() -> u64 {
    30
}

impl Config {
    /// Reads a file and the environment.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let table = text.parse().map_err(|source| ConfigError::Syntax { path: path.to_owned(), source })?;
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::of(table, variables)
    }

    /// Of a table, over which variables win.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn of(
        mut table: toml::Table,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        for (variable, value) in variables {
            if let Some(name) = variable.strip_prefix(PREFIX) {
                set(&mut table, &variable, &name.to_lowercase(), &value)?;
            }
        }
        let config: Self = toml::Value::Table(table).try_into().map_err(ConfigError::Schema)?;
        config.check()?;
        Ok(config)
    }

    /// Whether a path is one of the issuer of trials.
    #[must_use]
    pub fn is_dev_path(&self, path: &str) -> bool {
        self.dev && path.starts_with("/dev/")
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, reason: &str| Err(ConfigError::Value { setting, reason: reason.to_owned() });
        let Limits { chunk_bytes, request_bytes, compilers, workers, worker_threads, attempts, .. } =
            self.limits;
        if !(1 << 10..=64 << 20).contains(&chunk_bytes) {
            return wrong("limits.chunk_bytes", "is from 1 KiB to 64 MiB");
        }
        if request_bytes == 0 || compilers == 0 || workers == 0 || worker_threads == 0 || attempts == 0 {
            return wrong("limits", "holds a 0 where nothing would work any more");
        }
        if !is_secure(&self.identity.issuer) {
            return wrong("identity.issuer", "is an address that begins with https://");
        }
        if !self.identity.origins.iter().all(|origin| is_secure(origin) && is_origin(origin)) {
            return wrong("identity.origins", "are addresses as https://id.example:8443, without a path");
        }
        if self.traces.as_deref().is_some_and(|traces| !is_secure(traces)) {
            return wrong("traces", "is an address that begins with https://, or is on this machine");
        }
        if self.tls.is_none() && !self.listen.ip().is_loopback() {
            return wrong(
                "listen",
                "is not this machine alone: give `[tls]`, or listen on 127.0.0.1 behind a proxy",
            );
        }
        Ok(())
    }
}

/// Whether an address is spoken with under TLS, or on this machine.
fn is_secure(address: &str) -> bool {
    ["https://", "http://127.0.0.1", "http://localhost:"].iter().any(|start| address.starts_with(start))
}

/// Whether an address is a scheme, a host and perhaps a port: it goes into a header as it is.
fn is_origin(address: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    address.split_once("://").is_some_and(|(_, host)| !host.is_empty() && host.chars().all(plain))
}

/// Sets one value; what reads as a number, a list or a truth value is one.
fn set(table: &mut toml::Table, variable: &str, name: &str, value: &str) -> Result<(), ConfigError> {
    let mut place = table;
    let mut words = name.split("__").peekable();
    while let Some(word) = words.next() {
        if words.peek().is_none() {
            let parsed =
                format!("x = {value}").parse::<toml::Table>().ok().and_then(|mut one| one.remove("x"));
            place.insert(word.to_owned(), parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
            break;
        }
        let section = place.entry(word).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = section.as_table_mut().ok_or_else(|| ConfigError::Variable {
            variable: variable.to_owned(),
            section: word.to_owned(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    const GOOD: &str = "data = \"kept\"\n[identity]\nissuer = \"https://id.example\"\naudience = \"hq\"\n";

    fn of(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Config::of(text.parse().unwrap(), variables).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_wins_and_what_is_unknown_is_named() {
        let config = of(
            GOOD,
            &[
                ("HQ_SERVER_LIMITS__WORKERS", "3"),
                ("HQ_SERVER_IDENTITY__AUDIENCE", "other"),
                ("HQ_SERVER_BACKENDS", "[\"clear\"]"),
                ("HOME", "x"),
            ],
        );
        let config = config.unwrap();
        assert_eq!((config.limits.workers, config.identity.audience.as_str()), (3, "other"));
        assert_eq!(config.backends, ["clear"]);
        assert_eq!(config.limits.attempts, 3);

        let refused = [
            (of(&format!("colour = 1\n{GOOD}"), &[]), "colour"),
            (of("data = \"x\"\n", &[]), "identity"),
            (of(GOOD, &[("HQ_SERVER_LIMITS__WORKER", "3")]), "worker"),
            (of(GOOD, &[("HQ_SERVER_DATA__X", "3")]), "`data` is no section"),
            (of(GOOD, &[("HQ_SERVER_LIMITS__WORKERS", "many")]), "invalid type"),
            (of(GOOD, &[("HQ_SERVER_LIMITS__WORKERS", "0")]), "limits holds a 0"),
            (of(GOOD, &[("HQ_SERVER_LISTEN", "0.0.0.0:80")]), "listen is not this machine alone"),
            (of(GOOD, &[("HQ_SERVER_IDENTITY__ISSUER", "http://id.example")]), "https://"),
            (of(GOOD, &[("HQ_SERVER_TRACES", "http://collector:4318")]), "traces"),
            (of(GOOD, &[("HQ_SERVER_IDENTITY__ORIGINS", "[\"https://a/b\"]")]), "identity.origins"),
            (
                of(GOOD, &[("HQ_SERVER_IDENTITY__ORIGINS", "[\"https://a; script-src *\"]")]),
                "identity.origins",
            ),
        ];
        for (result, word) in refused {
            let error = result.unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
