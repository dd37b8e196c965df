//! The client: what owners, custodians and researchers run. Secret keys and plaintext tables exist here
//! and nowhere else.
//!
//! | concept | file |
//! |---|---|
//! | what can be asked for | `cli`, `commands` |
//! | programs and the files they use | `program`, `loader`, `modules` |
//! | queries that are run together | `joint`, `planned` |
//! | plugins | `backend`, `functions` |
//! | forms of columns | `forms` |
//! | tables, blocks of encrypted inputs, files of them | `table`, `header`, `blocks`, `part_files` |
//! | whether a table is the one that was encrypted, and whether what computes does it right | `fingerprint`, `controls` |
//! | keys at rest | `keys`, `gate_keys`, `passphrase` |
//! | computations that may be interrupted | `execution`, `checkpoint`, `interrupt` |
//! | secret parameters on their way | `sealed` |
//! | what may be shown | `release` |
//! | how it is shown | `report`, `plot` |
//! | how a plan looks and what noise it has | `graph`, `trial` |
//! | what this machine takes | `calibrate` |
//! | what editors ask | `lsp` |
//! | a service: who one is there, what it is asked, what is sent | `login`, `authorities`, `service`, `wire` |
//! | results of a service: opened, released, read | `received`, `released`, `recipient`, `publisher` |

mod authorities;
mod backend;
mod blocks;
mod calibrate;
mod checkpoint;
mod choice;
mod cli;
mod commands;
mod configuration;
mod controls;
mod error;
mod execution;
mod fingerprint;
mod forms;
mod functions;
mod gate_keys;
mod graph;
mod header;
mod help;
mod interrupt;
mod joint;
mod keys;
mod loader;
mod login;
mod lsp;
mod modules;
mod output;
mod part_files;
mod passphrase;
mod planned;
mod plot;
mod program;
mod publisher;
mod received;
mod recipient;
mod release;
mod released;
mod report;
mod sealed;
mod service;
mod table;
mod trial;
mod wire;
mod workload;

use std::process::ExitCode;

use clap::Parser;
use hq_engine::apart::child;

/// Runs the program on the process's arguments: 0 for success, 1 for an error, 2 for wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if matches!(cli.command, cli::Command::Apart) {
        return child::main(&child::Libraries);
    }
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
