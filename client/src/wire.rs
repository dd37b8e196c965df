//! What the service sends and takes as JSON, as far as commands need it. Fields that are not known are passed over: a newer
//! service may have more.

use std::collections::BTreeMap;

use hq_engine::audit::Head;
use serde::{Deserialize, Serialize};

/// Where to log in, and limits.
#[derive(Debug, Deserialize)]
pub(crate) struct ServiceBody {
    /// The OpenID issuer.
    pub(crate) issuer: String,
    /// The client that `hq login` is there.
    pub(crate) client_id: String,
    /// The audience that access tokens are for.
    pub(crate) audience: String,
}

/// Who one is.
#[derive(Debug, Deserialize)]
pub(crate) struct MeBody {
    /// The name at the issuer.
    pub(crate) subject: String,
}

/// Why something is not done.
#[derive(Debug, Deserialize)]
pub(crate) struct ProblemBody {
    /// The stable code.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) detail: String,
    /// What is wrong with a program.
    #[serde(default)]
    pub(crate) diagnostics: Vec<DiagnosticBody>,
}

/// A message about a program.
#[derive(Debug, Deserialize)]
pub(crate) struct DiagnosticBody {
    /// As it is drawn in a terminal.
    pub(crate) drawn: String,
}

/// A dataset to be created.
#[derive(Debug, Serialize)]
pub(crate) struct NewDatasetBody<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Public key that signs its manifests.
    pub(crate) publisher: &'a str,
}

/// A dataset, of which nothing more is looked at than that it is there.
#[derive(Debug, Deserialize)]
pub(crate) struct DatasetBody {}

/// A role for a subject.
#[derive(Debug, Serialize)]
pub(crate) struct GrantBody<'a> {
    /// The name at the issuer.
    pub(crate) subject: &'a str,
    /// `owner`, `researcher`, `custodian` or `auditor`.
    pub(crate) role: &'a str,
}

/// What is granted for a dataset.
#[derive(Debug, Deserialize)]
pub(crate) struct GrantsBody {
    /// Who is what.
    pub(crate) grants: Vec<Granted>,
}

/// A role that somebody has.
#[derive(Debug, Deserialize)]
pub(crate) struct Granted {
    /// The name at the issuer.
    pub(crate) subject: String,
    /// The role.
    pub(crate) role: String,
}

/// A version to be uploaded.
#[derive(Debug, Serialize)]
pub(crate) struct NewVersionBody<'a> {
    /// Text of `manifest.json`.
    pub(crate) manifest: &'a str,
    /// Text of `schema.hq`.
    pub(crate) schema: &'a str,
    /// The owner's signature under the BLAKE3 of the manifest's text.
    pub(crate) signature: &'a str,
    /// Length of the evaluation keys in bytes.
    pub(crate) key_bytes: u64,
    /// BLAKE3 of the evaluation keys.
    pub(crate) key_digest: &'a str,
}

/// A version, and what is not there yet.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionBody {
    /// Its number.
    pub(crate) version: u64,
    /// `open`, `published` or `refused`.
    pub(crate) state: String,
    /// Bytes of a chunk.
    pub(crate) chunk_bytes: u64,
    /// Files with chunks that are missing.
    pub(crate) missing: Vec<MissingBody>,
}

/// What became of what was erased.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReceiptBody {
    /// The dataset.
    pub(crate) dataset: String,
    /// The version, where it is not all of the dataset.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) version: Option<u64>,
    /// When.
    pub(crate) erased: String,
    /// Objects that were removed.
    pub(crate) objects: u64,
    /// The service's public key.
    pub(crate) key: String,
    /// The service's signature.
    pub(crate) signature: String,
}

/// Chunks of a file that are missing.
#[derive(Debug, Deserialize)]
pub(crate) struct MissingBody {
    /// The file.
    pub(crate) file: String,
    /// Their numbers, from 0.
    pub(crate) chunks: Vec<u64>,
}

/// The manifest of a version, with the owner's signature.
#[derive(Debug, Deserialize)]
pub(crate) struct ManifestBody {
    /// Text of the manifest.
    pub(crate) manifest: String,
    /// The signature under its BLAKE3.
    pub(crate) signature: String,
}

