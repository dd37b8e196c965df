//! `hq compute`: queries on an encrypted dataset. It needs, takes and touches no secret key.

use std::ops::ControlFlow;
use std::path::Path;

use hq_dsl::Query;
use hq_engine::checkpoint::Identity;
use hq_engine::compile::CompiledQueries;
use hq_engine::computation::{self, check_fit, target};
use hq_engine::dataset::DatasetFolder;
use hq_engine::gate_keys::GatePublic;
use hq_engine::passes::Encodings;
use hq_engine::planner::Target;
use hq_engine::result_file::{self, ProgramRecord};
use hq_engine::run::{Job, Outcome, SealedParameters, run_tables};
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::host::EvaluatorPlugin;

use crate::backend::{datasets_of, load_evaluator_for};
use crate::checkpoint::{CheckpointFile, write_whole};
use crate::cli::ComputeArgs;
use crate::error::{ClientError, Result, damaged, mismatch};
use crate::execution::threads;
use crate::interrupt::Interrupt;
use crate::joint::Joint;
use crate::keys::{EvaluationKeys, check_gates, read_evaluation_keys};
use crate::loader::FileLoader;
use crate::output::{self, Bar};
use crate::program::{Program, compile_schema, read_all};
use crate::sealed;

/// Computes the queries of programs, all together.
pub(crate) fn compute(args: &ComputeArgs) -> Result<()> {
    let EvaluationKeys { frame: evaluation_key, key, gates } = read_evaluation_keys(&args.eval_keys)?;
    let folder = DatasetFolder::open(&args.data)?;
    let manifest = folder.manifest();
    if key.to_string() != manifest.key_id {
        let reason =
            format!("is key {key}; {} was encrypted with key {}", args.data.display(), manifest.key_id);
        return Err(mismatch(&args.eval_keys, reason));
    }
    check_gates(&args.eval_keys, &args.data, manifest.gates.as_ref(), gates.as_ref())?;
    let programs = programs(args, &folder)?;
    let joint = together(&programs)?;

    let evaluator = load_evaluator_for(&manifest.backend, datasets_of(&programs))?;
    let target = target(&manifest.parameters);
    let compiled = plan(&joint, &evaluator, &folder.encodings(), &target)?;
    joint.draw_notes(&compiled);
    let plan = &compiled.planned.plan;
    check_fit(plan, manifest).map_err(|misfit| mismatch(&args.data, misfit.to_string()))?;

    let parameters = sealed_parameters(args, &joint, evaluator.capabilities(), key)?;
    let job = Job {
        plan,
        backend: &evaluator,
        evaluation_key: &evaluation_key,
        parameters: &parameters,
        gates: gates.as_ref().map(GatePublic::keys),
        threads: threads(args.threads),
    };
    let (outcome, checkpoint) = run_kept(args, job, key, &folder, &joint.names())?;
    let records = programs.iter().filter(|program| !program.queries.is_empty()).map(record).collect();
    let spent = outcome.spent;
    let result =
        computation::result(key, records, (manifest, folder.digest()), &evaluator, &compiled, outcome);
    let bytes = result_file::write(&result).map_err(|error| damaged(&args.output, error.to_string()))?;
    write_whole(&args.output, &bytes)?;
    checkpoint.remove()?;
    output::out(&format!(
        "{}: {} on {} block{}, {} bytes, {:.2} s ({:.2} s CPU)\n",
        args.output.display(),
        joint.quoted_names(),
        manifest.all_blocks(),
        if manifest.all_blocks() == 1 { "" } else { "s" },
        hq_dsl::with_commas(u128::try_from(bytes.len()).unwrap_or(u128::MAX)),
        spent.server_s,
        spent.server_cpu_s
    ));
    Ok(())
}

fn record(program: &Program) -> ProgramRecord {
    ProgramRecord {
        name: program.file.display().to_string(),
        text: program.text.clone(),
        modules: program.modules.clone(),
        functions: program.functions.clone(),
        params: program.params.clone(),
        queries: program.queries.iter().map(|query| query.name.clone()).collect(),
    }
}

