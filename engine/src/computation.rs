//! What whoever computes does with checked queries and an encrypted dataset, on a command line or in a service: plans them for
//! the keys that exist, sees that plan and dataset belong together, and puts the result into its file.

use hq_dsl::Query;
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::plan::Plan;

use crate::compile::{CompiledQueries, Refusal, compile_queries};
use crate::dataset::Manifest;
use crate::passes::Encodings;
use crate::planner::Target;
use crate::result_file::{CertificateRecord, Cost, Header, ProgramRecord, ResultFile};
use crate::run::Outcome;

/// Why a plan is none for a dataset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Other parameters.
    #[error("its parameters are not those of a plan of this program")]
    Parameters,
    /// Other parameters of what decides on counts.
    #[error("its keys decide on counts otherwise than a plan of this program")]
    Gates,
    /// More rows than sums are proved for.
    #[error("has {found} blocks where `rows <=` allows {most}")]
    Blocks {
        /// Blocks of the dataset.
        found: u64,
        /// Blocks that the schema allows.
        most: u64,
    },
}

/// The plan's target for keys that exist.
#[must_use]
pub fn target(parameters: &Parameters) -> Target {
    match parameters {
        Parameters::Rns(rns) => Target::Fixed(rns.clone()),
        Parameters::Tfhe(tfhe) => Target::Bootstrapped(tfhe.clone()),
        // Nothing to choose where there is no noise.
        Parameters::Clear { .. } => Target::Cheapest { security_bits: 128, max_log2_q: None },
    }
}

/// Plans queries that may be together for a dataset.
///
/// # Errors
/// What is wrong with one of the queries, for its author.
pub fn plan(
    queries: &[&Query],
    evaluator: &EvaluatorPlugin,
    manifest: &Manifest,
) -> Result<CompiledQueries, Box<Refusal>> {
    let encodings: Encodings =
        manifest.columns.iter().map(|(name, encoding)| (name.clone(), encoding.clone())).collect();
    let resolve = |request: &RnsRequest| evaluator.resolve(request);
    compile_queries(queries, &encodings, evaluator.capabilities(), &resolve, &target(&manifest.parameters))
}

/// Sees that a dataset is one that a plan was made for.
///
/// # Errors
/// How they differ.
pub fn check_fit(plan: &Plan, manifest: &Manifest) -> Result<(), Misfit> {
    if plan.parameters.as_ref() != Some(&manifest.parameters) {
        return Err(Misfit::Parameters);
    }
    let decides = manifest.gates.as_ref().map(|gates| &gates.parameters);
    let placed = plan.gates.as_ref().and_then(|gates| gates.placed.as_ref());
    if decides != placed.map(|placed| &placed.parameters) {
        return Err(Misfit::Gates);
    }
    let most = plan.rows.div_ceil(u64::from(rows_per_block(plan)).max(1)).max(1);
    if manifest.blocks > most {
        return Err(Misfit::Blocks { found: manifest.blocks, most });
    }
    Ok(())
}

/// The result of a run over a dataset, whose manifest is given with its digest.
#[must_use]
pub fn result(
    key: KeyId,
    programs: Vec<ProgramRecord>,
    (manifest, digest): (&Manifest, &str),
    evaluator: &EvaluatorPlugin,
    compiled: &CompiledQueries,
    outcome: Outcome,
) -> ResultFile {
    let certificate = compiled.planned.promise().map(|promise| CertificateRecord {
        failure_log2: promise.failure_log2,
        release_distance_log2: promise.release_distance_log2,
        security_bits: promise.security_bits,
    });
    let capabilities = evaluator.capabilities();
    let header = Header {
        programs,
        dataset: manifest.dataset.clone(),
        manifest_blake3: digest.to_owned(),
        backend: (capabilities.name.clone(), capabilities.version.clone()),
        backend_blake3: Some(evaluator.digest().to_owned()),
        parameters: manifest.parameters.clone(),
        columns: manifest.columns.clone(),
        plan_blake3: plan_digest(&compiled.planned.plan),
        certificate,
        cost: Cost {
            server_s: outcome.spent.server_s,
            server_cpu_s: outcome.spent.server_cpu_s,
            upload_bytes: outcome.spent.bytes_read,
            blocks: manifest.all_blocks(),
        },
    };
    ResultFile { key, header, sums: outcome.sums, passed: outcome.passed }
}

/// Rows per block of a plan.
#[must_use]
pub fn rows_per_block(plan: &Plan) -> u32 {
    plan.parameters.as_ref().map_or(1, Parameters::rows_per_block)
}

/// The digest of a plan's text, BLAKE3 in hexadecimal.
#[must_use]
pub fn plan_digest(plan: &Plan) -> String {
    blake3::hash(plan.to_string().as_bytes()).to_hex().to_string()
}
