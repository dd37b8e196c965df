//! The registry of a service, for its administrators.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hq_engine::registry::{Entry, Provides, Revoked, signature_beside};
use hq_plugin_sdk::host::Image;

use super::{line, list, told};
use crate::cli::PluginCommand;
use crate::commands::submit::segment;
use crate::error::{ClientError, Result, file_error};
use crate::keys::read_bounded;
use crate::output;
use crate::service::Service;
use crate::wire::{PluginBody, PluginsBody, RevokeBody, RevokedBody, VerifiedBody};

/// Longest signature that is sent, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 16 << 10;

/// Does at a service what `hq plugin` does in a folder.
pub(super) fn plugin(address: &str, command: &PluginCommand) -> Result<()> {
    let service = Service::at(address)?;
    match command {
        PluginCommand::Register { file, signature } => register(&service, file, signature.as_deref()),
        PluginCommand::List => {
            let PluginsBody { plugins, revoked } = all(&service)?;
            let entries: Vec<Entry> = plugins.into_iter().map(entry).collect();
            let revoked: Vec<Revoked> = revoked.into_iter().map(taken_back).collect();
            list(&entries, &revoked);
            Ok(())
        }
        PluginCommand::Verify { names } => {
            let names = match names.as_slice() {
                [] => all(&service)?.plugins.into_iter().map(|plugin| plugin.name).collect(),
                some => some.to_vec(),
            };
            told(names.iter().map(|name| (name.as_str(), verify(&service, name))))
        }
        PluginCommand::Revoke { name, build, reason } => {
            let name = segment(name)?;
            let blake3 = match build {
                Some(build) => build.clone(),
                None => service.get::<PluginBody>(&format!("/v1/plugins/{name}"))?.blake3,
            };
            let body = RevokeBody { blake3: &blake3, reason };
            let revoked: RevokedBody = service.post(&format!("/v1/plugins/{name}/revoke"), &body)?;
            let text = format!("revoked {} {}", revoked.name, revoked.blake3);
            output::out(&(output::plain(&text) + "\n"));
            Ok(())
        }
    }
}

fn all(service: &Service) -> Result<PluginsBody> {
    service.get("/v1/plugins")
}

/// Sends a plugin with its signature; the service checks both.
fn register(service: &Service, file: &Path, signature: Option<&Path>) -> Result<()> {
    let beside = signature_beside(file);
    let signature = signature.unwrap_or(&beside);
    let signed = if fs::exists(signature).map_err(file_error(signature))? {
        read_bounded(signature, MAX_SIGNATURE_BYTES)?
    } else {
        // The service refuses what is not signed, and notes that somebody tried.
        Vec::new()
    };
    let image = Image::read(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let headers = [
        ("hq-file", name.as_ref()),
        ("hq-digest", image.digest()),
        ("hq-signature", &BASE64_STANDARD.encode(signed)),
    ];
    let accepted: PluginBody = service.post_bytes("/v1/plugins", &headers, image.bytes())?;
    output::out(&format!("registered {}\n", line(&entry(accepted))));
    Ok(())
}

fn verify(service: &Service, name: &str) -> Result<()> {
    let name = segment(name)?;
    let found: VerifiedBody = service.post(&format!("/v1/plugins/{name}/verify"), &())?;
    match found.reason {
        None => Ok(()),
        Some(reason) => {
            let (name, reason) = (name.to_owned(), output::plain(&reason));
            Err(ClientError::PluginOfService { name, reason })
        }
    }
}

fn entry(body: PluginBody) -> Entry {
    let PluginBody { name, blake3, key, registered, abi, backend, custody, functions, module } = body;
    let backend = backend.map(|backend| (backend.name, backend.version));
    let provides = Provides { abi, backend, custody, functions, module };
    Entry { name, blake3, key, provides, registered }
}

fn taken_back(body: RevokedBody) -> Revoked {
    let RevokedBody { name, blake3, reason, time } = body;
    Revoked { name, blake3, reason, time }
}
