//! The command line.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hq_engine::apart::child;

use crate::backup::{backup, restore};
use crate::config::Config;
use crate::health;
use crate::server;
use crate::telemetry::Telemetry;
use crate::worker;

/// The service of hq: encrypted datasets, queries and results over HTTP.
#[derive(Debug, Parser)]
#[command(name = "hq-server", version)]
struct Cli {
    /// File of settings; variables `HQ_SERVER_…` win over it
    #[arg(long, value_name = "FILE", default_value = "hq-server.toml")]
    config: PathBuf,
    /// Believe every name: an issuer of its own on loopback, for trials only
    #[arg(long)]
    dev: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Copy everything but the keys into a folder, while the service runs or not
    Backup {
        /// The folder; what is in it from before is brought up to date
        folder: PathBuf,
        /// File for the wrapped keys of datasets: keep only the newest, so that what is erased stays erased
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
    },
    /// Bring a copy back into a folder of data that holds `master.key` and `service.key` alone
    Restore {
        /// The folder of the copy
        folder: PathBuf,
        /// The newest file of wrapped keys
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
    },
    /// Compute one job; started by the service
    #[command(hide = true)]
    Worker,
    /// Look at a plugin, or call its functions; started by the service
    #[command(hide = true)]
    Apart,
    /// Ask the service at the address of the settings whether it serves requests
    Health,
}

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Worker) => return worker::main(),
        Some(Command::Apart) => return child::main(&child::Libraries),
        Some(Command::Health) => asked(&cli),
        Some(Command::Backup { folder, keys }) => copy(&cli, folder, keys),
        Some(Command::Restore { folder, keys }) => bring_back(&cli, folder, keys),
        None => serve(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(cli: &Cli, folder: &Path, keys: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let copied = backup(&Config::read(&cli.config)?, folder, keys)?;
    let _ = writeln!(io::stdout().lock(), "{}: {copied} objects copied", folder.display());
    Ok(())
}

fn bring_back(cli: &Cli, folder: &Path, keys: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let erased = restore(&Config::read(&cli.config)?, folder, keys)?;
    let _ = writeln!(io::stdout().lock(), "restored; {erased} datasets and versions were erased since");
    Ok(())
}

fn asked(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    Ok(health::ask(&Config::read(&cli.config)?)?)
}

fn serve(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::read(&cli.config)?;
    if cli.dev && !config.listen.ip().is_loopback() {
        return Err("`--dev` believes every name, so it listens on 127.0.0.1 only".into());
    }
    let _telemetry = Telemetry::begin(&config)?;
    actix_web::rt::System::new().block_on(async {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let service = server::start(config, cli.dev).await?;
        // The address is what a script that starts the service needs.
        let _ = writeln!(io::stdout().lock(), "{scheme}://{}", service.address);
        service.server.await?;
        Ok(())
    })
}
