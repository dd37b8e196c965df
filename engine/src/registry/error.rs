//! Why a plugin is not accepted, or not loaded.

use std::io;
use std::path::{Path, PathBuf};

use hq_plugin_sdk::host::LoadError;

/// Each with the file or name concerned, the cause, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A file of the registry, or one that is to be accepted.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the registry is not as it should be.
    #[error("{}: {reason}. Bring the file back from a backup, or register the plugins again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No keys.
    #[error(
        "{} holds no key: no signature counts yet. Put the public keys of the authors you trust there, as `minisign -G` \
         writes them: NAME.pub",
        folder.display()
    )]
    NoKeys {
        /// The folder.
        folder: PathBuf,
    },
    /// A name that none has.
    #[error(
        "{} is no name of a plugin's file: those are libhq_plugin_NAME.so, or as this system names libraries, with a NAME \
         of a-z, 0-9 and _", path.display()
    )]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// No signature.
    #[error(
        "{} is not signed: there is no {}. Its author makes it with `minisign -Sm FILE`",
        path.display(), signature.display()
    )]
    Unsigned {
        /// The plugin.
        path: PathBuf,
        /// Where its signature should be.
        signature: PathBuf,
    },
    /// A signature of something else.
    #[error(
        "{} is not what was signed: {reason}. It was altered, or the signature is that of another file. Get both from the \
         author again", path.display()
    )]
    Signature {
        /// The plugin.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A key that does not count.
    #[error(
        "{} is signed with a key that does not count here; those that do are {}. If you trust its author, put their \
         public key into {}",
        path.display(), known.join(", "), folder.display()
    )]
    UnknownKey {
        /// The plugin.
        path: PathBuf,
        /// Names of the keys.
        known: Vec<String>,
        /// Folder of the keys.
        folder: PathBuf,
    },
    /// Nobody accepted it.
    #[error(
        "plugin `{name}` is not registered in {}{}. Whoever administers it does that with `hq plugin register FILE`",
        registry.display(),
        if known.is_empty() { String::new() } else { format!(", which has {}", known.join(", ")) }
    )]
    NotRegistered {
        /// The plugin.
        name: String,
        /// The registry.
        registry: PathBuf,
        /// What is registered.
        known: Vec<String>,
    },
    /// Another file than the one accepted.
    #[error(
        "{} is not the file that was registered: its digest is {found}, not {registered}. It was not loaded. Bring the \
         registered file back, or register this one if you know where it comes from", path.display()
    )]
    Replaced {
        /// The file.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// That of the registered one.
        registered: String,
    },
    /// Accepted no more.
    #[error("plugin `{name}` was revoked on {time}: {reason}. Register another build of it")]
    Revoked {
        /// The plugin.
        name: String,
        /// Why.
        reason: String,
        /// When.
        time: String,
    },
    /// Another build than the one meant.
    #[error(
        "plugin `{name}` is registered with the digest {registered}, and not with {asked}. Look at it again with \
         `hq plugin list`"
    )]
    OtherBuild {
        /// The plugin.
        name: String,
        /// The digest that was named.
        asked: String,
        /// That of the registered one.
        registered: String,
    },
    /// It is no plugin of this name.
    #[error("{}: {reason}. This is a fault of the plugin", path.display())]
    Capabilities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It was looked at, and cannot be loaded; the reason names the file.
    #[error("{reason}")]
    Unusable {
        /// Why.
        reason: String,
    },
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl RegistryError {
    /// A failed read or write.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// A word for the audit log.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Damaged { .. } => "damaged",
            Self::NoKeys { .. } | Self::UnknownKey { .. } => "key",
            Self::Name { .. } => "name",
            Self::Unsigned { .. } => "unsigned",
            Self::Signature { .. } => "signature",
            Self::NotRegistered { .. } => "unregistered",
            Self::Replaced { .. } | Self::OtherBuild { .. } => "replaced",
            Self::Revoked { .. } => "revoked",
            Self::Capabilities { .. } => "capabilities",
            Self::Unusable { .. } | Self::Load(_) => "load",
        }
    }
}
