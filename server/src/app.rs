//! The running service: what all requests share, and how it begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use actix_web::web;
use hq_engine::apart::Apart;
use hq_engine::audit::Event;
use hq_engine::dataset::Manifest;
use hq_engine::functions::Supply;
use hq_engine::gate_keys::DECIDES;
use hq_engine::registry::{RegistryError, Source};
use hq_engine::signed::SigningKey;
use hq_plugin_sdk::host::{EvaluatorPlugin, default_dirs};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::config::{Config, ConfigError};
use crate::envelope::{EnvelopeError, EnvelopeKey, key_file, master_key};
use crate::identity::{Caller, Verifier};
use crate::objects::{Objects, ObjectsError};
use crate::plugins;
use crate::problem::{Code, Problem, Result};
use crate::store::{Store, StoreError};

/// Why the service does not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder or a socket.
    #[error("{place}: {source}")]
    Io {
        /// Which.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] EnvelopeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The identity section.
    #[error("{0}")]
    Identity(String),
    /// What is left over, which is looked for in the object store first.
    #[error(
        "what was left over cannot be removed: {0} Is the object store there? Without AWS_ALLOW_HTTP=true or \
         GOOGLE_ALLOW_HTTP=true one at http:// is not spoken with"
    )]
    Sweep(Problem),
    /// The first entries of a log.
    #[error("the database cannot be written: {0}")]
    Write(#[from] Problem),
    /// TLS.
    #[error("tls: {0}")]
    Tls(String),
}

/// What all requests share.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The object store.
    pub objects: Objects,
    /// What wraps the keys of datasets.
    pub master: EnvelopeKey,
    /// Who calls.
    pub verifier: Verifier,
    /// Rings when a job was queued.
    pub queued: Notify,
    /// Tells those who watch jobs that one of them may have changed.
    pub news: watch::Sender<()>,
    /// Ends the worker of a job.
    pub running: Mutex<BTreeMap<String, oneshot::Sender<()>>>,
    /// What looks at plugins and calls their functions.
    pub apart: Apart,
    /// Where functions come from.
    pub supply: Supply,
    compilers: Semaphore,
    /// Plugins that were loaded, with the digest that the registry had of them.
    plugins: Mutex<BTreeMap<String, (Option<String>, EvaluatorPlugin)>>,
}

/// As handlers have it.
pub type Shared = web::Data<App>;

