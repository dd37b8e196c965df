//! What the backend takes, over all threads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

use super::Spent;

/// Adds up the time of calls, which may overlap on several threads.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    cpu: Duration,
    wall: Duration,
    bytes_read: u64,
    /// Of runs before this one.
    before: Spent,
    /// Calls under way, and since when there are any.
    calls: usize,
    since: Option<Instant>,
}

impl Clock {
    /// Times a call.
    pub(super) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        {
            let mut state = self.state();
            state.calls += 1;
            state.since.get_or_insert_with(Instant::now);
        }
        let cpu = ThreadTime::now();
        let result = work();
        let cpu = cpu.elapsed();
        let mut state = self.state();
        state.cpu += cpu;
        state.calls -= 1;
        if state.calls == 0
            && let Some(since) = state.since.take()
        {
            state.wall += since.elapsed();
        }
        result
    }

    /// Bytes that were read for a block.
    pub(super) fn read(&self, bytes: u64) {
        self.state().bytes_read += bytes;
    }

    /// What runs before this one took.
    pub(super) fn add(&self, before: Spent) {
        self.state().before = before;
    }

    /// All of it, between two rounds.
    pub(super) fn spent(&self) -> Spent {
        let state = self.state();
        Spent {
            server_cpu_s: state.before.server_cpu_s + state.cpu.as_secs_f64(),
            server_s: state.before.server_s + state.wall.as_secs_f64(),
            bytes_read: state.before.bytes_read + state.bytes_read,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn overlapping_calls_share_wall_time() {
        let clock = Clock::default();
        let pause = Duration::from_millis(40);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| clock.time(|| thread::sleep(pause)));
            }
        });
        thread::sleep(pause);
        let spent = clock.spent();
        // Four calls one after the other would take 0.16 s; those who sleep use no processor.
        assert!((0.04..0.15).contains(&spent.server_s), "{spent:?}");
        assert!(spent.server_cpu_s < 0.04, "{spent:?}");
    }
}
