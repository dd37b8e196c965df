//! `hq plugin`: the registry of plugins, in a folder here or at a service. What is to be accepted is looked at in a process apart.

mod remote;

use std::env;

use hq_engine::apart::Apart;
use hq_engine::clock;
use hq_engine::registry::{By, Candidate, Entry, Provides, Registry, RegistryError, Revoked};

use crate::cli::{PluginArgs, PluginCommand};
use crate::error::{ClientError, Result, file_error};
use crate::output;

/// Accepts, lists, verifies, revokes.
pub(crate) fn plugin(args: &PluginArgs) -> Result<()> {
    if let Some(service) = &args.service {
        return remote::plugin(service, &args.command);
    }
    let registry = args.registry.as_deref().map(Registry::at).or_else(Registry::of_environment);
    let registry = registry.ok_or(ClientError::NoRegistry)?;
    let apart = Apart::by_this_program().map_err(file_error("hq".as_ref()))?;
    let (who, time) = (env::var("USER").unwrap_or_default(), clock::now());
    let by = By { who: &who, time: &time };
    match &args.command {
        PluginCommand::Register { file, signature } => {
            let inspect = |copy: &_, shown: &_| apart.inspect(copy, shown);
            let candidate = Candidate::read(file, signature.as_deref());
            let accepted = registry.register(candidate, by, inspect)?;
            output::out(&format!("registered {}\n", line(&accepted)));
        }
        PluginCommand::List => {
            list(&registry.entries()?, &registry.revoked()?);
        }
        PluginCommand::Verify { names } => verify(&registry, &apart, names)?,
        PluginCommand::Revoke { name, build, reason } => {
            let revoked = registry.revoke(name, build.as_deref(), reason, by)?;
            output::out(&format!("revoked {} {}\n", revoked.name, revoked.blake3));
        }
    }
    Ok(())
}

/// An accepted plugin.
fn line(entry: &Entry) -> String {
    let Provides { abi, backend, custody, functions, module } = &entry.provides;
    let mut parts = Vec::new();
    if let Some((_, version)) = backend {
        let halves = if *custody { "computes and holds keys" } else { "computes" };
        parts.push(format!("backend {version}, {halves}"));
    }
    if !functions.is_empty() {
        let of = if *module { " of a module" } else { "" };
        parts.push(format!("functions{of} {}", functions.join(", ")));
    }
    let Entry { name, blake3, key, registered, .. } = entry;
    output::plain(&format!(
        "{name}: {}; ABI {abi}; {blake3}; signed by {key}, registered {registered}",
        parts.join("; "),
    ))
}

fn list(entries: &[Entry], revoked: &[Revoked]) {
    for entry in entries {
        output::out(&(line(entry) + "\n"));
    }
    for Revoked { name, blake3, reason, time } in revoked {
        output::out(&(output::plain(&format!("{name}: REVOKED {time}: {reason}; {blake3}")) + "\n"));
    }
    if entries.is_empty() {
        output::note("no plugin is registered");
    }
}

fn verify(registry: &Registry, apart: &Apart, names: &[String]) -> Result<()> {
    let names: Vec<String> = match names {
        [] => registry.entries()?.into_iter().map(|entry| entry.name).collect(),
        some => some.to_vec(),
    };
    let found = names.iter().map(|name| (name.as_str(), registry.verify(name, apart)));
    told(found.map(|(name, usable)| (name, usable.map_err(|error: RegistryError| error.into()))))
}

/// Says which plugins can be used, and fails where one cannot.
fn told<'n>(found: impl Iterator<Item = (&'n str, Result<()>)>) -> Result<()> {
    let (mut failed, mut all) = (0, 0);
    for (name, usable) in found {
        all += 1;
        match usable {
            Ok(()) => output::out(&format!("{}: as it was registered\n", output::plain(name))),
            Err(error) => {
                failed += 1;
                output::error(&error);
            }
        }
    }
    if failed > 0 { Err(ClientError::Plugins { failed, all }) } else { Ok(()) }
}
