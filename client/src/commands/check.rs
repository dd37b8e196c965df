//! `hq check`: diagnostics of programs and schemas.

use std::path::Path;

use crate::cli::CheckArgs;
use crate::error::{ClientError, Result};
use crate::loader::FileLoader;
use crate::output;
use crate::program::Program;

/// Checks every file, also after an error in one.
pub(crate) fn check(args: &CheckArgs) -> Result<()> {
    let mut first_error: Option<ClientError> = None;
    for file in &args.files {
        match check_file(file, args) {
            Ok(summary) => output::out(&format!("{}: {summary}\n", file.display())),
            Err(error) => {
                if let Some(earlier) = first_error.take() {
                    output::error(&earlier);
                }
                first_error = Some(error);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

fn check_file(file: &Path, args: &CheckArgs) -> Result<String> {
    let program = Program::read(file, &args.param, FileLoader::beside(file, &args.schema))?;
    if program.queries.is_empty() {
        // A file with a schema alone; one that is neither has been refused.
        return Ok("no errors, no query".to_owned());
    }
    let counts = program.queries.iter().map(|query| {
        let numbers = query.group_count().saturating_mul(query.aggregates.len() as u64);
        let s = if numbers == 1 { "" } else { "s" };
        format!("{} ({} number{s} decrypted)", query.name, hq_dsl::with_commas(numbers.into()))
    });
    Ok(format!("no errors: {}", counts.collect::<Vec<_>>().join(", ")))
}
