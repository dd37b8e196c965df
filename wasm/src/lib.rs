//! Functions of plugins in modules of WebAssembly, for authors whom nobody knows. `hq` and `hq-server` start this program where the
//! file of a plugin is a module. It is a program of its own, so that whoever needs no modules builds no interpreter.
//!
//! A module is interpreted. It imports nothing, so it can call nothing of this process; it has a memory of its own, of a size that
//! is bounded, and so many steps for each call. The process around it is confined as for native plugins, in case the
//! interpreter is wrong.

mod module;

use std::env;
use std::process::ExitCode;

use hq_engine::apart::WORD;
use hq_engine::apart::child::{self, Opener};
use hq_plugin_sdk::host::{Callable, Image, LoadError, Offer};

pub use module::Module;

/// Modules of WebAssembly.
#[derive(Clone, Copy, Debug)]
pub struct Modules;

impl Opener for Modules {
    fn offer(&self, image: &Image) -> Result<Offer, LoadError> {
        let module = Module::load(image)?;
        let functions = module.functions().iter().map(|function| function.name.clone()).collect();
        Ok(Offer { functions, ..Offer::default() })
    }

    fn functions(&self, image: &Image) -> Result<Box<dyn Callable>, LoadError> {
        Ok(Box::new(Module::load(image)?))
    }
}

/// Does what standard input says, if it was started for that.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).collect();
    if words == [WORD] {
        return child::main(&Modules);
    }
    eprintln!(
        "hq-wasm {}: `hq` and `hq-server` start it for plugins that are modules of WebAssembly. There is nothing to do by hand",
        env!("CARGO_PKG_VERSION")
    );
    ExitCode::from(2)
}