/// The programs, over the schema of the dataset.
fn programs(args: &ComputeArgs, folder: &DatasetFolder) -> Result<Vec<Program>> {
    let name = &folder.manifest().dataset;
    let schema_path = args.data.join(hq_engine::dataset::SCHEMA);
    let loader = |file: &Path| {
        let loader = FileLoader::beside(file, &args.program.schema);
        loader.with(name, &schema_path.display().to_string(), folder.schema())
    };
    let programs = read_all(&args.files, &args.program, loader)?;
    let schema = compile_schema(&schema_path, folder.schema())?;
    for program in &programs {
        if let Some((name, _)) = program.secret_params.first() {
            return Err(ClientError::SecretInClear { name: name.clone() });
        }
        for query in &program.queries {
            if let Some(change) = hq_dsl::difference(&query.dataset, &schema) {
                let reason = format!(
                    "{}: query `{}` reads `{}`, which is not as the dataset in {}: there, {change}",
                    hq_dsl::Code::SchemaChanged,
                    query.name,
                    query.dataset.name,
                    args.data.display()
                );
                return Err(mismatch(&program.file, reason));
            }
        }
    }
    Ok(programs)
}

/// All queries of programs, which are over one dataset, as one plan's.
pub(crate) fn together(programs: &[Program]) -> Result<Joint<'_>> {
    let mut joints = Joint::all(programs);
    match (joints.pop(), joints.is_empty()) {
        (Some(joint), true) => Ok(joint),
        (last, _) => {
            let names = joints.iter().chain(&last).map(Joint::quoted_names).collect::<Vec<_>>().join(", ");
            Err(ClientError::NotTogether { queries: names })
        }
    }
}

/// The plan for keys that exist; what is wrong with a query is drawn.
fn plan(
    joint: &Joint<'_>,
    evaluator: &EvaluatorPlugin,
    encodings: &Encodings,
    target: &Target,
) -> Result<CompiledQueries> {
    let planned = joint.plan(evaluator, encodings, target);
    let alone = |one: Joint<'_>| one.plan(evaluator, encodings, target).is_ok();
    if planned.is_err() && joint.is_several() && joint.apart().all(alone) {
        return Err(ClientError::NoCommonPlan { queries: joint.quoted_names() });
    }
    joint.drawn(planned)
}

/// Sealed parameters, where a query has some.
fn sealed_parameters(
    args: &ComputeArgs,
    joint: &Joint<'_>,
    backend: &Capabilities,
    key: KeyId,
) -> Result<SealedParameters> {
    let queries = joint.queries();
    let secret: Vec<&Query> = queries.iter().copied().filter(|query| !query.secrets.is_empty()).collect();
    match (&args.sealed, secret.as_slice()) {
        (None, []) => Ok(SealedParameters::new()),
        (Some(path), [query]) => sealed::read(path, query, backend, key),
        (Some(path), []) => sealed::read(path, joint.first(), backend, key),
        (None, [query, ..]) => Err(ClientError::NotSealed { query: query.name.clone() }),
        (Some(_), several) => {
            let names =
                several.iter().map(|query| format!("`{}`", query.name)).collect::<Vec<_>>().join(", ");
            Err(ClientError::SeveralSealed { queries: names })
        }
    }
}

/// Runs a plan and keeps it in a file until there is a result.
fn run_kept(
    args: &ComputeArgs,
    job: Job<'_>,
    key: KeyId,
    folder: &DatasetFolder,
    name: &str,
) -> Result<(Outcome, CheckpointFile)> {
    let (mut source, tables) = (folder.blocks(job.plan)?, folder.manifest().tables);
    let identity = Identity::new(key, job.plan, folder.digest(), job.parameters);
    let path = args.checkpoint.clone().unwrap_or_else(|| CheckpointFile::beside(&args.output));
    let mut checkpoint = CheckpointFile::new(path, identity, args.every);
    let interrupt = Interrupt::listen();
    let mut bar = Bar::new(name);
    let outcome = run_tables(job, (&mut source, tables), &mut checkpoint, &mut |progress| {
        bar.set(progress);
        if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    match outcome {
        Ok(outcome) => Ok((outcome, checkpoint)),
        Err(error) => Err(checkpoint.explain(error)),
    }
}

/// Sealed parameters are of one query.
pub(crate) fn only(program: &Program) -> Result<&Query> {
    match program.queries.as_slice() {
        [query] => Ok(query),
        queries => Err(ClientError::SeveralQueries {
            path: program.file.clone(),
            known: queries.iter().map(|query| query.name.as_str()).collect::<Vec<_>>().join(", "),
        }),
    }
}
