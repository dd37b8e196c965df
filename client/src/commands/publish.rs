//! `hq publish`: an encrypted table to a service, with its evaluation keys. What is there already is not sent again.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use hq_engine::dataset::{DatasetFolder, MANIFEST, hex_digest};
use hq_engine::run::Progress;
use hq_engine::signed::{self, public_key, sign};

use crate::cli::PublishArgs;
use crate::error::{ClientError, Result, damaged, file_error, mismatch};
use crate::keys::{EVALUATION, KeyFolder, check_gates, read_evaluation_keys};
use crate::output::{self, Bar};
use crate::program::read_source;
use crate::publisher::signing_key;
use crate::service::Service;
use crate::wire::{
    DatasetBody, GrantBody, GrantsBody, NewDatasetBody, NewVersionBody, ReceiptBody, VersionBody,
};

/// The name under which the service takes evaluation keys.
const KEYS: &str = "evaluation.keys";
/// Largest chunk that a service may ask for, in bytes.
const MAX_CHUNK_BYTES: u64 = 64 << 20;

/// Publishes a table.
pub(crate) fn publish(args: &PublishArgs) -> Result<()> {
    let folder = DatasetFolder::open(&args.data)?;
    let keys = KeyFolder::open(&args.keys)?;
    let manifest = folder.manifest();
    let key_path = args.keys.join(EVALUATION);
    // Read as evaluation keys: a secret key goes nowhere.
    let evaluation = read_evaluation_keys(&key_path)?;
    let key = evaluation.key;
    if key.to_string() != manifest.key_id || keys.description.key_id != manifest.key_id {
        let reason =
            format!("was encrypted with key {}, not with those in {}", manifest.key_id, args.keys.display());
        return Err(mismatch(&args.data, reason));
    }
    check_gates(&key_path, &args.data, manifest.gates.as_ref(), evaluation.gates.as_ref())?;
    let evaluation = evaluation.whole();
    let text = read_source(&args.data.join(MANIFEST))?;
    let digest = hex_digest(text.as_bytes());
    if digest != folder.digest() {
        return Err(mismatch(&args.data, "was changed meanwhile: do it again"));
    }
    let signer = signing_key(&args.keys)?;
    let service = Service::of_login()?;
    let name = manifest.dataset.as_str();
    if service.find::<DatasetBody>(&format!("/v1/datasets/{name}"))?.is_none() {
        let publisher = public_key(&signer);
        let _: DatasetBody = service.post("/v1/datasets", &NewDatasetBody { name, publisher: &publisher })?;
    }
    let new = NewVersionBody {
        manifest: &text,
        schema: folder.schema(),
        signature: &sign(&signer, signed::MANIFEST, digest.as_bytes()),
        key_bytes: evaluation.len() as u64,
        key_digest: &hex_digest(&evaluation),
    };
    let begun: VersionBody = service.post(&format!("/v1/datasets/{name}/versions"), &new)?;
    let path = |file: &str| if file == KEYS { key_path.clone() } else { args.data.join(file) };
    let sent_bytes = upload(&service, name, &begun, path)?;
    let version = begun.version;
    let done: VersionBody = service.post(&format!("/v1/datasets/{name}/versions/{version}/publish"), &())?;
    for (subject, role) in grants(args) {
        let grant = GrantBody { subject, role };
        let _: GrantsBody = service.post(&format!("/v1/datasets/{name}/grants"), &grant)?;
    }
    if args.withdraw_older {
        withdraw_before(&service, name, version)?;
    }
    output::out(&format!(
        "{name}: version {version} is {} at {}, {} bytes sent\n",
        output::plain(&done.state),
        service.address(),
        hq_dsl::with_commas(sent_bytes.into()),
    ));
    Ok(())
}

/// Takes back what was published before.
fn withdraw_before(service: &Service, dataset: &str, version: u64) -> Result<()> {
    for older in 1..version {
        match service.delete::<ReceiptBody>(&format!("/v1/datasets/{dataset}/versions/{older}")) {
            Ok(receipt) => output::out(&format!(
                "{dataset}: version {older} was withdrawn at {}, signed {}\n",
                output::plain(&receipt.erased),
                output::plain(&receipt.signature)
            )),
            // It holds nothing any more.
            Err(ClientError::Refused { code, .. }) if code == "conflict" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn grants(args: &PublishArgs) -> impl Iterator<Item = (&str, &'static str)> {
    let named =
        [(&args.researcher, "researcher"), (&args.custodian, "custodian"), (&args.auditor, "auditor")];
    named
        .into_iter()
        .flat_map(|(subjects, role)| subjects.iter().map(move |subject| (subject.as_str(), role)))
}

/// Sends the chunks that are missing; how many bytes.
fn upload(
    service: &Service,
    dataset: &str,
    begun: &VersionBody,
    path: impl Fn(&str) -> PathBuf,
) -> Result<u64> {
    if begun.chunk_bytes == 0 || begun.chunk_bytes > MAX_CHUNK_BYTES {
        let reason = format!("asks for chunks of {} bytes", begun.chunk_bytes);
        return Err(ClientError::Answer { address: service.address().to_owned(), reason });
    }
    let blocks = begun.missing.iter().map(|missing| missing.chunks.len() as u64).sum();
    let mut bar = Bar::of(dataset, "chunks");
    let (mut done, mut sent_bytes) = (0, 0);
    for missing in &begun.missing {
        // The service names files; only those of the manifest are read.
        let file_path = path(plain_name(&missing.file, service)?);
        let mut file = File::open(&file_path).map_err(file_error(&file_path))?;
        for &number in &missing.chunks {
            let chunk = chunk(&mut file, &file_path, number, begun.chunk_bytes)?;
            let place = format!(
                "/v1/datasets/{dataset}/versions/{}/files/{}/chunks/{number}",
                begun.version, missing.file
            );
            service.put(&place, &[("hq-digest", &hex_digest(&chunk))], &chunk)?;
            done += 1;
            sent_bytes += chunk.len() as u64;
            bar.set(Progress { done, blocks });
        }
    }
    Ok(sent_bytes)
}

/// A name that leads out of the folder, or to a secret key, is none.
fn plain_name<'a>(name: &'a str, service: &Service) -> Result<&'a str> {
    if name == KEYS || (name.ends_with(".hqc") && !name.starts_with('.') && !name.contains(['/', '\\'])) {
        return Ok(name);
    }
    let reason = format!("asks for a file `{}`, which is none of a dataset", output::plain(name));
    Err(ClientError::Answer { address: service.address().to_owned(), reason })
}

fn chunk(file: &mut File, path: &Path, number: u64, chunk_bytes: u64) -> Result<Vec<u8>> {
    let start = number.checked_mul(chunk_bytes).ok_or_else(|| damaged(path, "has no such chunk"))?;
    file.seek(SeekFrom::Start(start)).map_err(file_error(path))?;
    let mut bytes = Vec::new();
    file.take(chunk_bytes).read_to_end(&mut bytes).map_err(file_error(path))?;
    if bytes.is_empty() {
        return Err(damaged(path, "has no such chunk: it was cut"));
    }
    Ok(bytes)
}
