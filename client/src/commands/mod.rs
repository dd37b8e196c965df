//! The commands, one file each.

mod add_forms;
mod audit;
mod calibrate;
mod check;
mod compute;
mod custodian;
mod doc;
mod encrypt;
mod erase;
mod explain;
mod fmt;
mod generate;
mod jobs;
mod keygen;
mod login;
mod open;
mod plan_data;
mod plugin;
mod publish;
mod records;
mod result;
mod roles;
mod run;
mod seal;
mod submit;
mod test;

use crate::cli::{Cli, Command};
use crate::error::Result;

pub(crate) use compute::together;
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
        Command::Login(args) => login::login(&args),
        Command::Publish(args) => publish::publish(&args),
        Command::Roles(args) => roles::roles(&args),
        Command::Erase(args) => erase::erase(&args),
        Command::Submit(args) => submit::submit(&args),
        Command::Jobs(args) => jobs::jobs(&args),
        Command::Result(args) => result::result(&args),
        Command::Custodian(args) => custodian::custodian(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Apart => Ok(()),
        Command::Plugin(args) => plugin::plugin(&args),
        Command::Records(args) => records::records(&args),
        Command::Generate(args) => generate::generate(&args),
    }
}
