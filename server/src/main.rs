//! The program `hq-server`; see the library for everything it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    hq_server::main()
}
