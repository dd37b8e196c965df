//! Versions of a dataset: begun with a signed manifest, uploaded in chunks, checked as a whole, published.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use hq_engine::audit::Event;
use hq_engine::dataset::{Manifest, PartBytes, PartFile, hex_digest};
use hq_engine::gate_keys::GatePublic;
use hq_engine::signed::{self, MANIFEST};
use hq_plugin_sdk::frame::{self, KeyId, Kind, split_off};
use serde::Deserialize;

use super::bodies::{ManifestBody, MissingBody, NewVersionBody, VersionBody};
use super::{is_segment, whole};
use crate::app::{App, Shared, blocking, event};
use crate::chunks::{self, ChunkedFile};
use crate::datasets::{Dataset, KEYS, Version};
use crate::envelope::EnvelopeKey;
use crate::guard::CallerData;
use crate::identity::Caller;
use crate::objects::chunk_name;
use crate::problem::{Code, Problem, Result};
use crate::store::Tx;

/// What a file of age begins with: secret keys are locked so.
const AGE_MAGIC: &[u8] = b"age-encryption.org/";

pub(super) async fn schema(app: Shared, name: web::Path<String>) -> Result<HttpResponse> {
    let version = blocking(&app, move |app| app.store.with(|tx| tx.published(&name))).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(version.schema))
}

/// Which version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    version: Option<u64>,
}

pub(super) async fn manifest(
    app: Shared,
    name: web::Path<String>,
    which: web::Query<Which>,
) -> Result<web::Json<ManifestBody>> {
    let read = move |app: &App| {
        app.store.with(|tx| {
            let dataset = tx.dataset(&name)?;
            let version = match which.version {
                Some(number) => tx.version(&name, number)?,
                None => tx.published(&name)?,
            };
            let Version { number, manifest, signature, .. } = version;
            Ok(ManifestBody { version: number, manifest, signature, publisher: dataset.publisher })
        })
    };
    blocking(&app, read).await.map(web::Json)
}

pub(super) async fn begin(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    new: web::Json<NewVersionBody>,
) -> Result<HttpResponse> {
    let (caller, new) = (caller.into_inner(), new.into_inner());
    let begun = blocking(&app, move |app| {
        let dataset = app.store.with(|tx| tx.living(&name))?;
        let version = checked(app, &dataset, new)?;
        app.store.with(|tx| {
            tx.living(&name)?;
            let number = tx.begin_version(&name, &version)?;
            let mut event = event(&caller, "version.begun");
            (event.dataset, event.manifest) = (Some(name.clone()), Some(version.digest.clone()));
            tx.audit(event)?;
            body(tx, app, &name, &tx.version(&name, number)?)
        })
    });
    Ok(HttpResponse::Created().json(begun.await?))
}

/// A version that may be uploaded: signed by the owner, of this dataset, of a backend that is allowed, and not too large.
fn checked(app: &App, dataset: &Dataset, new: NewVersionBody) -> Result<Version> {
    let NewVersionBody { manifest: text, schema, signature, key_bytes, key_digest } = new;
    let digest = hex_digest(text.as_bytes());
    signed::verify(&dataset.publisher, MANIFEST, digest.as_bytes(), &signature)
        .map_err(|error| Problem::new(Code::Signature, format!("The manifest: {error}.")))?;
    let wrong = |detail: String| Err(Problem::new(Code::Dataset, detail));
    let manifest = Manifest::parse(std::path::Path::new("manifest"), &text)?;
    if manifest.dataset != dataset.name {
        return wrong(format!("The manifest is of `{}`.", manifest.dataset));
    }
    if hex_digest(schema.as_bytes()) != manifest.schema_digest {
        return wrong("The schema is not the one that the manifest names.".to_owned());
    }
    let (compiled, _, _) = hq_dsl::dataset("schema.hq", &schema);
    if compiled.is_none_or(|compiled| compiled.name != dataset.name) {
        return wrong(format!(
            "The schema does not declare `{}`, or has errors: `hq check` shows them.",
            dataset.name
        ));
    }
    app.planner(&manifest)?;
    if let Some(part) = manifest.parts.values().find(|part| !is_segment(&part.file)) {
        return wrong(format!("`{}` is no name of a file here.", part.file));
    }
    let bytes = manifest.parts.values().try_fold(0_u64, |sum, part| sum.checked_add(part.bytes));
    let limits = &app.config.limits;
    if key_bytes == 0
        || key_bytes > limits.key_bytes
        || bytes.is_none_or(|bytes| bytes > limits.dataset_bytes)
    {
        return Err(Problem::new(
            Code::TooLarge,
            "The dataset, or its keys, are larger than may be stored here.",
        ));
    }
    let state = "open".to_owned();
    Ok(Version { number: 0, state, manifest: text, digest, signature, schema, key_bytes, key_digest })
}

