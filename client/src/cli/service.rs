//! Arguments of the commands that speak with a service.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, PassphraseArgs, ProgramArgs, pair};
use crate::help::{
    AFTER_AUDIT, AFTER_CUSTODIAN, AFTER_ERASE, AFTER_LOGIN, AFTER_PUBLISH, AFTER_ROLES, AFTER_SUBMIT,
};

#[derive(Debug, Args)]
#[command(after_help = AFTER_LOGIN)]
pub(crate) struct LoginArgs {
    /// Address of the service
    #[arg(value_name = "URL")]
    pub(crate) service: String,
    /// Log in under a name at a service that believes every name (`hq-server --dev`)
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) trial: Option<String>,
    /// PEM file of the authorities whose certificates are taken of service and issuer, instead of Mozilla's list
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_PUBLISH)]
pub(crate) struct PublishArgs {
    /// Folder with the encrypted table
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Folder with the keys: evaluation keys are sent, the manifest is signed
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,
    /// Who may submit queries; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) researcher: Vec<String>,
    /// Who opens results; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) custodian: Vec<String>,
    /// Who reads the dataset's entries of the audit log; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) auditor: Vec<String>,
    /// Take all versions before back: what was encrypted in them is removed, as when a person is erased
    #[arg(long)]
    pub(crate) withdraw_older: bool,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_ROLES)]
pub(crate) struct RolesArgs {
    /// The dataset
    #[arg(value_name = "DATASET")]
    pub(crate) dataset: String,
    /// A role to give; may be repeated
    #[arg(long, value_name = "ROLE=SUBJECT", value_parser = pair)]
    pub(crate) give: Vec<(String, String)>,
    /// A role to take; may be repeated
    #[arg(long, value_name = "ROLE=SUBJECT", value_parser = pair)]
    pub(crate) take: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_ERASE)]
pub(crate) struct EraseArgs {
    /// The dataset
    #[arg(value_name = "DATASET")]
    pub(crate) dataset: String,
    /// One version alone
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<u64>,
    /// It is meant: nothing brings it back
    #[arg(long)]
    pub(crate) yes: bool,
    /// File for the receipt
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_SUBMIT)]
pub(crate) struct SubmitArgs {
    /// The program
    pub(crate) file: PathBuf,
    /// The dataset
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: String,
    /// What it is for: the custodian and the audit log have it
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: String,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
    /// Value of a secret parameter, which is encrypted here; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "eval_keys")]
    pub(crate) secret: Vec<(String, String)>,
    /// `evaluation.keys` of the dataset, from its owner: secret parameters are encrypted under them
    #[arg(long, value_name = "FILE")]
    pub(crate) eval_keys: Option<PathBuf>,
    /// Backend that those keys are for
    #[arg(long, value_name = "NAME", default_value = "bgv")]
    pub(crate) backend: String,
    /// Secret parameters that `hq seal` made
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    pub(crate) sealed: Option<PathBuf>,
    /// How the result is shown
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// Draw the results into an SVG file as well
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Write the job's id, and do not wait
    #[arg(long)]
    pub(crate) detach: bool,
    /// Equal keys give one job, however often it is sent [default: a new one]
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<JobsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Show how far a job is until it is computed
    Watch {
        /// Its id
        job: String,
    },
    /// Cancel a job
    Cancel {
        /// Its id
        job: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// The job's id
    pub(crate) job: String,
    /// How the result is shown
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// Draw the results into an SVG file as well
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_CUSTODIAN)]
pub(crate) struct CustodianArgs {
    /// Folder with the keys
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,
    /// Open what waits now, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) every: u64,
    /// Release to researchers whose recipient is another than before
    #[arg(long)]
    pub(crate) accept_recipients: bool,
    /// A researcher whose secret parameters are taken; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) secrets_of: Vec<String>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_AUDIT)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Write the log to a file, and its signed heads to FILE.heads
    Export {
        /// File to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Entries about one dataset alone; they are no chain
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
    },
    /// Verify an exported log
    Verify {
        /// The log
        log: PathBuf,
        /// Heads that were exported before, besides LOG.heads; may be repeated
        #[arg(long, value_name = "FILE")]
        heads: Vec<PathBuf>,
        /// The service's public key, in hexadecimal [default: that of the first head]
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RecordsArgs {
    /// The log, as `hq audit export` writes it
    pub(crate) log: PathBuf,
    /// Schema of a dataset in it; may be repeated
    #[arg(long, value_name = "DATASET.hq")]
    pub(crate) schema: Vec<PathBuf>,
}
