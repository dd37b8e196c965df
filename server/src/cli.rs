//! The command line.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::health;
use crate::server;
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

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Compute one job; started by the service
    #[command(hide = true)]
    Worker,
    /// Ask the service at the address of the settings whether it serves requests
    Health,
}

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Worker) = cli.command {
        return worker::main();
    }
    let done = match cli.command {
        Some(Command::Health) => asked(&cli),
        Some(Command::Worker) | None => serve(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn asked(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    Ok(health::ask(&Config::read(&cli.config)?)?)
}

fn serve(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::read(&cli.config)?;
    if cli.dev && !config.listen.ip().is_loopback() {
        return Err("`--dev` believes every name, so it listens on 127.0.0.1 only".into());
    }
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(&config.log)?)
        .with_writer(io::stderr)
        .init();
    actix_web::rt::System::new().block_on(async {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let service = server::start(config, cli.dev)?;
        // The address is what a script that starts the service needs.
        let _ = writeln!(io::stdout().lock(), "{scheme}://{}", service.address);
        service.server.await?;
        Ok(())
    })
}
