//! A result that came back from whoever computed: read, planned again, and opened if it is of that plan. Nothing of it is
//! believed but what the keys and their schema confirm.

use std::path::{Path, PathBuf};
use std::time::Instant;

use hq_engine::compile::CompiledQueries;
use hq_engine::computation::{plan_digest, target};
use hq_engine::result_file::{self, Header, ProgramRecord};

use crate::backend::Backend;
use crate::commands::together;
use crate::controls::Controls;
use crate::error::{ClientError, Result, damaged, mismatch};
use crate::execution::{Execution, Sizes, Timing};
use crate::gate_keys::open_aggregates;
use crate::joint::Joint;
use crate::keys::{KeyFolder, Unlocked};
use crate::loader::FileLoader;
use crate::output;
use crate::program::Program;

/// A result, of the keys that open it.
pub(crate) struct Received {
    place: PathBuf,
    /// What it says of itself.
    pub(crate) header: Header,
    sums: Vec<u8>,
    passed: Option<Vec<u8>>,
    programs: Vec<Program>,
}

impl Received {
    /// Reads the bytes of a result that came from `place`.
    pub(crate) fn read(bytes: &[u8], place: &Path, keys: &KeyFolder) -> Result<Self> {
        let result = result_file::read(bytes).map_err(|error| damaged(place, error.to_string()))?;
        let description = &keys.description;
        if result.key.to_string() != description.key_id {
            let folder = keys.folder().display();
            let reason = format!("is for key {}; {folder} holds key {}", result.key, description.key_id);
            return Err(mismatch(place, reason));
        }
        let header = result.header;
        if header.parameters != description.parameters || header.backend.0 != description.backend {
            return Err(mismatch(place, "was computed with other parameters than those of the keys"));
        }
        let programs = header.programs.iter().cloned().map(program).collect::<Result<Vec<_>>>()?;
        let received =
            Self { place: place.to_owned(), header, sums: result.sums, passed: result.passed, programs };
        // The release rules that act are those of the keys' schema, not of what came back.
        for query in received.joint()?.queries() {
            keys.check_dataset(&query.dataset, place)?;
        }
        Ok(received)
    }

    /// Its queries.
    pub(crate) fn joint(&self) -> Result<Joint<'_>> {
        together(&self.programs)
    }

    /// The plan of its queries, if it is the one that was computed.
    pub(crate) fn plan(&self, backend: &Backend) -> Result<CompiledQueries> {
        let encodings = self.header.columns.clone().into_iter().collect();
        let joint = self.joint()?;
        let planned = joint.plan(&backend.evaluator, &encodings, &target(&self.header.parameters));
        let compiled = joint.drawn(planned)?;
        if plan_digest(&compiled.planned.plan) != self.header.plan_blake3 {
            let (name, version) = &self.header.backend;
            let reason = format!(
                "its program does not give the plan that was computed: it was altered, or made by another version \
                 of hq (it names backend {name} {version})"
            );
            return Err(mismatch(&self.place, reason));
        }
        Ok(compiled)
    }

    /// Says which build of the backend computed it, as far as the result tells; its plan is the same here in any case.
    pub(crate) fn tell_backend(&self, backend: &Backend) {
        let (name, version) = &self.header.backend;
        let (name, version) = (output::plain(name), output::plain(version));
        let Some(digest) = &self.header.backend_blake3 else { return };
        let same = digest == backend.evaluator.digest();
        let here = if same { "that is here" } else { "and another build is here, which gives the same plan" };
        output::note(&format!(
            "computed by backend {name} {version}, build {}, {here}",
            output::plain(digest)
        ));
    }

    /// Its exact numbers; where the dataset has control tables, if what was computed of them is right.
    pub(crate) fn open(
        &self,
        compiled: &CompiledQueries,
        backend: &Backend,
        (key, keys): (&Unlocked, &KeyFolder),
    ) -> Result<Execution> {
        let (header, place) = (&self.header, self.place.display().to_string());
        let start = Instant::now();
        let passed = key.gates.as_ref().zip(self.passed.as_deref());
        let plan = &compiled.planned.plan;
        let tables =
            result_file::tables(&self.sums).map_err(|error| damaged(&self.place, error.to_string()))?;
        let open = |sums: &&[u8]| open_aggregates(plan, (&key.sums, sums), passed, &place);
        let mut opened = tables.iter().map(open).collect::<Result<Vec<_>>>()?;
        let aggregates = match (Controls::of(keys, &header.manifest_blake3)?, opened.pop(), opened.is_empty())
        {
            (Some(controls), last, _) => {
                opened.extend(last);
                let encodings = header.columns.clone().into_iter().collect();
                controls.check((plan, &encodings), (backend, &keys.dataset), opened)?
            }
            (None, Some(one), true) => one,
            (None, ..) => {
                let reason = "has control tables, and the folder of keys does not say which: it is in `controls` of the folder \
                              that `hq encrypt` was given";
                return Err(mismatch(&self.place, reason));
            }
        };
        let timing = Timing {
            open_s: Some(start.elapsed().as_secs_f64()),
            server_s: Some(header.cost.server_s),
            server_cpu_s: Some(header.cost.server_cpu_s),
            ..Timing::default()
        };
        let sizes = Sizes {
            evaluation_keys_bytes: keys.evaluation_bytes(),
            upload_bytes: header.cost.upload_bytes,
            result_bytes: (self.sums.len() + self.passed.as_ref().map_or(0, Vec::len)) as u64,
            rows: None,
            blocks: header.cost.blocks,
            rows_per_block: header.parameters.rows_per_block(),
        };
        Ok(Execution { aggregates, timing, sizes })
    }
}

/// A program of a result, with the queries that were computed.
fn program(record: ProgramRecord) -> Result<Program> {
    let ProgramRecord { name, text, modules, functions, params, queries } = record;
    let mut program = Program::compile(Path::new(&name), text, &params, FileLoader::of(modules, functions))?;
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
