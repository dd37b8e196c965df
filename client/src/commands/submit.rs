//! `hq submit`: a program to a service. It is checked here first, against the schema that the service publishes, and shown as
//! any result once the custodian has released it.

use std::thread;
use std::time::Duration;

use hq_engine::run::Progress;
use hq_engine::sealed::write;
use hq_engine::signed::hex;

use crate::backend::load_evaluator;
use crate::cli::SubmitArgs;
use crate::commands::compute::only;
use crate::error::{ClientError, Result};
use crate::keys::{EvaluationKeys, read_bounded, read_evaluation_keys};
use crate::loader::FileLoader;
use crate::output::{self, Bar};
use crate::program::Program;
use crate::recipient::identity;
use crate::sealed::{MAX_BYTES, seal};
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
    let params = [args.program.param.as_slice(), &args.secret].concat();
    let mut program = Program::read(&args.file, &params, loader)?;
    program.select(args.program.query.as_deref())?;
    let sealed = secrets(args, &program)?;
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
    let headers = [("idempotency-key", key.as_str())];
    let job: JobBody = match sealed {
        None => service.post_once(&place, &headers, &body)?,
        Some(sealed) => service.post_with(&format!("{place}/sealed"), &headers, &body, &sealed)?,
    };
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

/// What travels of secret parameters: ciphertexts, under keys that came from the owner. A service that gave keys of its own would
/// read them, so it is not asked for any.
fn secrets(args: &SubmitArgs, program: &Program) -> Result<Option<Vec<u8>>> {
    let named = |list: &[(String, String)], name: &str| list.iter().any(|(given, _)| given == name);
    if let Some((name, _)) = program.secret_params.iter().find(|(name, _)| named(&args.program.param, name)) {
        return Err(ClientError::SecretInClear { name: name.clone() });
    }
    if let Some((name, _)) = args.secret.iter().find(|(name, _)| !named(&program.secret_params, name)) {
        return Err(ClientError::NotSecret { name: name.clone() });
    }
    let secret = program.queries.iter().find(|query| !query.secrets.is_empty());
    match (secret, &args.sealed, &args.eval_keys) {
        (_, Some(path), _) => read_bounded(path, MAX_BYTES).map(Some),
        (None, None, _) => Ok(None),
        (Some(_), None, Some(path)) if !args.secret.is_empty() => {
            let query = only(program)?;
            let EvaluationKeys { frame, key, .. } = read_evaluation_keys(path)?;
            let evaluator = load_evaluator(&args.backend)?;
            let parameters = seal(program, query, &evaluator, &frame)?;
            let bytes = write(query, evaluator.capabilities(), key, &parameters);
            bytes.map(Some).map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })
        }
        (Some(query), None, _) => Err(ClientError::NotSealed { query: query.name.clone() }),
    }
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
