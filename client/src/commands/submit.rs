//! `hq submit`: a program to a service. It is checked here first, against the schema that the service publishes, and shown as
//! any result once the custodian has released it.

use std::thread;
use std::time::Duration;

use hq_engine::run::Progress;
use hq_engine::signed::hex;

use crate::cli::SubmitArgs;
use crate::error::{ClientError, Result};
use crate::loader::FileLoader;
use crate::output::{self, Bar};
use crate::program::Program;
use crate::recipient::identity;
use crate::service::Service;
use crate::wire::{JobBody, ProgramBody, SubmitBody};

/// Pause between two looks for what the custodian does.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Submits a program.
pub(crate) fn submit(args: &SubmitArgs) -> Result<()> {
    let mut service = Service::of_login()?;
    let dataset = segment(&args.dataset)?;
    let schema = service.text(&format!("/v1/datasets/{dataset}/schema"))?;
    let loader = FileLoader::beside(&args.file, &args.program.schema).with(
        dataset,
        &format!("{dataset}.hq of {}", service.address()),
        &schema,
    );
    let mut program = Program::read(&args.file, &args.program.param, loader)?;
    program.select(args.program.query.as_deref())?;
    if let Some((name, _)) = program.secret_params.first() {
        return Err(ClientError::SecretInClear { name: name.clone() });
    }
    let functions = program.functions;
    let body = SubmitBody {
        program: ProgramBody {
            name: args.file.display().to_string(),
            text: program.text,
            modules: program.modules.into_iter().map(|(name, (_, text))| (name, text)).collect(),
            params: program.params.into_iter().collect(),
            query: args.program.query.clone(),
        },
        purpose: args.purpose.clone(),
        recipient: identity()?.to_public().to_string(),
    };
    let key = match &args.idempotency_key {
        Some(key) => key.clone(),
        None => random_key()?,
    };
    let place = format!("/v1/datasets/{dataset}/jobs");
    let job: JobBody = service.post_once(&place, &[("idempotency-key", &key)], &body)?;
    for (name, digest) in job.functions.iter().filter(|(name, digest)| functions.get(*name) != Some(*digest))
    {
        output::warn(&format!(
            "the service calls functions of build {} of plugin `{}`, which is not the one here: whether they are the same \
             functions is not known",
            output::plain(digest),
            output::plain(name)
        ));
    }
    if args.detach {
        output::out(&format!("{}\n", job.id));
        return Ok(());
    }
    output::note(&format!("job {}; `hq result {}` reads it later", job.id, job.id));
    let job = follow(&service, &job.id)?;
    let job = wait(&mut service, job)?;
    super::result::show(&service, &job, args.format, args.plot.as_deref())
}

/// A name as it stands in a path.
pub(super) fn segment(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(ClientError::NotOfService { name: name.to_owned() });
    }
    Ok(name)
}

fn random_key() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| ClientError::Random { reason: error.to_string() })?;
    Ok(hex(&bytes))
}

/// Shows how far a job is until the service has done its part.
pub(super) fn follow(service: &Service, id: &str) -> Result<JobBody> {
    let mut bar = Bar::new("computing");
    service.watch(id, |job| bar.set(Progress { done: job.done, blocks: job.blocks }))
}

/// Waits for the custodian.
fn wait(service: &mut Service, mut job: JobBody) -> Result<JobBody> {
    if job.state == "computed" {
        output::note("computed; the custodian opens it next");
    }
    while job.state == "computed" {
        thread::sleep(LOOK_EVERY);
        service.renew()?;
        job = service.get(&format!("/v1/jobs/{}", job.id))?;
    }
    Ok(job)
}