impl App {
    /// Opens everything that is kept.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn open(config: Config) -> std::result::Result<Self, StartError> {
        for folder in [config.data.clone(), work_folder(&config)] {
            fs::create_dir_all(&folder)
                .map_err(|source| StartError::Io { place: folder.display().to_string(), source })?;
        }
        let apart = plugins::apart(&config)
            .map_err(|source| StartError::Io { place: "the program".to_owned(), source })?;
        let signer = SigningKey::from_bytes(&key_file(&config.data.join("service.key"))?);
        let store = Store::open(&config.data.join("hq.sqlite"), signer)?;
        let app = Self {
            objects: Objects::of(&config)?,
            master: master_key(&config.data.join("master.key"))?,
            verifier: Verifier::new(config.identity.clone()).map_err(StartError::Identity)?,
            queued: Notify::new(),
            news: watch::Sender::new(()),
            running: Mutex::default(),
            compilers: Semaphore::new(config.limits.compilers),
            plugins: Mutex::default(),
            supply: plugins::supply(&config, apart.clone()),
            apart,
            store,
            config,
        };
        app.store.with(|tx| {
            let requeued = tx.requeue()?;
            let detail = (requeued > 0).then(|| format!("{requeued} jobs are computed again"));
            tx.audit(Event {
                action: "service.started".into(),
                outcome: "done".into(),
                detail,
                ..Event::default()
            })
        })?;
        Ok(app)
    }

    /// Folders of plugins.
    #[must_use]
    pub fn plugin_dirs(&self) -> Vec<PathBuf> {
        self.config.plugins.iter().cloned().chain(default_dirs()).collect()
    }

    /// The half of a plugin that computes, for planning.
    ///
    /// # Errors
    /// A backend that is not allowed or not installed.
    pub fn evaluator(&self, name: &str) -> Result<EvaluatorPlugin> {
        if !self.config.backends.iter().any(|allowed| allowed == name) {
            return Err(Problem::new(Code::Unsupported, format!("Backend `{name}` is not allowed here.")));
        }
        let registry = self.registry();
        let accepted = registry.as_ref().map(|registry| registry.entry(name)).transpose();
        let accepted = accepted.map_err(|error| self.refuse(name, &error))?.map(|entry| entry.blake3);
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((digest, plugin)) = plugins.get(name)
            && *digest == accepted
        {
            return Ok(plugin.clone());
        }
        let source = Source::find(name, &self.plugin_dirs(), registry.as_ref());
        let source = source.map_err(|error| self.refuse(name, &error))?;
        let missing = || Problem::internal(format!("plugin of backend `{name}` is not found"));
        let plugin = source.ok_or_else(missing)?.evaluator().map_err(Problem::internal)?;
        plugins.insert(name.to_owned(), (accepted, plugin.clone()));
        Ok(plugin)
    }

    /// What plans over a dataset are made with: where small counts stay encrypted, also what decides on them.
    ///
    /// # Errors
    /// As [`App::evaluator`].
    pub fn planner(&self, manifest: &Manifest) -> Result<EvaluatorPlugin> {
        let evaluator = self.evaluator(&manifest.backend)?;
        if manifest.gates.is_none() {
            return Ok(evaluator);
        }
        Ok(evaluator.with_gates(self.evaluator(DECIDES)?))
    }

    /// A plugin that the registry does not accept: audited, and told as far as it concerns who asks.
    fn refuse(&self, name: &str, error: &RegistryError) -> Problem {
        let event = Event {
            action: "plugin.refused".into(),
            outcome: error.code().to_owned(),
            detail: Some(error.to_string()),
            ..Event::default()
        };
        if let Err(problem) = self.store.audit(event) {
            return problem;
        }
        if let RegistryError::Revoked { reason, .. } = error {
            let detail = format!("Backend `{name}` may not be used here any more: {reason}.");
            return Problem::new(Code::Unsupported, detail);
        }
        Problem::internal(error)
    }

    /// The program that workers are: this one, or where a test says so another.
    ///
    /// # Errors
    /// The program does not know its place.
    pub fn worker_program(&self) -> std::io::Result<PathBuf> {
        self.config.worker.clone().map_or_else(std::env::current_exe, Ok)
    }

    /// Ends the worker of a job, if there is one.
    pub fn end_worker(&self, job: &str) {
        let sender = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        if let Some(sender) = sender {
            // A worker that has just ended needs no word.
            let _ = sender.send(());
        }
    }
}

/// Where workers have their folders.
#[must_use]
pub fn work_folder(config: &Config) -> PathBuf {
    config.data.join("work")
}

/// Does something that may take a while on a thread of its own.
///
/// # Errors
/// Those of `act`.
pub async fn blocking<T: Send + 'static>(
    app: &Shared,
    act: impl FnOnce(&App) -> Result<T> + Send + 'static,
) -> Result<T> {
    let app = app.clone();
    web::block(move || act(&app)).await?
}

/// As [`blocking`], for compilation: few at once, and whoever waits too long is told.
///
/// # Errors
/// Those of `act`; too much at once.
pub async fn compiling<T: Send + 'static>(
    app: &Shared,
    act: impl FnOnce(&App) -> Result<T> + Send + 'static,
) -> Result<T> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
    let busy = || Problem::new(Code::Quota, "Too many programs are compiled now. Try again in a while.");
    let permit = tokio::time::timeout(PATIENCE, app.compilers.acquire()).await;
    let permit = permit.map_err(|_| busy())?.map_err(Problem::internal)?;
    let done = blocking(app, act).await;
    drop(permit);
    done
}

/// An event of a caller.
#[must_use]
pub fn event(caller: &Caller, action: &str) -> Event {
    Event {
        action: action.to_owned(),
        outcome: "done".to_owned(),
        issuer: caller.issuer.clone(),
        subject: caller.subject.clone(),
        ..Event::default()
    }
}
