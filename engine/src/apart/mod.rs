//! Plugins in a process apart: what one offers, and the values of its functions, are found out where a crash, a hang or a
//! leak ends that process and nothing else. It is this program again, started with the word `apart` ([`child`]), and for a module
//! of WebAssembly the program `hq-wasm` beside it.

pub mod child;

use std::env;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hq_dsl::{ExternFunction, FunctionFault};
use hq_plugin_sdk::abi::ABI_VERSION;
use hq_plugin_sdk::host::{Image, Offer, is_module};
use serde::{Deserialize, Serialize};

use crate::functions::arguments;
use crate::registry::{Provides, RegistryError};

/// The word that starts a process apart.
pub const WORD: &str = "apart";

/// The program for modules of WebAssembly.
const MODULES: &str = "hq-wasm";

/// How long a plugin may take to describe itself.
const DESCRIBES: Duration = Duration::from_secs(10);

/// What a process needs beyond the time of a function, to begin and to end.
const GRACE: Duration = Duration::from_secs(5);

/// Longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Most of what a process complains about that is passed on, in bytes.
const MAX_COMPLAINT_BYTES: u64 = 4 << 10;

/// What is to be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// The plugin's file.
    path: PathBuf,
    /// The file that messages name.
    shown: PathBuf,
    /// Digest that the file must have.
    digest: String,
    /// What of it.
    task: Task,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Task {
    /// What it offers.
    Offer,
    /// All values of a function.
    Values { function: ExternFunction, limit_ms: u64 },
}

/// The last word of a process apart. Before it, it says at each call of a function how many there were.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Answer {
    Offers(Offered),
    Values(Vec<i64>),
    Fault(FunctionFault),
    /// The plugin cannot be loaded; the text names its file.
    Unusable(String),
}

/// An [`Offer`] as it is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    backend: Option<(String, String)>,
    custody: bool,
    functions: Vec<String>,
}

/// How a process ended that gave no answer.
#[derive(Debug)]
enum End {
    /// It could not be started.
    NotStarted { program: PathBuf, source: io::Error },
    /// It was ended.
    Late,
    /// It ended by itself, after so many calls of a function.
    Silent { status: ExitStatus, calls: Option<u64>, complaint: String },
    /// It said something else.
    Garbled(serde_json::Error),
}

/// Starts processes apart.
#[derive(Clone, Debug)]
pub struct Apart {
    program: PathBuf,
}

impl Apart {
    /// By a program that answers to [`WORD`].
    #[must_use]
    pub fn by(program: PathBuf) -> Self {
        Self { program }
    }

    /// By this very program.
    ///
    /// # Errors
    /// The program does not know its place.
    pub fn by_this_program() -> io::Result<Self> {
        env::current_exe().map(Self::by)
    }

    /// What a plugin provides; messages name the file `shown`.
    ///
    /// # Errors
    /// A plugin that cannot be loaded, or ends or delays the process.
    pub fn inspect(&self, copy: &Path, shown: &Path) -> Result<Provides, RegistryError> {
        let wrong = |reason: String| RegistryError::Capabilities { path: shown.to_owned(), reason };
        let image = Image::read(copy)?;
        let unusable = |reason: String| Err(RegistryError::Unusable { reason });
        match self.ask((copy, shown), image.digest(), Task::Offer, DESCRIBES) {
            Ok(Answer::Offers(Offered { backend, custody, functions })) => {
                let module = is_module(copy);
                Ok(Provides { abi: ABI_VERSION, backend, custody, functions, module })
            }
            Ok(Answer::Unusable(reason)) => unusable(reason),
            Ok(Answer::Values(_) | Answer::Fault(_)) => Err(wrong("it answers something else".to_owned())),
            Err(End::NotStarted { program, source }) => unusable(not_started(&program, &source)),
            Err(End::Late) => {
                let seconds = DESCRIBES.as_secs();
                Err(wrong(format!("it did not describe itself in {seconds} seconds, and was ended")))
            }
            Err(End::Silent { status, calls: _, complaint }) if status.success() => {
                Err(wrong(format!("its description: EOF, for it ended the process{complaint}")))
            }
            Err(End::Silent { status, calls: _, complaint }) => {
                Err(wrong(format!("it ended the process that looked at it ({status}){complaint}")))
            }
            Err(End::Garbled(error)) => Err(wrong(format!("its description: {error}"))),
        }
    }

