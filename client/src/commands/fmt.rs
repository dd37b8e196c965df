//! `hq fmt`: programs and schemas in the one layout. What does not parse is left alone.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use hq_dsl::Sources;

use crate::cli::FmtArgs;
use crate::error::{ClientError, Result, damaged, file_error};
use crate::loader::MAX_SOURCE_BYTES;
use crate::output;
use crate::program::{draw, read_source};

/// Lays every file out, also after an error in one.
pub(crate) fn fmt(args: &FmtArgs) -> Result<()> {
    let (mut first_error, mut differ) = (None::<ClientError>, 0);
    for file in &args.files {
        let done = if file.as_os_str() == "-" { standard_input(args.check) } else { one(file, args.check) };
        match done {
            Ok(same) => differ += usize::from(!same),
            Err(error) => {
                if let Some(earlier) = first_error.take() {
                    output::error(&earlier);
                }
                first_error = Some(error);
            }
        }
    }
    match first_error {
        Some(error) => Err(error),
        None if args.check && differ > 0 => Err(ClientError::Unformatted { files: differ }),
        None => Ok(()),
    }
}

/// Whether a file was laid out already.
fn one(file: &Path, check: bool) -> Result<bool> {
    let text = read_source(file)?;
    let laid_out = laid_out(file, &text)?;
    let same = laid_out == text;
    if !same {
        output::out(&format!("{}\n", file.display()));
        if !check {
            replace(file, &laid_out)?;
        }
    }
    Ok(same)
}

fn standard_input(check: bool) -> Result<bool> {
    let name = Path::new("<standard input>");
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_SOURCE_BYTES + 1).read_to_end(&mut bytes).map_err(file_error(name))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_SOURCE_BYTES) {
        return Err(damaged(name, format!("a program has at most {MAX_SOURCE_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| damaged(name, "is not UTF-8 text"))?;
    let laid_out = laid_out(name, &text)?;
    let same = laid_out == text;
    match (check, same) {
        (false, _) => output::out(&laid_out),
        (true, false) => output::out(&format!("{}\n", name.display())),
        (true, true) => {}
    }
    Ok(same)
}

fn laid_out(file: &Path, text: &str) -> Result<String> {
    hq_dsl::format(text).or_else(|diagnostics| {
        let mut sources = Sources::default();
        sources.add(file.display().to_string(), text);
        draw(file, &diagnostics, &sources).map(|()| text.to_owned())
    })
}

/// Puts a new text in a file's place, as a whole or not at all; links and permissions stay.
fn replace(file: &Path, text: &str) -> Result<()> {
    let target = fs::canonicalize(file).map_err(file_error(file))?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(file_error(file))?;
    new.write_all(text.as_bytes()).map_err(file_error(file))?;
    let permissions = fs::metadata(&target).map_err(file_error(file))?.permissions();
    new.as_file().set_permissions(permissions).map_err(file_error(file))?;
    new.persist(&target).map_err(|error| file_error(file)(error.error))?;
    Ok(())
}
