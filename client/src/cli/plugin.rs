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
    #[arg(long, value_name = "DIR", global = true, conflicts_with = "service")]
    pub(crate) registry: Option<PathBuf>,
    /// The registry of a service that one is logged in to, as its administrator
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) service: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Accept a plugin that is signed with a key of the registry
    Register {
        /// The library, libhq_plugin_NAME.so, or the module, hq_plugin_NAME.wasm
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
        /// The build that is meant, by its digest [default: whichever is registered]
        #[arg(long, value_name = "BLAKE3")]
        build: Option<String>,
        /// Why: whoever wants to use it is told
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}
