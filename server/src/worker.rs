//! The worker: a process that computes one job and nothing else. It reads what to do from standard input, which is a socket that
//! leads to the service, limits itself, writes the sealed result into a folder, and says on standard output how far it is. It
//! learns the key of one dataset.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hq_engine::checkpoint::{self, Identity};
use hq_engine::computation;
use hq_engine::confinement::{Limits, confine, limit};
use hq_engine::dataset::{Manifest, PartBytes, PartFile, write_whole};
use hq_engine::gate_keys::{DECIDES, GatePublic};
use hq_engine::registry::{Registry, Source};
use hq_engine::result_file::{self, ProgramRecord};
use hq_engine::run::{Checkpoints, Job, Saved, SealedParameters, SourceError, run_tables};
use hq_plugin_sdk::frame::{KeyId, Kind, split_off};
use hq_plugin_sdk::host::{EvaluatorPlugin, Image};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::chunks::{ChunkedFile, Chunks};
use crate::datasets::KEYS;
use crate::envelope::{EnvelopeKey, OVERHEAD_BYTES};
use crate::objects::{of_folder, parameters_name, result_name};
use crate::programs::{Calls, Checked};
use crate::supply::Asking;

/// Name of the sealed result in the job's folder.
pub const RESULT: &str = "result";
/// Name of the checkpoint in the job's folder.
const CHECKPOINT: &str = "checkpoint";
/// Longest task, in bytes.
const MAX_TASK_BYTES: u64 = 256 << 20;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The job.
    pub job: String,
    /// The process of the service.
    pub service: u32,
    /// The program.
    pub program: ProgramRecord,
    /// Values of the functions of plugins that it calls.
    #[serde(default)]
    pub functions: BTreeMap<String, Vec<i64>>,
    /// Digest that its plan must have.
    pub plan: String,
    /// Digest of the build of the backend that it was planned with; empty where that is not known.
    #[serde(default)]
    pub backend: String,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// Text of the schema.
    pub schema: String,
    /// Text of the manifest.
    pub manifest: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Length of the evaluation keys.
    pub key_bytes: u64,
    /// Length of the secret parameters; 0 where there are none.
    pub parameter_bytes: u64,
    /// What the dataset is sealed with.
    pub key: EnvelopeKey,
    /// Folder of objects; where there is none, the service is asked for them.
    pub objects: Option<PathBuf>,
    /// Folder of the job.
    pub folder: PathBuf,
    /// Folders of plugins.
    pub plugins: Vec<PathBuf>,
    /// Folder of the registry of plugins.
    pub registry: Option<PathBuf>,
    /// Bytes of a chunk.
    pub chunk_bytes: u64,
    /// Blocks at once.
    pub threads: usize,
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// CPU seconds.
    pub cpu_s: u64,
    /// Seconds between two checkpoints.
    pub checkpoint_s: u64,
}

/// What a worker says, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Word {
    /// A checkpoint is continued, after so many blocks.
    Continued(u64),
    /// Blocks done.
    Done(u64),
    /// The result is in the folder.
    Finished,
    /// There is no result, and trying again would not give one.
    Failed(String),
}

fn say(word: &Word) {
    // A service that went away hears nothing, and the worker ends with it.
    let text = serde_json::to_string(word).unwrap_or_default();
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Does what standard input says.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let parent = getppid();
    let outcome = read_task().and_then(|(task, service)| {
        end_with_service(&task, parent)?;
        limit(Limits { memory_bytes: task.memory_bytes, cpu_s: task.cpu_s }).map_err(text)?;
        compute(&task, service)
    });
    match outcome {
        Ok(()) => say(&Word::Finished),
        Err(reason) => say(&Word::Failed(reason)),
    }
    std::process::ExitCode::SUCCESS
}

/// The task, a line, and the way to the service that it came by.
fn read_task() -> Result<(Task, UnixStream), String> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(text)?);
    let mut line = zeroize::Zeroizing::new(String::new());
    // Nothing comes behind it before it is asked for.
    BufReader::new((&stream).take(MAX_TASK_BYTES)).read_line(&mut line).map_err(text)?;
    let task = serde_json::from_str(&line).map_err(|error| format!("no task: {error}"))?;
    Ok((task, stream))
}

/// Ends when the service ends, also where that was before this could be asked for. `parent` is who started this process.
fn end_with_service(task: &Task, parent: Option<Pid>) -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    let service = i32::try_from(task.service).ok().and_then(Pid::from_raw);
    let there = service.is_some_and(|service| test_kill_process(service).is_ok());
    if there && getppid() == parent { Ok(()) } else { Err("the service is gone".to_owned()) }
}

