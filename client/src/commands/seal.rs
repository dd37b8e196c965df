//! `hq seal`: the secret parameters of a query, encrypted by the researcher. It needs no secret key.

use hq_engine::sealed::write;

use crate::backend::load_evaluator;
use crate::checkpoint::write_whole;
use crate::cli::SealArgs;
use crate::commands::compute::only;
use crate::error::{ClientError, Result, damaged};
use crate::keys::{EvaluationKeys, read_evaluation_keys};
use crate::output;
use crate::program::Program;
use crate::sealed;

/// Encrypts the parameters and writes one file.
pub(crate) fn seal(args: &SealArgs) -> Result<()> {
    let EvaluationKeys { frame, key, .. } = read_evaluation_keys(&args.eval_keys)?;
    let program = Program::of(&args.file, &args.program)?;
    let query = only(&program)?;
    if query.secrets.is_empty() {
        return Err(ClientError::NothingSecret { query: query.name.clone() });
    }
    let evaluator = load_evaluator(&args.backend)?;
    let sealed = sealed::seal(&program, query, &evaluator, &frame)?;
    let bytes = write(query, evaluator.capabilities(), key, &sealed)
        .map_err(|error| damaged(&args.output, error.to_string()))?;
    write_whole(&args.output, &bytes)?;
    let names: Vec<String> = query.secrets.iter().map(|secret| format!("`{}`", secret.name)).collect();
    output::out(&format!(
        "{}: {} of `{}`, encrypted under key {key}, {} bytes\n",
        args.output.display(),
        names.join(", "),
        query.name,
        hq_dsl::with_commas(u128::try_from(bytes.len()).unwrap_or(u128::MAX)),
    ));
    Ok(())
}
