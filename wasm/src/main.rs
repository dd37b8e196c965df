//! The program `hq-wasm`; see the library for everything it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    hq_wasm::main()
}
