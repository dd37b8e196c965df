//! Any plan on the compiled backend: it is refused, or gives what the reference interpreter gives.
#![no_main]

use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::{Custody as _, Session as _};
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::verify::verify;
use libfuzzer_sys::fuzz_target;

const ROWS: u32 = 40;

fuzz_target!(|text: &str| {
    let Ok(mut plan) = Plan::parse(text) else { return };
    plan.parameters = Some(Parameters::Clear { rows_per_block: ROWS });
    plan.release = None;
    if verify(&plan).is_err() || plan.inputs.len() > 40 || plan.nodes().len() > 400 {
        return;
    }
    // The ends of each range, and values between, in an order that differs from input to input.
    let mut state = 1_u64;
    let columns: Vec<Vec<i64>> = plan
        .inputs
        .iter()
        .map(|input| {
            (0..ROWS)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let (lo, hi) = (i128::from(input.range.lo()), i128::from(input.range.hi()));
                    let value = match state >> 61 {
                        0 | 1 => lo,
                        2 | 3 => hi,
                        _ => lo + i128::from(state >> 3) % (hi - lo + 1),
                    };
                    i64::try_from(value).expect("it lies in the range")
                })
                .collect()
        })
        .collect();
    let pair = Clear::keygen(&Parameters::Clear { rows_per_block: ROWS }, None).expect("no key is needed");
    let key = Clear::load(&pair.secret).expect("a fresh key");
    let backend = EvaluatorPlugin::linked::<Clear>().expect("it describes itself");
    let Ok(mut session) = backend.open(&plan, &pair.evaluation) else { return };
    let frames: Vec<Vec<u8>> =
        columns.iter().map(|column| Clear::encrypt(&key, column).expect("they fit")).collect();
    // A block may break what the plan claims of its values; the session then goes on without it.
    let inputs: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let taken = session.block(&inputs).is_ok();
    let Ok(sums) = session.finish() else { return };
    let sums = Clear::decrypt(&key, &sums).expect("its own result");
    let wanted = if taken { interpret(&plan, &columns) } else { vec![0; plan.sums.len()] };
    if !plan.inputs.is_empty() {
        assert_eq!(sums.into_iter().map(i128::from).collect::<Vec<_>>(), wanted, "{plan}");
    }
});
