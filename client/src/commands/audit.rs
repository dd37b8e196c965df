//! `hq audit`: the audit log of a service, exported and verified. Heads that were exported before show a tail that was cut.

use std::fs;
use std::path::{Path, PathBuf};

use hq_engine::audit::{self, Head};

use crate::cli::{AuditArgs, AuditCommand};
use crate::configuration::write_private;
use crate::error::{ClientError, Result, damaged, file_error};
use crate::keys::read_bounded;
use crate::output;
use crate::service::Service;
use crate::wire::AuditBody;

use super::submit::segment;

/// Largest log that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// Exports or verifies.
pub(crate) fn audit(args: &AuditArgs) -> Result<()> {
    match &args.command {
        AuditCommand::Export { output, dataset } => export(output, dataset.as_deref()),
        AuditCommand::Verify { log, heads, key } => verify(log, heads, key.as_deref()),
    }
}

/// Where the heads of a log are.
fn heads_beside(log: &Path) -> PathBuf {
    let mut name = log.file_name().unwrap_or_default().to_owned();
    name.push(".heads");
    log.with_file_name(name)
}

fn export(path: &Path, dataset: Option<&str>) -> Result<()> {
    let service = Service::of_login()?;
    let place = match dataset {
        Some(dataset) => format!("/v1/datasets/{}/audit", segment(dataset)?),
        None => "/v1/audit".to_owned(),
    };
    let (mut lines, mut heads): (Vec<String>, Vec<Head>) = (Vec::new(), Vec::new());
    let mut after = 0;
    loop {
        let page: AuditBody = service.get(&format!("{place}?after={after}"))?;
        if page.lines.is_empty() {
            break;
        }
        after = number(path, page.lines.last().map_or("", String::as_str))?;
        lines.extend(page.lines);
        heads = page.heads;
    }
    let text = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
    let count = lines.len();
    write_private(path, text(lines).as_bytes())?;
    if dataset.is_none() {
        // What was signed later than the last entry here is of entries that are not here.
        let heads = heads.iter().filter(|head| head.entries <= after).map(serde_json::to_string);
        let heads = heads.collect::<std::result::Result<Vec<_>, _>>();
        let heads =
            heads.map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        write_private(&heads_beside(path), text(heads).as_bytes())?;
    }
    output::out(&format!("{}: {count} entries\n", path.display()));
    Ok(())
}

/// The number of an entry, which the next page follows.
fn number(path: &Path, line: &str) -> Result<u64> {
    let text = line.split_once(' ').map_or("", |(_, text)| text);
    let entry: audit::Entry =
        serde_json::from_str(text).map_err(|error| damaged(path, format!("holds no entry: {error}")))?;
    Ok(entry.number)
}

fn verify(log: &Path, heads: &[PathBuf], key: Option<&str>) -> Result<()> {
    let lines = text(log)?;
    let mut signed = Vec::new();
    let beside = heads_beside(log);
    let beside = beside.exists().then_some(beside);
    for path in heads.iter().chain(&beside) {
        for line in text(path)?.lines() {
            let head = serde_json::from_str::<Head>(line);
            signed.push(head.map_err(|error| damaged(path, format!("holds no head: {error}")))?);
        }
    }
    let (entries, digest) =
        audit::verify(lines.lines(), &signed, key).map_err(|fault| damaged(log, fault.to_string()))?;
    match signed.iter().max_by_key(|head| head.entries) {
        Some(head) => output::out(&format!(
            "{}: {entries} entries, unbroken; signed up to entry {} with key {}; the last digest is {digest}\n",
            log.display(),
            head.entries,
            head.key
        )),
        None => {
            output::warn("there is no signed head: entries that were cut off at the end are not noticed");
            output::out(&format!(
                "{}: {entries} entries, unbroken; the last digest is {digest}\n",
                log.display()
            ));
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String> {
    fs::metadata(path).map_err(file_error(path))?;
    String::from_utf8(read_bounded(path, MAX_BYTES)?).map_err(|error| damaged(path, error.to_string()))
}
