//! Any sequence of calls across the ABI of the bgv backend. A refused call leaves its session as it was, so
//! the sums of the blocks that were accepted come out right in the end.
//!
//! Input: commands, each a byte, a length of two bytes and as many bytes of content.
#![no_main]

use std::sync::OnceLock;

use hq_fuzz::{Files, centred, expected, parameters, refused};
use hq_plugin_sdk::backend::Session as _;
use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::Plan;
use libfuzzer_sys::fuzz_target;

/// Blocks that the sums surely hold.
const MAX_BLOCKS: i64 = 40;
/// Larger rings are refused or slow, and no different.
const MAX_DEGREE: u32 = 256;

fn files() -> &'static (RnsParameters, Files) {
    static FILES: OnceLock<(RnsParameters, Files)> = OnceLock::new();
    FILES.get_or_init(|| {
        let [parameters, _] = parameters();
        let files = Files::new(&parameters);
        (parameters, files)
    })
}

fn command(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([tag, low, high], rest) = data.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (content, rest) = rest.split_at(length);
    Some((*tag, content, rest))
}

fuzz_target!(|data: &[u8]| {
    let (parameters, files) = files();
    let id = frame::split(&files.evaluation).expect("a fresh key").0.key;
    let mut session = files.evaluator.open(&files.plan, &files.evaluation).expect("a fresh key");
    let mut blocks = 0;
    let mut rest = data;
    while let Some((tag, content, after)) = command(rest) {
        rest = after;
        let text = String::from_utf8_lossy(content);
        match tag % 11 {
            0 if blocks < MAX_BLOCKS => {
                session.block(&files.inputs()).expect("a fresh block");
                blocks += 1;
            }
            1 => {
                let sealed = frame::seal(Kind::Ciphertext, id, content);
                let frame = sealed.as_slice();
                for wrong in [&[][..], &[frame], &[content, content], &[frame, frame, frame]] {
                    assert!(refused(session.block(wrong)).is_none());
                }
            }
            2 => {
                if let Ok(plan) = Plan::parse(&text)
                    && let Some(mut other) = refused(files.evaluator.open(&plan, &files.evaluation))
                {
                    let input = &files.block[0];
                    let inputs = vec![input.as_slice(); plan.inputs.len()];
                    let _ = refused(other.block(&inputs));
                    if let Some(sums) = refused(other.finish()) {
                        let opened = files.key.decrypt(&sums).expect("its own result");
                        assert_eq!(opened.len(), plan.sums.len());
                    }
                }
            }
            3 => {
                if let Ok(request) = serde_json::from_slice(content)
                    && let Some(found) = refused(files.evaluator.resolve(&request))
                {
                    keygen(files, found);
                }
            }
            4 => {
                if let Ok(found) = serde_json::from_slice(content) {
                    keygen(files, found);
                }
            }
            5 => {
                let sums = session.finish().expect("a few sums");
                check(parameters, files, blocks, &sums);
            }
            6 => {
                let _ = refused(files.key.decrypt(&frame::seal(Kind::Sums, id, content)));
            }
            7 => {
                let values: Vec<i64> =
                    content.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
                let _ = refused(files.key.encrypt(&values));
            }
            8 if blocks < MAX_BLOCKS => {
                let mut fork = session.fork().expect("a fork");
                fork.block(&files.inputs()).expect("a fresh block");
                session.absorb(fork).expect("its own fork");
                blocks += 1;
            }
            9 => {
                let state = session.save().expect("a state");
                session = files.evaluator.open(&files.plan, &files.evaluation).expect("a fresh key");
                session.restore(&state).expect("its own state");
            }
            10 => {
                let mut other = files.evaluator.open(&files.plan, &files.evaluation).expect("a fresh key");
                if refused(other.restore(&frame::seal(Kind::State, id, content))).is_some() {
                    let _ = refused(other.block(&files.inputs()));
                    let _ = refused(other.finish());
                }
                let _ = refused(other.restore(content));
            }
            _ => {}
        }
    }
    let sums = session.finish().expect("a few sums");
    check(parameters, files, blocks, &sums);
});

fn check(parameters: &RnsParameters, files: &Files, blocks: i64, sums: &[u8]) {
    let opened = files.key.decrypt(sums).expect("its own result");
    let wanted: Vec<i64> = expected(parameters).iter().map(|sum| sum * blocks).collect();
    assert_eq!(centred(parameters, &opened), wanted, "{blocks} blocks");
}

fn keygen(files: &Files, parameters: RnsParameters) {
    if parameters.ring_degree > MAX_DEGREE {
        return;
    }
    if let Some(pair) = refused(files.custody.keygen(&Parameters::Rns(parameters), Some([3; 32]))) {
        let key = files.custody.load_key(&pair.secret).expect("a fresh key");
        let _ = refused(key.encrypt(&[1, 0, 1]));
    }
}
