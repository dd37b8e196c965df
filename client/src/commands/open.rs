//! `hq open`: plans the programs of a result again, decrypts the sums, and shows what the rules allow.

use crate::backend::Backend;
use crate::cli::{OpenArgs, Release};
use crate::error::Result;
use crate::keys::{KeyFolder, read_bounded};
use crate::output;
use crate::plot;
use crate::received::Received;
use crate::report::{self, Run};

/// Largest result that is read, in bytes.
pub(super) const MAX_RESULT_BYTES: u64 = 1 << 30;

/// Opens a result.
pub(crate) fn open(args: &OpenArgs) -> Result<()> {
    if args.release == Release::Off {
        output::warn("release rules are OFF: what is shown may identify persons");
    }
    let bytes = read_bounded(&args.result, MAX_RESULT_BYTES)?;
    let keys = KeyFolder::open(&args.keys)?;
    let received = Received::read(&bytes, &args.result, &keys)?;
    let joint = received.joint()?;
    plot::check(&joint.queries(), args.plot.as_deref())?;
    let backend = Backend::load_for(&keys.description.backend, [&keys.dataset])?;
    let compiled = received.plan(&backend)?;
    received.tell_backend(&backend);

    let key = keys.unlock(&backend, &args.passphrase)?;
    let run = Run {
        backend: &backend.name,
        encrypted: backend.is_encrypted(),
        planned: &compiled.planned,
        execution: received.open(&compiled, &backend, (&key, &keys))?,
        verified: false,
    };
    let reports = report::in_order(report::of(&joint, &run, args.release));
    plot::write(&reports, args.plot.as_deref())?;
    report::print(&reports, args.format)
}
