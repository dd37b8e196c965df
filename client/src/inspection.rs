//! What a plugin provides, found out in a process of its own: one that crashes, hangs or writes where it should not ends
//! there. The process may read and compute for a while, and nothing else.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use hq_engine::registry::{Provides, RegistryError};
use hq_plugin_sdk::abi::ABI_VERSION;
use hq_plugin_sdk::host::{CustodyPlugin, EvaluatorPlugin, FunctionPlugin, Image, LoadError};

use crate::error::{ClientError, Result};
use crate::output;

/// How long a plugin may take to describe itself.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// Address space of the process, in bytes.
#[cfg(target_os = "linux")]
const MEMORY_BYTES: u64 = 1 << 30;

/// Starts [`answer`] apart, on a copy of a file, and reads what it says.
pub(crate) fn inspect(copy: &Path, file: &Path) -> std::result::Result<Provides, RegistryError> {
    let failed = |source: io::Error| RegistryError::File { path: file.to_owned(), source };
    let wrong = |reason: String| RegistryError::Capabilities { path: file.to_owned(), reason };
    let mut child = Command::new(env::current_exe().map_err(failed)?)
        .args(["plugin", "inspect"])
        .args([std::path::absolute(copy).map_err(failed)?, file.to_owned()])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let said = child.stdout.take().map(|stream| thread::spawn(move || read(stream)));
    let complained = child.stderr.take().map(|stream| thread::spawn(move || read(stream)));
    let end = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() >= end => {
                child.kill().and_then(|()| child.wait()).map_err(failed)?;
                let seconds = LIMIT.as_secs();
                return Err(wrong(format!("it did not describe itself in {seconds} seconds, and was ended")));
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    let text =
        |reader: Option<thread::JoinHandle<String>>| reader.and_then(|it| it.join().ok()).unwrap_or_default();
    let (said, complained) = (text(said), output::plain(text(complained).trim()));
    if status.success() {
        return serde_json::from_str(&said).map_err(|error| wrong(format!("its description: {error}")));
    }
    match complained.strip_prefix("error: ") {
        // What the process itself reports.
        Some(reason) if status.code() == Some(1) => {
            Err(RegistryError::Unusable { reason: reason.to_owned() })
        }
        _ => Err(wrong(format!("it ended the process that looked at it ({status})"))),
    }
}

/// All that is said, up to a bound; the rest is read and dropped, so that nobody waits.
fn read(mut stream: impl io::Read) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is missing in the answer.
    let _ = stream.by_ref().take(MAX_ANSWER_BYTES).read_to_end(&mut bytes);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `hq plugin inspect`: loads a plugin and writes what it provides.
pub(crate) fn answer(copy: &Path, file: &Path) -> Result<()> {
    let image = Image::read(copy)?.named(file);
    confine(file)?;
    let absent = |error: &LoadError| matches!(error, LoadError::SymbolMissing { .. });
    let mut provides = Provides { abi: ABI_VERSION, ..Provides::default() };
    match EvaluatorPlugin::load_image(&image) {
        Ok(evaluator) => {
            let capabilities = evaluator.capabilities();
            provides.backend = Some((capabilities.name.clone(), capabilities.version.clone()));
        }
        Err(error) if absent(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match CustodyPlugin::load_image(&image) {
        Ok(_) => provides.custody = true,
        Err(error) if absent(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match FunctionPlugin::load_image(&image) {
        Ok(plugin) => {
            provides.functions = plugin.functions().iter().map(|function| function.name.clone()).collect();
        }
        // Of no kind at all: this says what is missing.
        Err(error)
            if absent(&error) && provides != (Provides { abi: ABI_VERSION, ..Provides::default() }) => {}
        Err(error) => return Err(error.into()),
    }
    let text = serde_json::to_string(&provides)
        .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
    output::out(&text);
    Ok(())
}

/// From now on the process writes nowhere, opens no connection, and has bounds on memory and time. A kernel without landlock
/// leaves the first two out.
#[cfg(target_os = "linux")]
fn confine(file: &Path) -> Result<()> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
        path_beneath_rules,
    };
    use rustix::process::{Resource, Rlimit, setrlimit};

    let failed = |reason: String| ClientError::Damaged { path: file.to_owned(), reason };
    let limits = [(Resource::As, MEMORY_BYTES), (Resource::Cpu, LIMIT.as_secs()), (Resource::Core, 0)];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| failed(format!("cannot be looked at: a limit cannot be set: {error}")))?;
    }
    let abi = ABI::V4;
    let confined = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(["/"], AccessFs::from_read(abi))))
        .and_then(landlock::RulesetCreated::restrict_self);
    confined.map(drop).map_err(|error| failed(format!("cannot be looked at: {error}")))
}

#[cfg(not(target_os = "linux"))]
fn confine(_: &Path) -> Result<()> {
    Ok(())
}
