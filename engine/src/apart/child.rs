//! The process apart: it reads an order, confines itself, loads one plugin and answers. It reads nothing but what loaders need,
//! writes nowhere and reaches nobody, and has a gigabyte and the time of its order.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use hq_plugin_sdk::abi::Scalar;
use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::function::Signature;
use hq_plugin_sdk::host::{Callable, FunctionPlugin, Image, LoadError, Offer};

use super::{ANSWER, Answer, CALLS, DESCRIBES, GRACE, Order, Task};
use crate::confinement::{Limits, confine, limit};
use crate::functions::tabulate;

/// Address space of the process, in bytes.
const MEMORY_BYTES: u64 = 1 << 30;

/// Longest order, in bytes.
const MAX_ORDER_BYTES: u64 = 16 << 20;

/// How plugins of a kind are loaded.
pub trait Opener {
    /// What a plugin offers.
    ///
    /// # Errors
    /// One that cannot be used.
    fn offer(&self, image: &Image) -> Result<Offer, LoadError>;

    /// Its functions.
    ///
    /// # Errors
    /// One that cannot be used.
    fn functions(&self, image: &Image) -> Result<Box<dyn Callable>, LoadError>;
}

/// Shared libraries.
#[derive(Clone, Copy, Debug)]
pub struct Libraries;

impl Opener for Libraries {
    fn offer(&self, image: &Image) -> Result<Offer, LoadError> {
        Offer::of(image)
    }

    fn functions(&self, image: &Image) -> Result<Box<dyn Callable>, LoadError> {
        Ok(Box::new(FunctionPlugin::load_image(image)?))
    }
}

/// Does what standard input says.
#[must_use]
pub fn main(opener: &impl Opener) -> ExitCode {
    let Ok(mut out) = own_output() else { return ExitCode::FAILURE };
    let answer = answer(opener, &out).unwrap_or_else(Answer::Unusable);
    let text = serde_json::to_vec(&answer).unwrap_or_default();
    match out.write_all(&[&[ANSWER], text.as_slice()].concat()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Standard output for answers alone: what a plugin prints goes elsewhere.
#[cfg(unix)]
fn own_output() -> io::Result<File> {
    let own = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(own)
}

fn answer(opener: &impl Opener, out: &File) -> Result<Answer, String> {
    let mut text = Vec::new();
    io::stdin().lock().take(MAX_ORDER_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let order: Order = serde_json::from_slice(&text).map_err(|error| format!("no order: {error}"))?;
    let image = Image::read(&order.path).map_err(|error| error.to_string())?.named(&order.shown);
    if image.digest() != order.digest {
        return Err(format!("{} was exchanged while it was looked at. Try again", order.shown.display()));
    }
    let time = match &order.task {
        Task::Offer => DESCRIBES,
        Task::Values { limit_ms, .. } => Duration::from_millis(*limit_ms) + GRACE,
    };
    limit(Limits { memory_bytes: MEMORY_BYTES, cpu_s: time.as_secs() })
        .and_then(|()| confine(&[], None))
        .map_err(|error| error.to_string())?;
    match order.task {
        Task::Offer => {
            let offer = opener.offer(&image).map_err(|error| error.to_string())?;
            Ok(Answer::Offers(offer.into()))
        }
        Task::Values { function, limit_ms } => {
            let functions = opener.functions(&image).map_err(|error| error.to_string())?;
            let out = out.try_clone().map_err(|error| error.to_string())?;
            let told = Told { functions, out, calls: 0 };
            Ok(match tabulate(told, &function, Duration::from_millis(limit_ms)) {
                Ok(codes) => Answer::Values(codes.to_vec()),
                Err(fault) => Answer::Fault(fault),
            })
        }
    }
}

/// Says at each call how many there were, so that one which ends the process can be named.
struct Told {
    functions: Box<dyn Callable>,
    out: File,
    calls: u64,
}

impl Callable for Told {
    fn functions(&self) -> &[Signature] {
        self.functions.functions()
    }

    fn call(&mut self, function: usize, arguments: &[Scalar]) -> Result<Scalar, BackendError> {
        let mut mark = vec![CALLS];
        mark.extend(self.calls.to_le_bytes());
        // Whoever listened may have gone; the process is ended then.
        let _ = self.out.write_all(&mark);
        self.calls += 1;
        self.functions.call(function, arguments)
    }
}
