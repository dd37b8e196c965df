//! What goes in and out as JSON.

use std::collections::BTreeMap;

use hq_engine::audit::Head;
use hq_engine::registry::{Entry, Provides, Revoked};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::datasets::Grant;
use crate::diagnostics::DiagnosticBody;
use crate::jobs::Job;
use crate::programs::ProgramBody;
use crate::roles::Role;

/// Where to log in, and limits.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ServiceBody {
    /// Version of the service.
    pub version: String,
    /// The OpenID issuer.
    pub issuer: String,
    /// The client that `hq login` is there.
    pub client_id: String,
    /// The audience that access tokens are for.
    pub audience: String,
    /// Bytes of a chunk of an upload.
    pub chunk_bytes: u64,
}

/// Who the token is of.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MeBody {
    /// Who says so.
    pub issuer: String,
    /// The name there.
    pub subject: String,
    /// May create datasets.
    pub owner: bool,
    /// Sees metrics.
    pub operator: bool,
    /// Reads the whole audit log.
    pub auditor: bool,
    /// Registers and revokes plugins.
    pub administrator: bool,
}

/// A dataset to be created.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDatasetBody {
    /// Its name, that of its schema.
    pub name: String,
    /// Ed25519 public key that signs its manifests, in hexadecimal.
    pub publisher: String,
}

/// A dataset.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DatasetBody {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: String,
    /// When it was erased.
    pub erased: Option<String>,
    /// What the caller is for it.
    pub roles: Vec<Role>,
    /// The version that queries read.
    pub version: Option<u64>,
}

/// Datasets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DatasetsBody {
    /// Of the caller.
    pub datasets: Vec<DatasetBody>,
}

/// What became of an erased dataset, or of a version that was withdrawn. The signature is the service's, over the fields
/// before `key` with a space between them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReceiptBody {
    /// The dataset.
    pub dataset: String,
    /// The version, where it is not all of the dataset.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
    /// When.
    pub erased: String,
    /// Objects that were removed.
    pub objects: u64,
    /// The service's public key.
    pub key: String,
    /// Its signature.
    pub signature: String,
}

/// Grants.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantsBody {
    /// Of a dataset.
    pub grants: Vec<Grant>,
}

/// A version to be uploaded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersionBody {
    /// Text of `manifest.json`.
    pub manifest: String,
    /// Text of `schema.hq`.
    pub schema: String,
    /// The owner's signature under the BLAKE3 of the manifest's text.
    pub signature: String,
    /// Length of the evaluation keys in bytes.
    pub key_bytes: u64,
    /// BLAKE3 of the evaluation keys.
    pub key_digest: String,
}

/// A version, and what is not there yet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionBody {
    /// Its number.
    pub version: u64,
    /// `open`, `published` or `refused`.
    pub state: String,
    /// Bytes of a chunk.
    pub chunk_bytes: u64,
    /// Files with chunks that are missing.
    pub missing: Vec<MissingBody>,
}

/// Chunks of a file that are missing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MissingBody {
    /// The file.
    pub file: String,
    /// Their numbers, from 0.
    pub chunks: Vec<u64>,
}

/// The manifest of the published version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ManifestBody {
    /// The version.
    pub version: u64,
    /// Text of the manifest.
    pub manifest: String,
    /// The owner's signature under its BLAKE3.
    pub signature: String,
    /// The owner's public key.
    pub publisher: String,
}

/// A sound program.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckedBody {
    /// Its queries.
    pub queries: Vec<String>,
    /// Numbers that would be opened.
    pub numbers: u64,
    /// Warnings and notes.
    pub diagnostics: Vec<DiagnosticBody>,
}

/// How a program is computed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedBody {
    /// What `hq explain` shows.
    pub text: String,
    /// BLAKE3 of the plan's text.
    pub plan: String,
}

