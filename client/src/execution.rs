//! One plan from keys to exact aggregates, in one process.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Instant;

use hq_dsl::Query;
use hq_engine::computation::rows_per_block;
use hq_engine::run::{Job, run};
use hq_engine::sizes::aggregates_per_group;
use hq_plugin_sdk::frame;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::blocks::{Encoder, Encryption, columns_of};
use crate::cli::Outside;
use crate::error::{Result, refused};
use crate::gate_keys::{GatePair, open_aggregates};
use crate::output::Bar;
use crate::planned::PlannedJoint;
use crate::table::Table;

/// Wall-clock seconds of each step, and CPU seconds of the server; `None` where a step was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timing {
    /// Key generation.
    pub(crate) keygen_s: Option<f64>,
    /// Encryption, reading the table included.
    pub(crate) encrypt_s: Option<f64>,
    /// The service.
    pub(crate) server_s: Option<f64>,
    /// Decryption.
    pub(crate) open_s: Option<f64>,
    /// CPU of the service.
    pub(crate) server_cpu_s: Option<f64>,
}

/// Bytes and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sizes {
    /// Evaluation keys.
    pub(crate) evaluation_keys_bytes: u64,
    /// Ciphertexts that are read.
    pub(crate) upload_bytes: u64,
    /// Encrypted sums.
    pub(crate) result_bytes: u64,
    /// Rows of the table; `None` where only their encryption is known.
    pub(crate) rows: Option<u64>,
    /// Blocks of rows.
    pub(crate) blocks: u64,
    /// Rows that a block holds.
    pub(crate) rows_per_block: u32,
}

/// What the queries of a plan gave.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    /// Per query, group and aggregate, in the plan's order.
    /// `None` where it stayed encrypted.
    pub(crate) aggregates: Vec<Option<i128>>,
    /// What it took.
    pub(crate) timing: Timing,
    /// How much it was.
    pub(crate) sizes: Sizes,
}

/// Runs planned queries on a table.
pub(crate) fn execute(
    planned: &PlannedJoint<'_>,
    backend: &Backend,
    csv: &Path,
    outside: Outside,
    threads: NonZero<usize>,
) -> Result<Execution> {
    let columns = columns_of(planned.compiled.planned.plan.table_inputs());
    let table = Table::open(csv, planned.joint.dataset(), &columns, outside)?;
    table.note();
    execute_plan(planned, backend, &table, threads)
}

/// As many threads as asked for, else one for each processor.
pub(crate) fn threads(asked: Option<NonZero<usize>>) -> NonZero<usize> {
    asked.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN)
}

/// Runs planned queries on a table that was opened.
pub(crate) fn execute_plan(
    PlannedJoint { joint, forms, compiled }: &PlannedJoint<'_>,
    backend: &Backend,
    table: &Table,
    threads: NonZero<usize>,
) -> Result<Execution> {
    let plan = &compiled.planned.plan;
    let Some(parameters) = plan.parameters.clone() else {
        return Err(crate::error::mismatch(joint.file(), "the plan has no parameters"));
    };
    let start = Instant::now();
    let keys = backend.custody.keygen(&parameters, None).map_err(refused("key generation"))?;
    let key = backend.custody.load_key(&keys.secret).map_err(refused("the secret key"))?;
    let gates = match plan.gates {
        Some(_) => Some(GatePair::make(backend, &parameters, &keys)?),
        None => None,
    };
    let gate_key = match &gates {
        Some(pair) => {
            Some(backend.gates()?.custody.load_key(&pair.secret).map_err(refused("the secret key"))?)
        }
        None => None,
    };
    let keygen_s = start.elapsed().as_secs_f64();

    let capabilities = backend.evaluator.capabilities();
    let parameters = joint.seal(&backend.evaluator, &keys.evaluation)?;
    let encoder = Encoder::new(plan.table_inputs(), capabilities, table, &forms.encodings())?;
    let mut source = Encryption::new(&key, table, encoder, rows_per_block(plan), threads)?;
    let job = Job {
        plan,
        backend: &backend.evaluator,
        evaluation_key: &keys.evaluation,
        parameters: &parameters,
        gates: gates.as_ref().map(|pair| pair.public.keys()),
        threads,
    };
    let mut bar = Bar::new(&joint.names());
    let outcome = run(job, &mut source, None, &mut |progress| {
        bar.set(progress);
        ControlFlow::Continue(())
    })?;
    drop(bar);
    let encrypt_s = source.seconds;

    let start = Instant::now();
    let passed = gate_key.as_ref().zip(outcome.passed.as_deref());
    let aggregates = open_aggregates(plan, (&key, &outcome.sums), passed, &joint.quoted_names())?;
    let open_s = start.elapsed().as_secs_f64();

    let sizes = Sizes {
        evaluation_keys_bytes: keys.evaluation.len() as u64
            + gates.as_ref().map_or(0, |pair| pair.public.bytes()),
        upload_bytes: outcome.spent.bytes_read,
        result_bytes: (outcome.sums.len() + outcome.passed.as_ref().map_or(0, Vec::len)) as u64,
        rows: Some(table.rows()),
        blocks: table.blocks(rows_per_block(plan)),
        rows_per_block: rows_per_block(plan),
    };
    let timing = Timing {
        keygen_s: Some(keygen_s),
        encrypt_s: Some(encrypt_s),
        server_s: Some(outcome.spent.server_s),
        open_s: Some(open_s),
        server_cpu_s: Some(outcome.spent.server_cpu_s),
    };
    Ok(Execution { aggregates, timing, sizes })
}

/// The name of a number of a plan, for messages: its group and its own.
pub(crate) fn aggregate_name(query: &Query, index: usize) -> String {
    let per_group = aggregates_per_group(query).max(1);
    let aggregate = query.aggregates.get(index % per_group);
    let name = aggregate.map_or("rows of a sum", |aggregate| aggregate.name.as_str());
    let groups = hq_engine::lower::groups(query);
    match groups.get(index / per_group) {
        Some(codes) if !codes.is_empty() => format!("`{name}` of {}", group_label(query, codes)),
        _ => format!("`{name}`"),
    }
}

/// A group for the eye: the labels of its keys.
pub(crate) fn group_label(query: &Query, codes: &[i64]) -> String {
    let labels: Vec<String> = query.by.iter().zip(codes).map(|(key, &code)| key.labels.label(code)).collect();
    labels.join(" / ")
}

/// The key pair that a frame belongs to, in hexadecimal.
pub(crate) fn key_id(evaluation: &[u8]) -> std::result::Result<String, frame::FrameError> {
    frame::split(evaluation).map(|(frame, _)| frame.key.to_string())
}