fn compute(task: &Task, service: UnixStream) -> Result<(), String> {
    let manifest = Manifest::parse(Path::new("manifest"), &task.manifest).map_err(text)?;
    let evaluator = confined(task, &manifest)?;
    let calls = Calls::Known(&task.program.functions, &task.functions);
    let checked = Checked::again(&task.program, &task.dataset, &task.schema, calls).map_err(text)?;
    let compiled = checked.plan(&evaluator, &manifest).map_err(text)?;
    let plan = &compiled.planned.plan;
    if computation::plan_digest(plan) != task.plan {
        return Err(
            "the plan is not the one that was submitted: the service was updated meanwhile".to_owned()
        );
    }

    let objects: Arc<dyn Chunks> = match &task.objects {
        Some(folder) => of_folder(folder),
        None => Arc::new(Asking::over(service)),
    };
    let file = |name: &str, bytes: u64| {
        let place = (task.dataset.clone(), task.version, name.to_owned());
        ChunkedFile::new(Arc::clone(&objects), task.key.clone(), place, bytes, task.chunk_bytes)
    };
    let keys = file(KEYS, task.key_bytes).read_all().map_err(text)?;
    let (of_keys, evaluation_key, behind) = split_off(&keys, Kind::EvaluationKey).map_err(text)?;
    let (key, gates) = (of_keys.key, GatePublic::read(behind).map_err(text)?);
    let open = |part: &PartFile| {
        let bytes: Box<dyn PartBytes> = Box::new(file(&part.file, part.bytes));
        Ok((PathBuf::from(&part.file), bytes))
    };
    let names = plan.table_inputs().map(|input| input.name.as_str());
    let mut source = manifest.blocks_of(names, Path::new(&task.dataset), open).map_err(text)?;

    let parameters = parameters(task, &*objects, &checked, &evaluator, key)?;
    let identity = Identity::new(key, plan, &task.digest, &parameters);
    let mut kept =
        Kept { path: task.folder.join(CHECKPOINT), identity, every: Duration::from_secs(task.checkpoint_s) };
    let threads = NonZero::new(task.threads).unwrap_or(NonZero::<usize>::MIN);
    let job = Job {
        plan,
        backend: &evaluator,
        evaluation_key,
        parameters: &parameters,
        gates: gates.as_ref().map(GatePublic::keys),
        threads,
    };
    let mut said = 0;
    let outcome = run_tables(job, (&mut source, manifest.tables), &mut kept, &mut |progress| {
        if progress.done > said {
            said = progress.done;
            say(&Word::Done(said));
        }
        ControlFlow::Continue(())
    })
    .map_err(text)?;
    let records = vec![task.program.clone()];
    let result = computation::result(key, records, (&manifest, &task.digest), &evaluator, &compiled, outcome);
    let bytes = result_file::write(&result).map_err(text)?;
    let sealed = task.key.seal(&result_name(&task.dataset, &task.job), &bytes).map_err(text)?;
    write_whole(&task.folder.join(RESULT), &sealed).map_err(text)
}

/// Confines this process, and loads what it computes with. In this order: a library does as it likes while it is loaded.
fn confined(task: &Task, manifest: &Manifest) -> Result<EvaluatorPlugin, String> {
    // Accepted now: what was revoked since the job was queued is not loaded.
    let registry = task.registry.as_deref().map(Registry::at);
    let find = |name: &str| {
        Source::find(name, &task.plugins, registry.as_ref())
            .map_err(text)?
            .ok_or_else(|| format!("backend `{name}` is not installed"))
    };
    let plugin = find(&manifest.backend)?.image().map_err(text)?;
    if plugin.digest() != task.backend && !task.backend.is_empty() {
        return Err(format!(
            "it was planned with build {} of backend `{}`, and build {} is installed now: submit it again",
            task.backend,
            manifest.backend,
            plugin.digest()
        ));
    }
    let decides = manifest.gates.as_ref().map(|_| find(DECIDES)?.image().map_err(text)).transpose()?;
    let plugins = [&plugin].into_iter().chain(&decides).map(Image::path);
    let read: Vec<&Path> = plugins.chain(task.objects.as_deref()).collect();
    confine(&read, Some(&task.folder)).map_err(text)?;
    let evaluator = EvaluatorPlugin::load_image(&plugin).map_err(text)?;
    match decides {
        None => Ok(evaluator),
        Some(decides) => Ok(evaluator.with_gates(EvaluatorPlugin::load_image(&decides).map_err(text)?)),
    }
}

/// The secret parameters that came with the job.
fn parameters(
    task: &Task,
    objects: &dyn Chunks,
    checked: &Checked,
    evaluator: &EvaluatorPlugin,
    key: KeyId,
) -> Result<SealedParameters, String> {
    if task.parameter_bytes == 0 {
        return Ok(SealedParameters::new());
    }
    let name = parameters_name(&task.dataset, &task.job);
    let sealed = objects.sealed(&name, task.parameter_bytes + OVERHEAD_BYTES).map_err(text)?;
    let bytes = task.key.open(&name, &sealed).map_err(text)?;
    checked.parameters(Some(&bytes), evaluator.capabilities(), key).map_err(text)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// The checkpoint of a job. What cannot be continued is computed anew.
struct Kept {
    path: PathBuf,
    identity: Identity,
    every: Duration,
}

impl Checkpoints for Kept {
    fn every(&self) -> Duration {
        self.every
    }

    fn load(&mut self) -> Result<Option<Saved>, SourceError> {
        let bytes = fs::read(&self.path).ok();
        let saved = bytes.and_then(|bytes| checkpoint::read(&bytes, &self.identity).ok());
        if let Some(saved) = &saved {
            say(&Word::Continued(saved.done));
        }
        Ok(saved)
    }

    fn save(&mut self, saved: &Saved) -> Result<(), SourceError> {
        let wrong = |reason: String| SourceError { place: self.path.display().to_string(), reason };
        let bytes = checkpoint::write(&self.identity, saved).map_err(|error| wrong(error.to_string()))?;
        write_whole(&self.path, &bytes).map_err(|error| wrong(error.to_string()))
    }
}