/// A program to be computed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitBody {
    /// The program.
    pub program: ProgramBody,
    /// What it is for: it goes to the audit log and to the custodian.
    pub purpose: String,
    /// Recipient of age, for whom the custodian encrypts the released table.
    pub recipient: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobBody {
    /// Its id.
    pub id: String,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// Who submitted it.
    pub subject: String,
    /// What it is for.
    pub purpose: String,
    /// The queries.
    pub queries: Vec<String>,
    /// For whom the table is encrypted.
    pub recipient: String,
    /// Digest of the plan.
    pub plan: String,
    /// BLAKE3 of the build of the backend that planned it; empty for jobs of before it was noted.
    pub backend: String,
    /// BLAKE3 of the plugins whose functions it calls, by name.
    pub functions: BTreeMap<String, String>,
    /// Numbers that are opened.
    pub numbers: u64,
    /// `queued`, `running`, `computed`, `released`, `refused`, `failed`, `cancelled` or `expired`.
    pub state: String,
    /// Blocks done.
    pub done: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Why it failed or was refused.
    pub code: Option<String>,
    /// One sentence about that.
    pub detail: Option<String>,
    /// When it was submitted.
    pub created: String,
    /// When it came to its end.
    pub ended: Option<String>,
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            dataset: job.dataset,
            version: job.version,
            subject: job.subject,
            purpose: job.purpose,
            queries: job.program.queries,
            functions: job.program.functions,
            backend: job.backend,
            recipient: job.recipient,
            plan: job.plan,
            numbers: job.numbers,
            state: job.state,
            done: job.done,
            blocks: job.blocks,
            code: job.code,
            detail: job.detail,
            created: job.created,
            ended: job.ended,
        }
    }
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobsBody {
    /// A page of them; the next one begins `before` the last id.
    pub jobs: Vec<JobBody>,
}

/// Why a result is not released.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonBody {
    /// One sentence for the researcher.
    pub reason: String,
}

/// Entries of the audit log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditBody {
    /// Lines, as they are verified.
    pub lines: Vec<String>,
    /// Signed heads, the one of now among them; none where entries were picked.
    #[schema(value_type = Vec<Object>)]
    pub heads: Vec<Head>,
}

/// A registered plugin.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginBody {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its file.
    pub blake3: String,
    /// The key that signed it.
    pub key: String,
    /// When it was accepted.
    pub registered: String,
    /// ABI that it was built for.
    pub abi: u32,
    /// Its backend.
    pub backend: Option<BackendBody>,
    /// Whether its backend has the half that holds keys.
    pub custody: bool,
    /// Names of its functions.
    pub functions: Vec<String>,
    /// Whether it is a module of WebAssembly.
    pub module: bool,
}

/// A backend of a plugin.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BackendBody {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A plugin that is accepted no more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokedBody {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its file.
    pub blake3: String,
    /// Why.
    pub reason: String,
    /// When.
    pub time: String,
}

/// The registry of plugins.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginsBody {
    /// What is accepted.
    pub plugins: Vec<PluginBody>,
    /// What is accepted no more.
    pub revoked: Vec<RevokedBody>,
    /// Names of the keys whose signatures count.
    pub keys: Vec<String>,
}

/// Which build is accepted no more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeBody {
    /// BLAKE3 of its file.
    pub blake3: String,
    /// Why: whoever wants to use it is told.
    pub reason: String,
}

/// Whether a plugin can be used.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifiedBody {
    /// Its name.
    pub name: String,
    /// Why not; nothing where it can.
    pub reason: Option<String>,
}

impl From<Entry> for PluginBody {
    fn from(entry: Entry) -> Self {
        let Entry { name, blake3, key, provides, registered } = entry;
        let Provides { abi, backend, custody, functions, module } = provides;
        let backend = backend.map(|(name, version)| BackendBody { name, version });
        Self { name, blake3, key, registered, abi, backend, custody, functions, module }
    }
}

impl From<Revoked> for RevokedBody {
    fn from(revoked: Revoked) -> Self {
        let Revoked { name, blake3, reason, time } = revoked;
        Self { name, blake3, reason, time }
    }
}
