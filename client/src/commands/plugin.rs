//! `hq plugin`: the registry of plugins. What is to be accepted is looked at in a process of its own.

use hq_engine::clock;
use hq_engine::registry::{Entry, Registry, RegistryError};

use crate::cli::{PluginArgs, PluginCommand};
use crate::error::{ClientError, Result};
use crate::{inspection, output};

/// Accepts, lists, verifies, revokes.
pub(crate) fn plugin(args: &PluginArgs) -> Result<()> {
    if let PluginCommand::Inspect { copy, file } = &args.command {
        return inspection::answer(copy, file);
    }
    let registry = args.registry.as_deref().map(Registry::at).or_else(Registry::of_environment);
    let registry = registry.ok_or(ClientError::NoRegistry)?;
    match &args.command {
        PluginCommand::Register { file, signature } => {
            let accepted =
                registry.register(file, signature.as_deref(), &clock::now(), inspection::inspect)?;
            output::out(&format!("registered {}\n", line(&accepted)));
        }
        PluginCommand::List => list(&registry)?,
        PluginCommand::Verify { names } => verify(&registry, names)?,
        PluginCommand::Revoke { name, reason } => {
            let revoked = registry.revoke(name, reason, &clock::now())?;
            output::out(&format!("revoked {} {}\n", revoked.name, revoked.blake3));
        }
        PluginCommand::Inspect { .. } => {}
    }
    Ok(())
}

/// An accepted plugin.
fn line(entry: &Entry) -> String {
    let provides = &entry.provides;
    let mut parts = Vec::new();
    if let Some((_, version)) = &provides.backend {
        let halves = if provides.custody { "computes and holds keys" } else { "computes" };
        parts.push(format!("backend {version}, {halves}"));
    }
    if !provides.functions.is_empty() {
        parts.push(format!("functions {}", provides.functions.join(", ")));
    }
    let Entry { name, blake3, key, registered, .. } = entry;
    output::plain(&format!(
        "{name}: {}; ABI {}; {blake3}; signed by {key}, registered {registered}",
        parts.join("; "),
        provides.abi
    ))
}

fn list(registry: &Registry) -> Result<()> {
    let entries = registry.entries()?;
    for entry in &entries {
        output::out(&(line(entry) + "\n"));
    }
    for revoked in registry.revoked()? {
        let text =
            format!("{}: REVOKED {}: {}; {}", revoked.name, revoked.time, revoked.reason, revoked.blake3);
        output::out(&(output::plain(&text) + "\n"));
    }
    if entries.is_empty() {
        output::note("no plugin is registered");
    }
    Ok(())
}

fn verify(registry: &Registry, names: &[String]) -> Result<()> {
    let names: Vec<String> = match names {
        [] => registry.entries()?.into_iter().map(|entry| entry.name).collect(),
        some => some.to_vec(),
    };
    let mut failed = 0;
    for name in &names {
        match usable(registry, name) {
            Ok(()) => output::out(&format!("{}: as it was registered\n", output::plain(name))),
            Err(error) => {
                failed += 1;
                output::error(&error.into());
            }
        }
    }
    if failed > 0 { Err(ClientError::Plugins { failed, all: names.len() }) } else { Ok(()) }
}

/// Whether a plugin is the file that was accepted, and says of itself what it said then.
fn usable(registry: &Registry, name: &str) -> std::result::Result<(), RegistryError> {
    let (entry, image) = (registry.entry(name)?, registry.admit(name)?);
    let provides = inspection::inspect(image.path(), image.path())?;
    if provides == entry.provides {
        return Ok(());
    }
    let reason = "it says something else of itself than when it was registered".to_owned();
    Err(RegistryError::Capabilities { path: image.path().to_owned(), reason })
}
