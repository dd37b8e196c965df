//! `hq result`: a table that a custodian released, decrypted and shown.

use std::path::Path;

use crate::cli::{Format, ResultArgs};
use crate::error::{ClientError, Result, file_error};
use crate::output;
use crate::recipient::identity;
use crate::released::ReleasedTable;
use crate::service::Service;
use crate::wire::JobBody;

use super::submit::segment;

/// Largest released table that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Shows a result.
pub(crate) fn result(args: &ResultArgs) -> Result<()> {
    let service = Service::of_login()?;
    let job: JobBody = service.get(&format!("/v1/jobs/{}", segment(&args.job)?))?;
    show(&service, &job, args.format, args.plot.as_deref())
}

/// Shows what was released of a job, or says why nothing was.
pub(super) fn show(service: &Service, job: &JobBody, format: Format, plot: Option<&Path>) -> Result<()> {
    if job.state != "released" {
        let detail = job.detail.as_deref().map(output::plain);
        return Err(ClientError::NoResult { job: job.id.clone(), state: output::plain(&job.state), detail });
    }
    let sealed = service.bytes(&format!("/v1/jobs/{}/release", segment(&job.id)?), MAX_BYTES)?;
    let wrong = |reason: String| ClientError::ReleasedTable { job: job.id.clone(), reason };
    let table = ReleasedTable::open(&sealed, &identity()?).map_err(wrong)?;
    if table.job != job.id || table.plan != job.plan {
        return Err(wrong("it is of another job".to_owned()));
    }
    let (text, hidden) = table.text(format);
    output::out(text);
    if !hidden.is_empty() {
        output::note(hidden.trim_end());
    }
    match (plot, &table.svg) {
        (None, _) => Ok(()),
        (Some(path), Some(svg)) => std::fs::write(path, svg).map_err(file_error(path)),
        (Some(path), None) => {
            Err(ClientError::NothingToDraw { path: path.to_owned(), queries: job.queries.join(", ") })
        }
    }
}