fn body(tx: &Tx<'_>, app: &App, dataset: &str, version: &Version) -> Result<VersionBody> {
    let chunk_bytes = app.config.limits.chunk_bytes;
    let mut missing = Vec::new();
    if version.state == "open" {
        for (file, bytes) in version.files()? {
            let there: std::collections::BTreeSet<u64> =
                tx.chunks(dataset, version.number, &file)?.into_iter().collect();
            let chunks: Vec<u64> =
                (0..chunks::count(bytes, chunk_bytes)).filter(|number| !there.contains(number)).collect();
            if !chunks.is_empty() {
                missing.push(MissingBody { file, chunks });
            }
        }
    }
    Ok(VersionBody { version: version.number, state: version.state.clone(), chunk_bytes, missing })
}

pub(super) async fn show(app: Shared, path: web::Path<(String, u64)>) -> Result<web::Json<VersionBody>> {
    let read = move |app: &App| {
        let (dataset, number) = &*path;
        app.store.with(|tx| body(tx, app, dataset, &tx.version(dataset, *number)?))
    };
    blocking(&app, read).await.map(web::Json)
}

pub(super) async fn put_chunk(
    app: Shared,
    caller: CallerData,
    path: web::Path<(String, u64, String, u64)>,
    request: HttpRequest,
    bytes: std::result::Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse> {
    let bytes = whole(bytes)?;
    let (name, number, file, chunk) = path.into_inner();
    let digest = request.headers().get("hq-digest").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let digest = digest.ok_or_else(|| Problem::invalid("The header `hq-digest` is missing."))?;
    let (key, object) = {
        let (name, file, bytes, caller) = (name.clone(), file.clone(), bytes.clone(), caller.into_inner());
        let given = digest.clone();
        blocking(&app, move |app| admit(app, &caller, (&name, number, &file, chunk), &given, &bytes)).await?
    };
    app.objects.put(&key, &object, &bytes).await?;
    blocking(&app, move |app| {
        app.store.with(|tx| {
            tx.living(&name)?;
            tx.put_chunk(&name, number, &file, chunk, &digest)
        })
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Looks at a chunk before anything of it is stored.
fn admit(
    app: &App,
    caller: &Caller,
    (name, number, file, chunk): (&str, u64, &str, u64),
    digest: &str,
    bytes: &[u8],
) -> Result<(EnvelopeKey, String)> {
    refuse_secret_key(app, event(caller, "chunk.uploaded"), (name, file), bytes)?;
    if hex_digest(bytes) != digest {
        return Err(Problem::new(Code::Digest, "The chunk is not that of `hq-digest`: send it again."));
    }
    let (dataset, version) = app.store.with(|tx| Ok((tx.living(name)?, tx.version(name, number)?)))?;
    if version.state != "open" {
        let detail = format!("Version {number} is {}: it takes no more chunks.", version.state);
        return Err(Problem::new(Code::Conflict, detail));
    }
    let files = version.files()?;
    let (_, length) = files
        .iter()
        .find(|(known, _)| known == file)
        .ok_or_else(|| Problem::not_found(format!("file `{file}` in the manifest")))?;
    let wanted = chunks::length(*length, app.config.limits.chunk_bytes, chunk)
        .ok_or_else(|| Problem::not_found(format!("chunk {chunk} of `{file}`")))?;
    if wanted != bytes.len() as u64 {
        let detail = format!("Chunk {chunk} of `{file}` has {wanted} bytes, not {}.", bytes.len());
        return Err(Problem::new(Code::Dataset, detail));
    }
    Ok((dataset.key(&app.master)?, chunk_name(name, number, file, chunk)))
}

/// Refuses bytes that hold a secret key, and notes that.
///
/// # Errors
/// They do.
pub(super) fn refuse_secret_key(
    app: &App,
    mut event: Event,
    (name, what): (&str, &str),
    bytes: &[u8],
) -> Result<()> {
    if !holds_secret_key(bytes) {
        return Ok(());
    }
    Code::KeyMark.text().clone_into(&mut event.outcome);
    event.dataset = Some(name.to_owned());
    event.detail = Some(what.to_owned());
    app.store.audit(event)?;
    let detail = "These bytes are marked as a SECRET KEY. Nothing of them was stored. It has left your hands: make \
                  new keys, and encrypt the table again.";
    Err(Problem::new(Code::KeyMark, detail))
}

/// Whether bytes have the mark of a secret key anywhere, or are locked as one is.
fn holds_secret_key(bytes: &[u8]) -> bool {
    let mut mark = frame::MAGIC.to_vec();
    mark.extend_from_slice(&[Kind::SecretKey as u8, 0, 0, 0]);
    bytes.starts_with(AGE_MAGIC) || memchr::memmem::find(bytes, &mark).is_some()
}

pub(super) async fn publish(
    app: Shared,
    caller: CallerData,
    path: web::Path<(String, u64)>,
) -> Result<web::Json<VersionBody>> {
    let (caller, (name, number)) = (caller.into_inner(), path.into_inner());
    let folder = format!("datasets/{name}/{number}");
    let published = blocking(&app, move |app| {
        let (dataset, version) = app.store.with(|tx| Ok((tx.living(&name)?, tx.version(&name, number)?)))?;
        let refusal = match version.state.as_str() {
            "open" => {
                let missing = app.store.with(|tx| body(tx, app, &name, &version))?.missing;
                if let Some(MissingBody { file, chunks }) = missing.first() {
                    let detail =
                        format!("{} chunks of `{file}` are missing, and perhaps more.", chunks.len());
                    return Err(Problem::new(Code::Conflict, detail));
                }
                verify(app, &dataset, &version).err()
            }
            "published" => return app.store.with(|tx| body(tx, app, &name, &version)).map(Ok),
            _ => return Err(Problem::new(Code::Conflict, format!("Version {number} is {}.", version.state))),
        };
        let mut event = event(&caller, "version.published");
        (event.dataset, event.manifest) = (Some(name.clone()), Some(version.digest.clone()));
        let state = if refusal.is_none() { "published" } else { "refused" };
        if let Some(problem) = &refusal {
            problem.code.text().clone_into(&mut event.outcome);
            event.detail = Some(problem.detail.clone());
        }
        let done = app.store.with(|tx| {
            tx.close_version(&name, number, state)?;
            tx.audit(event)?;
            body(tx, app, &name, &tx.version(&name, number)?)
        })?;
        Ok(refusal.map_or(Ok(done), Err))
    });
    match published.await? {
        Ok(done) => Ok(web::Json(done)),
        Err(problem) => {
            app.objects.remove_under(&folder).await?;
            Err(problem)
        }
    }
}

/// The pair that evaluation keys are of, if it is the dataset's, and if what decides on its counts is there and is its own.
fn key_pair(keys: &[u8], manifest: &Manifest) -> std::result::Result<KeyId, String> {
    let (of_keys, _, behind) = split_off(keys, Kind::EvaluationKey).map_err(|error| error.to_string())?;
    if of_keys.key.to_string() != manifest.key_id {
        return Err("they are of another key pair than the dataset".to_owned());
    }
    let gates = GatePublic::read(behind).map_err(|error| error.to_string())?;
    match (&manifest.gates, gates) {
        (None, None) => Ok(of_keys.key),
        (None, Some(_)) => Err("they decide on small counts, which the dataset does not ask for".to_owned()),
        (Some(_), None) => Err("they do not decide on small counts, which the dataset asks for".to_owned()),
        (Some(binding), Some(gates)) => match gates.foreign_to(binding) {
            None => Ok(of_keys.key),
            Some(reason) => Err(format!("what decides on small counts is {reason}")),
        },
    }
}

/// Every byte of an upload: evaluation keys of the manifest's key pair, and frames that are ciphertexts under it.
fn verify(app: &App, dataset: &Dataset, version: &Version) -> Result<()> {
    let wrong = |detail: String| Problem::new(Code::Dataset, detail);
    let (key, objects) = (dataset.key(&app.master)?, app.objects.chunks());
    let file = |name: &str, bytes: u64| {
        let place = (dataset.name.clone(), version.number, name.to_owned());
        ChunkedFile::new(Arc::clone(&objects), key.clone(), place, bytes, app.config.limits.chunk_bytes)
    };
    let manifest = version.manifest()?;
    let keys = file(KEYS, version.key_bytes).read_all().map_err(Problem::internal)?;
    if hex_digest(&keys) != version.key_digest {
        return Err(Problem::new(Code::Digest, "The evaluation keys are not those of their digest."));
    }
    let pair =
        key_pair(&keys, &manifest).map_err(|reason| wrong(format!("The evaluation keys: {reason}.")))?;
    let open = |part: &PartFile| {
        Ok((PathBuf::from(&part.file), Box::new(file(&part.file, part.bytes)) as Box<dyn PartBytes>))
    };
    for (part, PartFile { file, .. }) in &manifest.parts {
        let blocks = manifest.blocks_of([part.as_str()], std::path::Path::new(&dataset.name), open)?;
        let mut frames = Vec::new();
        for index in 0..manifest.all_blocks() {
            blocks.read(index, &mut frames)?;
            let frame = frames.first().map(Vec::as_slice).unwrap_or_default();
            let found = frame::open(frame, Kind::Ciphertext)
                .map_err(|error| wrong(format!("`{file}`, block {index}: {error}.")))?;
            if found.key != pair {
                return Err(wrong(format!("`{file}`, block {index}: it is encrypted under another key.")));
            }
        }
    }
    Ok(())
}
