//! A program compiled from files, with its diagnostics drawn, and the plan of one of its queries.

use std::fs;
use std::path::{Path, PathBuf};

use hq_dsl::{Compiled, Dataset, Diagnostic, Example, Query, Sources};
use hq_engine::compile::{CompiledQuery, compile_query};
use hq_engine::passes::Encodings;
use hq_engine::planner::Target;
use hq_plugin_sdk::host::EvaluatorPlugin;

use crate::cli::ProgramArgs;
use crate::error::{ClientError, Result, damaged, file_error};
use crate::loader::{FileLoader, MAX_SOURCE_BYTES, Modules};
use crate::output;

/// A program without errors.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it was read.
    pub(crate) file: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// What it uses.
    pub(crate) modules: Modules,
    /// Public parameters as given.
    pub(crate) params: Vec<(String, String)>,
    /// Secret parameters as given.
    pub(crate) secret_params: Vec<(String, String)>,
    /// Its queries.
    pub(crate) queries: Vec<Query>,
    /// Its examples.
    pub(crate) examples: Vec<Example>,
    /// The texts that spans point into.
    pub(crate) sources: Sources,
}

/// Reads a text of bounded size.
pub(crate) fn read_source(path: &Path) -> Result<String> {
    let bytes = fs::metadata(path).map_err(file_error(path))?.len();
    if bytes > MAX_SOURCE_BYTES {
        return Err(damaged(
            path,
            format!("is {bytes} bytes long; a program has at most {MAX_SOURCE_BYTES}"),
        ));
    }
    fs::read_to_string(path).map_err(file_error(path))
}

impl Program {
    /// Compiles a file; diagnostics are drawn.
    pub(crate) fn read(file: &Path, params: &[(String, String)], loader: FileLoader) -> Result<Self> {
        let text = read_source(file)?;
        Self::compile(file, text, params, loader)
    }

    /// Compiles a text that came from `file`; diagnostics are drawn.
    pub(crate) fn compile(
        file: &Path,
        text: String,
        params: &[(String, String)],
        loader: FileLoader,
    ) -> Result<Self> {
        let compiled = hq_dsl::compile(&file.display().to_string(), &text, params, &loader);
        draw(file, &compiled.diagnostics, &compiled.sources)?;
        let Compiled { queries, examples, sources, .. } = compiled;
        let secrets: Vec<&str> = queries
            .iter()
            .chain(examples.iter().map(|example| &example.query))
            .flat_map(|query| &query.secrets)
            .map(|secret| secret.name.as_str())
            .collect();
        let (secret_params, params) =
            params.iter().cloned().partition(|(name, _)| secrets.contains(&name.as_str()));
        Ok(Self {
            file: file.to_owned(),
            text,
            modules: loader.into_used(),
            params,
            secret_params,
            queries,
            examples,
            sources,
        })
    }

    /// Compiles the file that arguments name.
    pub(crate) fn of(file: &Path, args: &ProgramArgs) -> Result<Self> {
        let mut program = Self::read(file, &args.param, FileLoader::beside(file, &args.schema))?;
        program.select(args.query.as_deref())?;
        Ok(program)
    }

    /// Keeps the query of a name, or all.
    pub(crate) fn select(&mut self, name: Option<&str>) -> Result<()> {
        if self.queries.is_empty() {
            return Err(ClientError::NoQuery { path: self.file.clone() });
        }
        let Some(name) = name else { return Ok(()) };
        let known = self.queries.iter().map(|query| query.name.as_str()).collect::<Vec<_>>().join(", ");
        self.queries.retain(|query| query.name == name);
        if self.queries.is_empty() {
            let (path, name) = (self.file.clone(), name.to_owned());
            return Err(ClientError::UnknownQuery { path, name, known });
        }
        Ok(())
    }

    /// Draws what is worth knowing of a plan.
    pub(crate) fn draw_notes(&self, compiled: &CompiledQuery) {
        output::diagnostics(&compiled.notes, &self.sources);
    }

    /// Plans one of the queries; what is wrong is drawn.
    pub(crate) fn plan(
        &self,
        query: &Query,
        evaluator: &EvaluatorPlugin,
        encodings: &Encodings,
        target: &Target,
    ) -> Result<CompiledQuery> {
        let resolve = |request: &_| evaluator.resolve(request);
        match compile_query(query, encodings, evaluator.capabilities(), &resolve, target) {
            Ok(compiled) => Ok(compiled),
            Err(diagnostic) => {
                output::diagnostics(&[*diagnostic], &self.sources);
                Err(ClientError::Program { file: self.file.clone(), errors: 1 })
            }
        }
    }
}

/// Draws diagnostics; an error among them ends the command.
pub(crate) fn draw(file: &Path, diagnostics: &[Diagnostic], sources: &Sources) -> Result<()> {
    output::diagnostics(diagnostics, sources);
    match diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count() {
        0 => Ok(()),
        errors => Err(ClientError::Program { file: file.to_owned(), errors }),
    }
}

/// Reads a schema; returns it with its text.
pub(crate) fn read_schema(file: &Path) -> Result<(Dataset, String)> {
    let text = read_source(file)?;
    Ok((compile_schema(file, &text)?, text))
}

/// Compiles a schema's text that came from `file`.
pub(crate) fn compile_schema(file: &Path, text: &str) -> Result<Dataset> {
    let (dataset, diagnostics, sources) = hq_dsl::dataset(&file.display().to_string(), text);
    draw(file, &diagnostics, &sources)?;
    dataset.ok_or_else(|| ClientError::NoDataset { path: file.to_owned() })
}
