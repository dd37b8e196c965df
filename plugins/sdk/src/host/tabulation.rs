//! All values of a function over some axes, in a thread of its own: whoever asks waits no longer than the limit,
//! also for a function that never comes back. Each value is computed twice, the second time in reverse order, so
//! that a function which remembers something is found out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::FunctionPlugin;
use crate::abi::Scalar;
use crate::backend::BackendError;
use crate::function::Signature;

/// How long, beyond the limit, a thread that looks at the time between calls may need to say so.
const GRACE: Duration = Duration::from_millis(200);

/// Functions that can be called: those of a shared library, or of a module.
pub trait Callable: Send + 'static {
    /// All of them.
    fn functions(&self) -> &[Signature];

    /// The value of the function at a place of [`Self::functions`], in the range that this declares.
    ///
    /// # Errors
    /// `Fault::Input` where the function has no value there, `Fault::Internal` where it fails.
    fn call(&mut self, function: usize, arguments: &[Scalar]) -> Result<Scalar, BackendError>;
}

impl Callable for FunctionPlugin {
    fn functions(&self) -> &[Signature] {
        Self::functions(self)
    }

    fn call(&mut self, function: usize, arguments: &[Scalar]) -> Result<Scalar, BackendError> {
        Self::call(self, function, arguments)
    }
}

impl Callable for Box<dyn Callable> {
    fn functions(&self) -> &[Signature] {
        (**self).functions()
    }

    fn call(&mut self, function: usize, arguments: &[Scalar]) -> Result<Scalar, BackendError> {
        (**self).call(function, arguments)
    }
}

/// Why there is no table; `at` is the place on each axis.
#[derive(Debug, thiserror::Error)]
pub enum TabulationError {
    /// The function has no value there, or failed.
    #[error("{source}")]
    Failed {
        /// Where.
        at: Vec<usize>,
        /// Why.
        source: BackendError,
    },
    /// Two calls with equal arguments gave different values.
    #[error("two calls differ")]
    Differs {
        /// Where.
        at: Vec<usize>,
        /// First value.
        first: Scalar,
        /// Second value.
        second: Scalar,
    },
    /// The time is over. The thread may be at work for ever.
    #[error("the time is over")]
    TimedOut {
        /// The call that was under way.
        at: Vec<usize>,
    },
    /// The system gives no thread.
    #[error("no thread: {0}")]
    NoThread(#[from] std::io::Error),
}

/// The values of a function for each combination of arguments, the last axis running fastest.
///
/// # Errors
/// See [`TabulationError`]; no later than `limit` and a moment.
pub fn tabulate(
    plugin: impl Callable,
    function: usize,
    axes: Vec<Vec<Scalar>>,
    limit: Duration,
) -> Result<Vec<Scalar>, TabulationError> {
    let sizes: Vec<usize> = axes.iter().map(Vec::len).collect();
    let reached = Arc::new(AtomicUsize::new(0));
    let (done, answer) = sync_channel(1);
    let deadline = Instant::now() + limit;
    let progress = Arc::clone(&reached);
    thread::Builder::new().name("hq-functions".to_owned()).spawn(move || {
        let mut worker = Worker { plugin, function, axes, deadline, progress };
        // Whoever asked may have gone.
        drop(done.send(worker.run()));
    })?;
    match answer.recv_timeout(limit + GRACE) {
        Ok(found) => found,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(TabulationError::TimedOut { at: place(reached.load(Ordering::Relaxed), &sizes) })
        }
    }
}

struct Worker<C> {
    plugin: C,
    function: usize,
    axes: Vec<Vec<Scalar>>,
    deadline: Instant,
    progress: Arc<AtomicUsize>,
}

impl<C: Callable> Worker<C> {
    fn run(&mut self) -> Result<Vec<Scalar>, TabulationError> {
        let sizes: Vec<usize> = self.axes.iter().map(Vec::len).collect();
        let entries = sizes.iter().product();
        let mut arguments = Vec::with_capacity(sizes.len());
        let mut values = Vec::with_capacity(entries);
        for entry in 0..entries {
            values.push(self.entry(entry, &sizes, &mut arguments)?);
        }
        for (entry, &first) in values.iter().enumerate().rev() {
            let second = self.entry(entry, &sizes, &mut arguments)?;
            if first != second {
                return Err(TabulationError::Differs { at: place(entry, &sizes), first, second });
            }
        }
        Ok(values)
    }

    fn entry(
        &mut self,
        entry: usize,
        sizes: &[usize],
        arguments: &mut Vec<Scalar>,
    ) -> Result<Scalar, TabulationError> {
        self.progress.store(entry, Ordering::Relaxed);
        let at = place(entry, sizes);
        if Instant::now() >= self.deadline {
            return Err(TabulationError::TimedOut { at });
        }
        arguments.clear();
        arguments.extend(self.axes.iter().zip(&at).filter_map(|(axis, &place)| axis.get(place).copied()));
        self.plugin.call(self.function, arguments).map_err(|source| TabulationError::Failed { at, source })
    }
}

/// The place on each axis of an entry.
fn place(entry: usize, sizes: &[usize]) -> Vec<usize> {
    let mut rest = entry;
    let mut at: Vec<usize> = sizes
        .iter()
        .rev()
        .map(|&size| {
            let size = size.max(1);
            let digit = rest % size;
            rest /= size;
            digit
        })
        .collect();
    at.reverse();
    at
}
