//! The command line of the registry of plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::help::AFTER_PLUGIN;

#[derive(Debug, Args)]
#[command(after_help = AFTER_PLUGIN)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
    /// Folder of the registry [default: HQ_PLUGIN_REGISTRY]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) registry: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Accept a plugin that is signed with a key of the registry
    Register {
        /// The library, libhq_plugin_NAME.so
        file: PathBuf,
        /// Its signature by minisign [default: FILE.minisig]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// List what is accepted, and what was revoked
    List,
    /// See that accepted plugins are the files that were accepted, and can be used
    Verify {
        /// Names [default: all]
        names: Vec<String>,
    },
    /// Accept a plugin no more
    Revoke {
        /// Its name
        name: String,
        /// Why: whoever wants to use it is told
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Say what a plugin provides; `register` and `verify` start this apart
    #[command(hide = true)]
    Inspect {
        /// The library
        copy: PathBuf,
        /// The file that messages name
        file: PathBuf,
    },
}
