//! Programs compiled from files, with their diagnostics drawn.

use std::fs;
use std::path::{Path, PathBuf};

use hq_dsl::{Compiled, Dataset, Diagnostic, Example, Query, Sources};
use hq_engine::functions::Digests;

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
    /// Digests of the plugins whose functions it calls.
    pub(crate) functions: Digests,
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
        let (modules, functions) = loader.into_used();
        Ok(Self {
            file: file.to_owned(),
            text,
            modules,
            functions,
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
        select(std::slice::from_mut(self), name)
    }
}

/// Compiles files. A value of a parameter is for the files that declare it, or where none does, a mistake in all. Keeps
/// the query of a name, or all.
pub(crate) fn read_all(
    files: &[PathBuf],
    args: &ProgramArgs,
    loader: impl Fn(&Path) -> FileLoader,
) -> Result<Vec<Program>> {
    let texts = files.iter().map(|file| read_source(file)).collect::<Result<Vec<_>>>()?;
    let declared: Vec<Vec<String>> = texts.iter().map(|text| hq_dsl::parameters(text)).collect();
    let mut programs = Vec::with_capacity(files.len());
    for ((file, text), own) in files.iter().zip(texts).zip(&declared) {
        let elsewhere =
            |name: &String| !own.contains(name) && declared.iter().any(|other| other.contains(name));
        let params: Vec<(String, String)> =
            args.param.iter().filter(|(name, _)| !elsewhere(name)).cloned().collect();
        programs.push(Program::compile(file, text, &params, loader(file))?);
    }
    select(&mut programs, args.query.as_deref())?;
    Ok(programs)
}

/// Keeps the queries of a name, or all.
fn select(programs: &mut [Program], name: Option<&str>) -> Result<()> {
    if let Some(program) = programs.iter().find(|program| program.queries.is_empty()) {
        return Err(ClientError::NoQuery { path: program.file.clone() });
    }
    let Some(name) = name else { return Ok(()) };
    let names = programs.iter().flat_map(|program| &program.queries).map(|query| query.name.as_str());
    let known = names.collect::<Vec<_>>().join(", ");
    for program in programs.iter_mut() {
        program.queries.retain(|query| query.name == name);
    }
    if programs.iter().any(|program| !program.queries.is_empty()) {
        return Ok(());
    }
    let files =
        programs.iter().map(|program| program.file.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(ClientError::UnknownQuery { files, name: name.to_owned(), known })
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
