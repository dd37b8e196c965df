//! `hq open`: plans the programs of a result again, decrypts the sums, and shows what the rules allow.

use std::path::Path;
use std::time::Instant;

use crate::backend::Backend;
use crate::cli::{OpenArgs, Release};
use crate::error::{ClientError, Result, damaged, mismatch};
use crate::execution::{Execution, Sizes, Timing, plan_digest};
use crate::gate_keys::open_aggregates;
use crate::keys::{KeyFolder, read_bounded};
use crate::loader::FileLoader;
use crate::output;
use crate::plot;
use crate::program::Program;
use crate::report::{self, Run};
use crate::result_file::{self, ProgramRecord};

use super::compute::{target, together};

/// Largest result that is read, in bytes.
const MAX_RESULT_BYTES: u64 = 1 << 30;

/// Opens a result.
pub(crate) fn open(args: &OpenArgs) -> Result<()> {
    if args.release == Release::Off {
        output::warn("release rules are OFF: what is shown may identify persons");
    }
    let bytes = read_bounded(&args.result, MAX_RESULT_BYTES)?;
    let result = result_file::read(&bytes).map_err(|error| damaged(&args.result, error.to_string()))?;
    let keys = KeyFolder::open(&args.keys)?;
    if result.key.to_string() != keys.description.key_id {
        let reason = format!(
            "is for key {}; {} holds key {}",
            result.key,
            args.keys.display(),
            keys.description.key_id
        );
        return Err(mismatch(&args.result, reason));
    }
    let header = result.header;
    if header.parameters != keys.description.parameters || header.backend.0 != keys.description.backend {
        return Err(mismatch(&args.result, "was computed with other parameters than those of the keys"));
    }

    let mut programs = Vec::with_capacity(header.programs.len());
    for record in header.programs {
        programs.push(program(record)?);
    }
    let joint = together(&programs)?;
    plot::check(&joint.queries(), args.plot.as_deref())?;
    // The release rules that act are those of the keys' schema, not of what came back.
    for query in joint.queries() {
        keys.check_dataset(&query.dataset, &args.result)?;
    }
    let backend = Backend::load_for(&keys.description.backend, [&keys.dataset])?;
    let encodings = header.columns.into_iter().collect();
    let compiled = joint.drawn(joint.plan(&backend.evaluator, &encodings, &target(&header.parameters)))?;
    let plan = &compiled.planned.plan;
    if plan_digest(plan) != header.plan_blake3 {
        let (name, version) = &header.backend;
        let reason = format!(
            "its program does not give the plan that was computed: it was altered, or made by another version \
             of hq (it names backend {name} {version})"
        );
        return Err(mismatch(&args.result, reason));
    }

    let (key, gate_key) = keys.unlock(&backend, &args.passphrase)?;
    let start = Instant::now();
    let passed = gate_key.as_ref().zip(result.passed.as_deref());
    let place = args.result.display().to_string();
    let aggregates = open_aggregates(plan, (&key, &result.sums), passed, &place)?;
    let timing = Timing {
        open_s: Some(start.elapsed().as_secs_f64()),
        server_s: Some(header.cost.server_s),
        server_cpu_s: Some(header.cost.server_cpu_s),
        ..Timing::default()
    };
    let sizes = Sizes {
        evaluation_keys_bytes: keys.evaluation_bytes(),
        upload_bytes: header.cost.upload_bytes,
        result_bytes: (result.sums.len() + result.passed.as_ref().map_or(0, Vec::len)) as u64,
        rows: None,
        blocks: header.cost.blocks,
        rows_per_block: header.parameters.rows_per_block(),
    };
    let execution = Execution { aggregates, timing, sizes };
    let run = Run {
        backend: &backend.name,
        encrypted: backend.is_encrypted(),
        planned: &compiled.planned,
        execution,
        verified: false,
    };
    let reports = report::in_order(report::of(&joint, &run, args.release));
    plot::write(&reports, args.plot.as_deref())?;
    report::print(&reports, args.format)
}

/// A program of a result, with the queries that were computed.
fn program(record: ProgramRecord) -> Result<Program> {
    let ProgramRecord { name, text, modules, params, queries } = record;
    let mut program = Program::compile(Path::new(&name), text, &params, FileLoader::of(modules))?;
    let known = |name: &String| program.queries.iter().any(|query| query.name == *name);
    if let Some(name) = queries.iter().find(|name| !known(name)) {
        let known = program.queries.iter().map(|query| query.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(ClientError::UnknownQuery {
            files: program.file.display().to_string(),
            name: name.clone(),
            known,
        });
    }
    program.queries.retain(|query| queries.contains(&query.name));
    Ok(program)
}
