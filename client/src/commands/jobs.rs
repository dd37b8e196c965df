//! `hq jobs`: what one submitted, or opens, at a service: listed, watched, cancelled.

use crate::cli::{JobsArgs, JobsCommand};
use crate::error::Result;
use crate::output;
use crate::service::Service;
use crate::wire::{JobBody, JobsBody};

use super::submit::{follow, segment};

/// Lists, watches or cancels.
pub(crate) fn jobs(args: &JobsArgs) -> Result<()> {
    let service = Service::of_login()?;
    match &args.command {
        None => {
            let list: JobsBody = service.get("/v1/jobs")?;
            for job in &list.jobs {
                line(job);
            }
            if list.jobs.is_empty() {
                output::note("no jobs");
            }
        }
        Some(JobsCommand::Watch { job }) => line(&follow(&service, segment(job)?)?),
        Some(JobsCommand::Cancel { job }) => {
            let job: JobBody = service.delete(&format!("/v1/jobs/{}", segment(job)?))?;
            line(&job);
        }
    }
    Ok(())
}

/// One job.
fn line(job: &JobBody) {
    let JobBody { id, dataset, subject, state, done, blocks, created, .. } = job;
    let mut line =
        format!("{id} {created} {state:9} {done}/{blocks} {dataset} {} {subject}", job.queries.join(","));
    if let Some(detail) = &job.detail {
        line += &format!(": {detail}");
    }
    output::out(&(output::plain(&line) + "\n"));
}