/// A program.
#[derive(Debug, Serialize)]
pub(crate) struct ProgramBody {
    /// Its name in messages.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Texts of the modules that it uses, by name.
    pub(crate) modules: BTreeMap<String, String>,
    /// Values of public parameters.
    pub(crate) params: BTreeMap<String, String>,
    /// The query to take, where there are several.
    pub(crate) query: Option<String>,
}

/// A program to be computed.
#[derive(Debug, Serialize)]
pub(crate) struct SubmitBody {
    /// The program.
    pub(crate) program: ProgramBody,
    /// What it is for.
    pub(crate) purpose: String,
    /// For whom the custodian encrypts the released table.
    pub(crate) recipient: String,
}

/// A job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct JobBody {
    /// Its id.
    pub(crate) id: String,
    /// The dataset.
    pub(crate) dataset: String,
    /// Its version.
    pub(crate) version: u64,
    /// Who submitted it.
    pub(crate) subject: String,
    /// What it is for.
    pub(crate) purpose: String,
    /// The queries.
    pub(crate) queries: Vec<String>,
    /// For whom the table is encrypted.
    pub(crate) recipient: String,
    /// Digest of the plan.
    pub(crate) plan: String,
    /// Digest of the build of the backend that planned it, if it is known.
    #[serde(default)]
    pub(crate) backend: String,
    /// Digests of the plugins whose functions it calls, by name.
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, String>,
    /// Where it is.
    pub(crate) state: String,
    /// Blocks done.
    pub(crate) done: u64,
    /// Blocks in all.
    pub(crate) blocks: u64,
    /// One sentence about a failure or a refusal.
    pub(crate) detail: Option<String>,
    /// When it was submitted.
    pub(crate) created: String,
}

impl JobBody {
    /// Whether the service has done what it can.
    pub(crate) fn rests(&self) -> bool {
        !matches!(self.state.as_str(), "queued" | "running")
    }
}

/// Jobs, the newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct JobsBody {
    /// A page of them.
    pub(crate) jobs: Vec<JobBody>,
}

/// Why a result is not released.
#[derive(Debug, Serialize)]
pub(crate) struct ReasonBody<'a> {
    /// One sentence for the researcher.
    pub(crate) reason: &'a str,
}

/// Entries of the audit log.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditBody {
    /// Lines, as they are verified.
    pub(crate) lines: Vec<String>,
    /// Signed heads.
    pub(crate) heads: Vec<Head>,
}

/// A registered plugin.
#[derive(Debug, Deserialize)]
pub(crate) struct PluginBody {
    /// Its name.
    pub(crate) name: String,
    /// BLAKE3 of its file.
    pub(crate) blake3: String,
    /// The key that signed it.
    pub(crate) key: String,
    /// When it was accepted.
    pub(crate) registered: String,
    /// ABI that it was built for.
    pub(crate) abi: u32,
    /// Its backend.
    pub(crate) backend: Option<BackendBody>,
    /// Whether its backend has the half that holds keys.
    pub(crate) custody: bool,
    /// Names of its functions.
    pub(crate) functions: Vec<String>,
    /// Whether it is a module of WebAssembly.
    pub(crate) module: bool,
}

/// A backend of a plugin.
#[derive(Debug, Deserialize)]
pub(crate) struct BackendBody {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// A plugin that is accepted no more.
#[derive(Debug, Deserialize)]
pub(crate) struct RevokedBody {
    /// Its name.
    pub(crate) name: String,
    /// BLAKE3 of its file.
    pub(crate) blake3: String,
    /// Why.
    pub(crate) reason: String,
    /// When.
    pub(crate) time: String,
}

/// Plugins of a service.
#[derive(Debug, Deserialize)]
pub(crate) struct PluginsBody {
    /// What is accepted.
    pub(crate) plugins: Vec<PluginBody>,
    /// What is accepted no more.
    pub(crate) revoked: Vec<RevokedBody>,
}

/// Which build is accepted no more.
#[derive(Debug, Serialize)]
pub(crate) struct RevokeBody<'a> {
    /// BLAKE3 of its file.
    pub(crate) blake3: &'a str,
    /// Why.
    pub(crate) reason: &'a str,
}

/// Whether a plugin can be used.
#[derive(Debug, Deserialize)]
pub(crate) struct VerifiedBody {
    /// Why not.
    pub(crate) reason: Option<String>,
}
