//! Plugins as the service uses them: out of the registry, where one is set, and no longer than they are accepted.

use std::time::Duration;

use hq_engine::apart::Apart;
use hq_engine::functions::Supply;
use hq_engine::registry::{Registry, RegistryError, Revoked};

use crate::app::{App, Shared, blocking};
use crate::config::Config;
use crate::problem::{Problem, Result};
use crate::queue::of_job;

/// How often the registry is asked what was revoked by other ways than this service.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Folder of values of functions, in the data of the service.
const FUNCTIONS: &str = "functions";

/// What looks at plugins and calls their functions.
///
/// # Errors
/// The program does not know its place.
pub(crate) fn apart(config: &Config) -> std::io::Result<Apart> {
    config.apart.clone().map_or_else(Apart::by_this_program, |program| Ok(Apart::by(program)))
}

/// Where functions come from: a registry, or nowhere.
pub(crate) fn supply(config: &Config, apart: Apart) -> Supply {
    let supply = match &config.registry {
        Some(folder) => Supply::of_registry(Registry::at(folder), apart),
        None => {
            Supply::nothing("this service takes functions from a registry of plugins, and has none.", apart)
        }
    };
    supply.keeping(Some(config.data.join(FUNCTIONS)))
}

impl App {
    /// The registry, where one is set.
    #[must_use]
    pub fn registry(&self) -> Option<Registry> {
        self.config.registry.as_deref().map(Registry::at)
    }
}

/// Looks now and then for what was revoked, until the service ends.
pub(crate) async fn serve(app: Shared) {
    if app.config.registry.is_none() {
        return;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(problem) = blocking(&app, stop_revoked).await {
            tracing::error!(%problem, "what was revoked is not known");
        }
    }
}

/// Ends jobs that wait or are computed with builds of plugins that were revoked.
///
/// # Errors
/// A registry that cannot be read, and those of the database.
pub(crate) fn stop_revoked(app: &App) -> Result<()> {
    let Some(registry) = app.registry() else { return Ok(()) };
    let revoked = registry.revoked().map_err(Problem::internal)?;
    if revoked.is_empty() {
        return Ok(());
    }
    let stopped = app.store.with(|tx| {
        let mut stopped = Vec::new();
        for job in tx.all_at_work()? {
            let Some(Revoked { name, reason, time, .. }) =
                revoked.iter().find(|revoked| job.uses(&revoked.blake3)).cloned()
            else {
                continue;
            };
            let why = RegistryError::Revoked { name, reason, time }.to_string();
            if tx.move_job(&job.id, &["queued", "running"], "failed", Some(("revoked", &why)))? {
                tx.audit(of_job(&job, "job.computed", "revoked", Some(&why)))?;
                stopped.push(job.id);
            }
        }
        Ok(stopped)
    })?;
    for job in &stopped {
        app.end_worker(job);
    }
    if !stopped.is_empty() {
        app.news.send_replace(());
    }
    Ok(())
}
