//! A trial run of a plan: synthetic rows, keys that are thrown away, and the noise of every value.

use std::num::NonZero;
use std::path::Path;

use hq_engine::computation::rows_per_block;
use hq_engine::run::BlockSource as _;
use hq_plugin_sdk::backend::Measurement;
use hq_plugin_sdk::plan::Origin;

use crate::backend::Backend;
use crate::blocks::{Encoder, Encryption, columns_of};
use crate::commands::synthetic;
use crate::error::{Result, mismatch, refused};
use crate::planned::PlannedJoint;
use crate::table::Table;

/// The seed of the rows: noise depends on them hardly at all.
const SEED: u64 = 1;

/// Runs a plan on one block of synthetic rows and measures. Secret parameters need values.
pub(crate) fn measure(
    PlannedJoint { joint, forms, compiled }: &PlannedJoint<'_>,
    backend: &Backend,
) -> Result<Measurement> {
    let plan = &compiled.planned.plan;
    let Some(parameters) = &plan.parameters else {
        return Err(mismatch(joint.file(), "the plan has no parameters"));
    };
    let keys = backend.custody.keygen(parameters, None).map_err(refused("key generation"))?;
    let key = backend.custody.load_key(&keys.secret).map_err(refused("the secret key"))?;
    let rows = joint.dataset().rows.min(rows_per_block(plan).into());
    let text = synthetic(joint.dataset(), rows, SEED)?;
    let columns = columns_of(plan.table_inputs());
    let table = Table::of_text(Path::new("synthetic rows"), text.into_bytes(), joint.dataset(), &columns)?;
    let capabilities = backend.evaluator.capabilities();
    let encoder = Encoder::new(plan.table_inputs(), capabilities, &table, &forms.encodings())?;
    let mut block = Vec::new();
    Encryption::new(&key, &table, encoder, rows_per_block(plan), NonZero::<usize>::MIN)?
        .block(0, &mut block)?;
    let sealed = joint.seal(&backend.evaluator, &keys.evaluation)?;
    let mut table_frames = block.iter();
    let frames: Vec<&[u8]> = plan
        .inputs
        .iter()
        .filter_map(|input| match input.origin {
            Origin::Table => table_frames.next(),
            Origin::Parameter => sealed.get(&input.name),
        })
        .map(Vec::as_slice)
        .collect();
    key.measure(&keys.evaluation, plan, &[frames]).map_err(refused("the trial run"))
}
