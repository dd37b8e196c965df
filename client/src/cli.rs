//! The command line.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod owner;
mod plugin;
mod service;

pub(crate) use owner::{EncryptArgs, GenerateArgs, KeygenArgs, PassphraseArgs, PlanDataArgs};
pub(crate) use plugin::{PluginArgs, PluginCommand};
pub(crate) use service::{
    AuditArgs, AuditCommand, CustodianArgs, EraseArgs, JobsArgs, JobsCommand, LoginArgs, PublishArgs,
    RecordsArgs, ResultArgs, RolesArgs, SubmitArgs,
};

use crate::forms::FormsSource;
use crate::help::{
    AFTER_CALIBRATE, AFTER_COMPUTE, AFTER_DOC, AFTER_EXPLAIN, AFTER_FMT, AFTER_HELP, AFTER_LSP, AFTER_RUN,
    AFTER_TEST,
};

/// Encrypted analytics for health data: counts, means and survival curves over rows nobody else can read.
#[derive(Debug, Parser)]
#[command(name = "hq", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check programs and schemas, and plan the queries
    Check(CheckArgs),
    /// Run the examples of programs and modules, encrypted and in the clear
    Test(TestArgs),
    /// Show what modules offer: functions, formulas, sources, examples
    Doc(DocArgs),
    /// Lay programs and schemas out
    Fmt(FmtArgs),
    /// Show how a query runs: stages, circuit, plan, noise, cost, and what will be decrypted
    Explain(ExplainArgs),
    /// Make keys, encrypt, compute on ciphertexts and open the result, all in one process
    Run(RunArgs),
    /// Choose in which forms a dataset's columns are encrypted, for queries to come
    PlanData(PlanDataArgs),
    /// Make a key pair for a dataset
    Keygen(KeygenArgs),
    /// Encrypt a table
    Encrypt(EncryptArgs),
    /// Encrypt the secret parameters of a query; needs no secret key
    Seal(SealArgs),
    /// Compute a query on an encrypted table; needs no secret key
    Compute(ComputeArgs),
    /// Open a result under the release rules
    Open(OpenArgs),
    /// Make a synthetic table that a schema describes
    Generate(GenerateArgs),
    /// Measure what a backend's kernels cost on this machine, for estimates of CPU
    Calibrate(CalibrateArgs),
    /// Log in to a service
    Login(LoginArgs),
    /// Publish an encrypted table at a service
    Publish(PublishArgs),
    /// Show, give and take roles for a dataset at a service
    Roles(RolesArgs),
    /// Erase a dataset at a service, or a version of it
    Erase(EraseArgs),
    /// Submit a program to a service, and show what is released
    Submit(SubmitArgs),
    /// List, watch or cancel jobs at a service
    Jobs(JobsArgs),
    /// Show what was released of a job
    Result(ResultArgs),
    /// Open results of a service under the release rules, where the secret key is
    Custodian(CustodianArgs),
    /// Export and verify the audit log of a service
    Audit(AuditArgs),
    /// Accept plugins by their signatures, list, verify and revoke them
    Plugin(PluginArgs),
    /// Look at a plugin, or call its functions; started where a plugin may crash
    #[command(hide = true)]
    Apart,
    /// Write what an exported audit log says for a record of processing activities
    Records(RecordsArgs),
    /// Answer an editor over standard input and output (Language Server Protocol)
    Lsp(LspArgs),
}

/// Where programs and what they use come from.
#[derive(Debug, Args)]
pub(crate) struct ProgramArgs {
    /// Folder with schemas and modules that `use` finds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) schema: Vec<PathBuf>,
    /// Value of a parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) param: Vec<(String, String)>,
    /// The query to take, where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) query: Option<String>,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

/// Whether the dataset's release rules act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// Small counts are hidden
    On,
    /// Everything is shown: for one's own data only
    Off,
}

/// What becomes of a cell outside its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Outside {
    /// Nothing is encrypted
    Refuse,
    /// It becomes missing, where the column may be
    Missing,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Programs or schemas
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Folder with schemas and modules that `use` finds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) schema: Vec<PathBuf>,
    /// Value of a public parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) param: Vec<(String, String)>,
    /// Backend to plan for, if its plugin is found
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// Forms of the columns: `default` from the schema, `bits`, or a file of `hq plan-data`
    #[arg(long, value_name = "bits|default|FILE", default_value = "default")]
    pub(crate) forms: FormsSource,
    /// Security of the keys in bits: 128, 192 or 256
    #[arg(long, value_name = "BITS", default_value_t = 128, value_parser = security)]
    pub(crate) security: u32,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_TEST)]
pub(crate) struct TestArgs {
    /// Programs, or modules of the standard library by name
    #[arg(value_name = "FILE|MODULE", required_unless_present = "stdlib")]
    pub(crate) targets: Vec<String>,
    /// All modules of the standard library
    #[arg(long)]
    pub(crate) stdlib: bool,
    /// Backend that computes; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["clear", "bgv"])]
    pub(crate) backend: Vec<String>,
    /// Folder with schemas and modules that `use` finds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) schema: Vec<PathBuf>,
    /// Value of a public parameter; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) param: Vec<(String, String)>,
    /// Security of the keys in bits: 128, 192 or 256
    #[arg(long, value_name = "BITS", default_value_t = 128, value_parser = security)]
    pub(crate) security: u32,
}