    /// All values of a function of a plugin whose file has a digest, as codes; no later than `limit` and a moment.
    ///
    /// # Errors
    /// See [`FunctionFault`]: all but `NoPlugin`.
    pub fn values(
        &self,
        path: &Path,
        digest: &str,
        function: &ExternFunction,
        limit: Duration,
    ) -> Result<Arc<[i64]>, FunctionFault> {
        let unusable = |reason: String| Err(FunctionFault::Unusable(format!("{reason}.")));
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let task = Task::Values { function: function.clone(), limit_ms };
        match self.ask((path, path), digest, task, limit + GRACE) {
            // Number and range are looked at where a table is made of them.
            Ok(Answer::Values(codes)) => Ok(codes.into()),
            Ok(Answer::Fault(fault)) => Err(fault),
            Ok(Answer::Unusable(reason)) => unusable(reason),
            Ok(Answer::Offers(_)) => unusable("it answers something else".to_owned()),
            Err(End::NotStarted { program, source }) => unusable(not_started(&program, &source)),
            Err(End::Late) => {
                let seconds = (limit + GRACE).as_secs();
                unusable(format!("it had no values after {seconds} seconds, and the process was ended"))
            }
            Err(End::Silent { status, calls, complaint }) => {
                let reason = format!("it ended the process that called it ({status}){complaint}");
                match calls.and_then(|calls| arguments(function, calls)) {
                    Some(at) => Err(FunctionFault::Failed { at, reason }),
                    None => unusable(format!("{reason}, when it was loaded")),
                }
            }
            Err(End::Garbled(error)) => unusable(format!("its answer: {error}")),
        }
    }

    fn ask(
        &self,
        (path, shown): (&Path, &Path),
        digest: &str,
        task: Task,
        limit: Duration,
    ) -> Result<Answer, End> {
        let modules = || self.program.with_file_name(format!("{MODULES}{}", env::consts::EXE_SUFFIX));
        let program = if is_module(path) { modules() } else { self.program.clone() };
        let failed = |source: io::Error| End::NotStarted { program: program.clone(), source };
        let order = Order {
            path: std::path::absolute(path).map_err(failed)?,
            shown: shown.to_owned(),
            digest: digest.to_owned(),
            task,
        };
        let order = serde_json::to_vec(&order).map_err(|error| failed(error.into()))?;
        let mut child = Command::new(&program)
            .arg(WORD)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let said = child.stdout.take().map(|stream| thread::spawn(move || listen(stream)));
        let complained = child.stderr.take().map(|stream| thread::spawn(move || complaint(stream)));
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended before it was told anything is found below.
            let _ = stdin.write_all(&order);
        }
        let status = wait(&mut child, limit).map_err(failed)?;
        let said = said.and_then(|it| it.join().ok()).unwrap_or_default();
        let complaint = complained.and_then(|it| it.join().ok()).unwrap_or_default();
        match (status, said.answer) {
            (None, _) => Err(End::Late),
            (Some(_), Some(answer)) => first(&answer).map_err(End::Garbled),
            (Some(status), None) => Err(End::Silent { status, calls: said.calls, complaint }),
        }
    }
}

impl From<Offer> for Offered {
    fn from(offer: Offer) -> Self {
        let Offer { backend, custody, functions } = offer;
        Self { backend, custody, functions }
    }
}

fn not_started(program: &Path, source: &io::Error) -> String {
    if program.file_stem().is_some_and(|stem| stem == MODULES) && source.kind() == io::ErrorKind::NotFound {
        return format!(
            "it is a module of WebAssembly, which the program {} runs, and that is not there: `cargo build --release -p {MODULES}` \
             makes it, and it belongs beside this program",
            program.display()
        );
    }
    format!("the process that looks at it cannot be started: {}: {source}", program.display())
}

/// Waits for the end of a process; `None` where it had to be ended.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= end => {
                child.kill().and_then(|()| child.wait())?;
                return Ok(None);
            }
            None => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What a process said.
#[derive(Debug, Default)]
struct Said {
    /// Calls of a function that were begun.
    calls: Option<u64>,
    answer: Option<Vec<u8>>,
}

/// Marks how many calls were begun: eight bytes follow.
const CALLS: u8 = b'c';
/// Marks the answer: all that follows.
const ANSWER: u8 = b'a';

/// The answer; a call that was begun meanwhile may stand behind it.
fn first(bytes: &[u8]) -> Result<Answer, serde_json::Error> {
    Answer::deserialize(&mut serde_json::Deserializer::from_slice(bytes))
}

/// All that is said, up to a bound. A process that says more finds nobody who listens.
fn listen(stream: impl Read) -> Said {
    let mut stream = io::BufReader::new(stream);
    let mut said = Said::default();
    let mut mark = [0];
    while stream.read_exact(&mut mark).is_ok() {
        match mark {
            [CALLS] => {
                let mut calls = [0; 8];
                if stream.read_exact(&mut calls).is_ok() {
                    said.calls = Some(u64::from_le_bytes(calls));
                }
            }
            [ANSWER] => {
                let mut answer = Vec::new();
                if stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).is_ok() {
                    said.answer = Some(answer);
                }
                break;
            }
            _ => break,
        }
    }
    said
}

/// The first of what is complained about, for a message; the rest is read and dropped, so that nobody waits.
fn complaint(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is missing in the message.
    let _ = stream.by_ref().take(MAX_COMPLAINT_BYTES).read_to_end(&mut bytes);
    let _ = io::copy(&mut stream, &mut io::sink());
    let text = String::from_utf8_lossy(&bytes);
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    if words.is_empty() { String::new() } else { format!(", and said: {}", words.join(" ")) }
}
