//! Arguments of the commands of owners: keys, forms, tables.

use std::path::PathBuf;

use clap::Args;

use super::{Outside, security};
use crate::controls::MAX_CONTROLS;
use crate::forms::FormsSource;
use crate::help::{AFTER_ENCRYPT, AFTER_KEYGEN, AFTER_PLAN_DATA};

/// How the secret key is protected at rest.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// File whose first line is the passphrase of the secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_KEYGEN)]
pub(crate) struct KeygenArgs {
    /// Schema of the dataset
    #[arg(long = "for", value_name = "DATASET.hq")]
    pub(crate) dataset: PathBuf,
    /// Programs that the keys must serve
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) query: Vec<PathBuf>,
    /// Folder with schemas and modules that `use` finds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) schema: Vec<PathBuf>,
    /// Forms of the columns: `default` from the schema, `bits`, or a file of `hq plan-data`
    #[arg(long, value_name = "bits|default|FILE", default_value = "default")]
    pub(crate) forms: FormsSource,
    /// Security of the keys in bits: 128, 192 or 256
    #[arg(long, value_name = "BITS", default_value_t = 128, value_parser = security)]
    pub(crate) security: u32,
    /// Backend that the keys are for
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// Folder to write
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    /// Store the secret key unprotected: for trials only
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) no_passphrase: bool,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_PLAN_DATA)]
pub(crate) struct PlanDataArgs {
    /// Schema of the dataset
    #[arg(value_name = "DATASET.hq")]
    pub(crate) dataset: PathBuf,
    /// Programs whose queries the dataset will serve
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) workload: Vec<PathBuf>,
    /// Folder with schemas and modules that `use` finds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) schema: Vec<PathBuf>,
    /// Most bytes of ciphertext for each row; by the number of columns if not given
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    pub(crate) max_bytes_per_row: Option<u64>,
    /// Security of the keys in bits: 128, 192 or 256
    #[arg(long, value_name = "BITS", default_value_t = 128, value_parser = security)]
    pub(crate) security: u32,
    /// Backend to plan for
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// File to write; DATASET.forms.json if not given
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_ENCRYPT)]
pub(crate) struct EncryptArgs {
    /// Schema of the dataset
    pub(crate) dataset: PathBuf,
    /// The table
    #[arg(long, value_name = "CSV")]
    pub(crate) table: PathBuf,
    /// Folder with the keys
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,
    /// Folder to write; with --add, the one to add to
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Encrypt only what OUT does not hold yet, from the table that is in it
    #[arg(long)]
    pub(crate) add: bool,
    /// Forms to add: `default` from the schema, `bits`, or a file of `hq plan-data` [default: those of the keys]
    #[arg(long, value_name = "bits|default|FILE", requires = "add")]
    pub(crate) forms: Option<FormsSource>,
    /// Encrypt so many copies of the table among as many tables with known answers, which show a service that computes wrongly
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "add", value_parser = clap::value_parser!(u64).range(0..=MAX_CONTROLS))]
    pub(crate) controls: u64,
    /// What becomes of cells outside their domain
    #[arg(long, value_enum, default_value = "refuse")]
    pub(crate) outside: Outside,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Schema of the dataset
    pub(crate) schema: PathBuf,
    /// Number of rows
    #[arg(long)]
    pub(crate) rows: u64,
    /// Equal seeds give equal tables
    #[arg(long)]
    pub(crate) seed: u64,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "CSV")]
    pub(crate) output: Option<PathBuf>,
}