/// How a manual is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManualFormat {
    /// For reading
    Text,
    /// For a page
    Markdown,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_DOC)]
pub(crate) struct DocArgs {
    /// Modules, functions, or files with modules of one's own
    #[arg(value_name = "MODULE[.FUNCTION]|FILE")]
    pub(crate) targets: Vec<String>,
    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ManualFormat,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_FMT)]
pub(crate) struct FmtArgs {
    /// Programs or schemas; `-` is standard input, laid out to standard output
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing: name the files that are not laid out, and exit with status 1 if there are any
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_EXPLAIN)]
pub(crate) struct ExplainArgs {
    /// Programs; queries over one dataset are planned together
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
    /// Backend to plan for; `auto` takes the cheapest encrypted one
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// Show the plan after every pass
    #[arg(long)]
    pub(crate) passes: bool,
    /// Run the plan on synthetic rows with keys that are thrown away, and show the noise measured
    #[arg(long)]
    pub(crate) measure: bool,
    /// Draw the plan into an SVG file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) graph: Option<PathBuf>,
    /// Draw the noise along the critical path into an SVG file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) noise: Option<PathBuf>,
    /// Forms of the columns: `default` from the schema, `bits`, or a file of `hq plan-data`
    #[arg(long, value_name = "bits|default|FILE", default_value = "default")]
    pub(crate) forms: FormsSource,
    /// Security of the keys in bits: 128, 192 or 256
    #[arg(long, value_name = "BITS", default_value_t = 128, value_parser = security)]
    pub(crate) security: u32,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_RUN)]
pub(crate) struct RunArgs {
    /// Programs; queries over one dataset are computed together
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The table of a dataset; may be repeated
    #[arg(long, value_name = "NAME=CSV", value_parser = pair, required = true)]
    pub(crate) table: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
    /// Backend that computes; `auto` takes the cheapest encrypted one
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// How the result is shown
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// Draw the results into an SVG file as well
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Compute in the clear as well and compare every number
    #[arg(long)]
    pub(crate) verify: bool,
    /// Whether small counts are hidden
    #[arg(long, value_enum, default_value = "on")]
    pub(crate) release: Release,
    /// What becomes of cells outside their domain
    #[arg(long, value_enum, default_value = "refuse")]
    pub(crate) outside: Outside,
    /// Forms of the columns: `default` from the schema, `bits`, or a file of `hq plan-data`
    #[arg(long, value_name = "bits|default|FILE", default_value = "default")]
    pub(crate) forms: FormsSource,
    /// Security of the keys in bits: 128, 192 or 256
    #[arg(long, value_name = "BITS", default_value_t = 128, value_parser = security)]
    pub(crate) security: u32,
    /// Blocks that are computed at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZero<usize>>,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// The program
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
    /// The evaluation keys, which hold the public key
    #[arg(long, value_name = "FILE")]
    pub(crate) eval_keys: PathBuf,
    /// Backend that the keys are for
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// File to write
    #[arg(short, long, value_name = "SEALED")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_COMPUTE)]
pub(crate) struct ComputeArgs {
    /// Programs; their queries are computed together and have one result
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Folder with the encrypted table
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The evaluation keys
    #[arg(long, value_name = "FILE")]
    pub(crate) eval_keys: PathBuf,
    /// Secret parameters that `hq seal` made
    #[arg(long, value_name = "FILE")]
    pub(crate) sealed: Option<PathBuf>,
    /// File to write
    #[arg(short, long, value_name = "RESULT")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
    /// Blocks that are computed at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZero<usize>>,
    /// Where an interrupted computation is kept until it is continued [default: RESULT.part]
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Least time from one checkpoint to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) every: u64,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The result
    pub(crate) result: PathBuf,
    /// Folder with the keys
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,
    /// How the result is shown
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// Draw the results into an SVG file as well
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Whether small counts are hidden; off needs --own-data
    #[arg(long, value_enum, default_value = "on", requires_if("off", "own_data"))]
    pub(crate) release: Release,
    /// The data are one's own: small counts may be shown
    #[arg(long)]
    pub(crate) own_data: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_CALIBRATE)]
pub(crate) struct CalibrateArgs {
    /// Backend to measure
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// File to write instead of the usual one
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_LSP)]
pub(crate) struct LspArgs {
    /// Folder with schemas and modules that `use` finds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) schema: Vec<PathBuf>,
    /// Accepted for editors that give it; there is no other way to talk
    #[arg(long, hide = true)]
    pub(crate) stdio: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` is not of the form NAME=VALUE")),
    }
}

fn security(text: &str) -> Result<u32, String> {
    match text {
        "128" => Ok(128),
        "192" => Ok(192),
        "256" => Ok(256),
        _ => Err("security is 128, 192 or 256 bits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
