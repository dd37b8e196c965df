//! The program `hq`; see the library for everything it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    hq_client::main()
}
