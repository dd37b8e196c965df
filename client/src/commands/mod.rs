//! The commands, one file each.

mod add_forms;
mod calibrate;
mod check;
mod compute;
mod doc;
mod encrypt;
mod explain;
mod fmt;
mod generate;
mod keygen;
mod open;
mod plan_data;
mod run;
mod seal;
mod test;

use crate::cli::{Cli, Command};
use crate::error::Result;

pub(crate) use generate::synthetic;

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Check(args) => check::check(&args),
        Command::Test(args) => test::test(&args),
        Command::Doc(args) => doc::doc(&args),
        Command::Fmt(args) => fmt::fmt(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Run(args) => run::run(&args),
        Command::Keygen(args) => keygen::keygen(&args),
        Command::PlanData(args) => plan_data::plan_data(&args),
        Command::Encrypt(args) => encrypt::encrypt(&args),
        Command::Seal(args) => seal::seal(&args),
        Command::Compute(args) => compute::compute(&args),
        Command::Open(args) => open::open(&args),
        Command::Lsp(args) => crate::lsp::serve(&args),
        Command::Generate(args) => generate::generate(&args),
    }
}
