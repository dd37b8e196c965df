//! A small backend that sums with the reference interpreter, in variants that each break one promise: the
//! conformance suite accepts the right one and names what is wrong with each other. And the ABI itself,
//! called as C would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "the tables are called as C would")]

mod backend;

use std::ptr;

use hq_plugin_sdk::abi::{Buffer, OK, View};
use hq_plugin_sdk::backend::{Custody, Fault, GateKeys, Gated, Session};
use hq_plugin_sdk::conformance::{Failures, Options, run};
use hq_plugin_sdk::export::{custody_table, evaluator_table};
use hq_plugin_sdk::frame::{KeyId, Kind};
use hq_plugin_sdk::host::{CustodyPlugin, EvaluatorPlugin};
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;

use backend::*;

#[test]
fn the_right_one_conforms() {
    assert_eq!(run::<Toy<RIGHT>>(&Options::default()), Ok(()));
}

/// The suite fails, and says so of a check whose name holds `check`.
fn caught(outcome: Result<(), Failures>, check: &str) {
    let Failures(failures) = outcome.unwrap_err();
    assert!(failures.iter().any(|failure| failure.check.contains(check)), "{failures:#?}");
}

#[test]
fn every_flaw_is_caught() {
    let options = Options::default();
    caught(run::<Toy<OFF_BY_ONE>>(&options), "result of");
    caught(run::<Toy<PANICS>>(&options), "block with no inputs");
    caught(run::<Toy<TAKES_ANY_KIND>>(&options), "block with an evaluation key for an input");
    caught(run::<Toy<COUNTS_FAILED_BLOCKS>>(&options), "session between bad blocks");
    caught(run::<Toy<SHARES_SUMS>>(&options), "two sessions interleaved");
    caught(run::<Toy<BLAMES_ITSELF>>(&options), "block with no inputs");
    caught(run::<Toy<TAKES_ANY_PLAN>>(&options), "plan with other parameters than the key");
    caught(run::<Toy<FORKS_WITH_SUMS>>(&options), "blocks shared out");
    caught(run::<Toy<FORGETS_FORKS>>(&options), "blocks on three threads");
    caught(run::<Toy<TAKES_ANY_STATE>>(&options), "a state of another plan");
    caught(run::<Toy<RESTORES_TWICE>>(&options), "a state after a block");
}

fn plan() -> Plan {
    let text = "hq-plan 1\nrows 9\nparameters {\"scheme\":\"clear\",\"rows_per_block\":4}\ninput a 0..9\n\
                %0 = input a\nsum %0 0..9\n";
    Plan::parse(text).unwrap()
}

#[test]
fn a_panic_becomes_an_error_and_ends_the_session() {
    let key = Toy::<PANICS>::keygen(&Parameters::Clear { rows_per_block: 4 }, None).unwrap();
    let plugin = EvaluatorPlugin::linked::<Toy<PANICS>>().unwrap();
    let mut session = plugin.open(&plan(), &key.evaluation).unwrap();
    let first = session.block(&[]).unwrap_err();
    assert_eq!(
        (first.fault, first.message.as_str()),
        (Fault::Internal, "plugin `toy`: it panicked: as a plugin may")
    );
    assert!(session.finish().unwrap_err().message.contains("panicked before"));
    let input = sealed(Kind::Ciphertext, &[1]);
    assert!(session.block(&[&input]).unwrap_err().message.contains("panicked before"));
}

#[test]
fn only_forks_of_one_session_are_absorbed() {
    let key = Toy::<RIGHT>::keygen(&Parameters::Clear { rows_per_block: 4 }, None).unwrap();
    let plugin = EvaluatorPlugin::linked::<Toy<RIGHT>>().unwrap();
    let mut session = plugin.open(&plan(), &key.evaluation).unwrap();
    let stranger = plugin.open(&plan(), &key.evaluation).unwrap();
    assert_eq!(session.absorb(stranger).unwrap_err().fault, Fault::Plan);
    let fork = session.fork().and_then(|fork| fork.fork()).unwrap();
    session.absorb(fork).unwrap();

    let panicking = EvaluatorPlugin::linked::<Toy<PANICS>>().unwrap();
    let mut session = panicking.open(&plan(), &key.evaluation).unwrap();
    let mut fork = session.fork().unwrap();
    fork.block(&[]).unwrap_err();
    assert!(fork.fork().unwrap_err().message.contains("panicked before"));
    assert!(session.absorb(fork).unwrap_err().message.contains("panicked before"));
    session.finish().unwrap();
}

/// The status and message of a call.
fn call(function: impl FnOnce(*mut Buffer) -> i32) -> (i32, String) {
    let free = evaluator_table::<Toy<RIGHT>>().free_buffer;
    let mut error = Buffer::EMPTY;
    let status = function(&raw mut error);
    if error.ptr.is_null() {
        return (status, String::new());
    }
    // SAFETY: a buffer that is not null holds `len` bytes; it is given back once.
    let bytes = unsafe { std::slice::from_raw_parts(error.ptr, error.len) }.to_vec();
    // SAFETY: as above.
    unsafe { free(error) };
    (status, String::from_utf8(bytes).unwrap())
}

#[test]
fn a_backend_without_gates_says_so() {
    let plugin = EvaluatorPlugin::linked::<Toy<RIGHT>>().unwrap();
    let custody = CustodyPlugin::linked::<Toy<RIGHT>>("toy");
    let pair = custody.keygen(&Parameters::Clear { rows_per_block: 4 }, None).unwrap();
    let key = custody.load_key(&pair.secret).unwrap();
    let mut session = plugin.open(&plan(), &pair.evaluation).unwrap();
    let gated = Gated { samples: Vec::new(), sums: Vec::new() };
    let keys = GateKeys { evaluation: &pair.evaluation, bridge: &[] };
    for refused in [
        session.gated(&[1]).map(|_| ()).unwrap_err(),
        plugin.pass(&plan(), keys, &gated, &[1]).map(|_| ()).unwrap_err(),
        key.ternary().map(|_| ()).unwrap_err(),
        key.bridge(KeyId([1; 16]), &[0]).map(|_| ()).unwrap_err(),
        key.open_gates(&plan(), &[], &[]).map(|_| ()).unwrap_err(),
    ] {
        assert!(refused.fault == Fault::Plan && refused.message.contains("no gates"), "{refused}");
    }
    // It is at work as before.
    assert!(session.finish().is_ok());
    let with = plugin.with_gates(plugin.clone());
    assert!(plugin.gates().is_none() && with.gates().is_some() && with.capabilities().gates.is_none());
}

#[test]
fn null_pointers_and_invalid_text_are_errors() {
    let (evaluator, custody) = (evaluator_table::<Toy<RIGHT>>(), custody_table::<Toy<RIGHT>>());
    let internal = Fault::Internal.status();
    let nothing = View { ptr: ptr::null(), len: 0 };
    let dangling = View { ptr: ptr::null(), len: 7 };
    let (mut out, mut handle) = (Buffer::EMPTY, ptr::null_mut());
    // SAFETY: every pointer below is null, or of this frame.
    unsafe {
        assert_eq!(call(|error| (evaluator.capabilities)(ptr::null_mut(), error)).0, internal);
        assert_eq!((evaluator.capabilities)(ptr::null_mut(), ptr::null_mut()), internal);
        let (status, message) = call(|error| (evaluator.resolve)(dangling, &raw mut out, error));
        assert_eq!((status, message.as_str()), (internal, "the host passed no valid parameter request"));
        let (status, _) = call(|error| (evaluator.resolve)(View::of(b"{"), &raw mut out, error));
        assert_eq!(status, Fault::Parameters.status());
        for text in [&b"hq-plan 1\n\xFF"[..], b"", b"hq-plan 2\n"] {
            let (status, message) =
                call(|error| (evaluator.open)(View::of(text), nothing, &raw mut handle, error));
            assert_eq!(status, Fault::Plan.status());
            assert!(!message.is_empty() && handle.is_null());
        }
        let text = plan().to_string();
        let (status, _) =
            call(|error| (evaluator.open)(View::of(text.as_bytes()), nothing, &raw mut handle, error));
        assert_eq!(status, Fault::Key.status());
        let no_inputs = View { ptr: ptr::null(), len: 0 };
        assert_eq!(call(|error| (evaluator.block)(ptr::null_mut(), no_inputs, error)).0, internal);
        assert_eq!(call(|error| (evaluator.finish)(ptr::null_mut(), &raw mut out, error)).0, internal);
        assert_eq!(call(|error| (evaluator.fork)(ptr::null_mut(), &raw mut handle, error)).0, internal);
        assert_eq!(call(|error| (evaluator.absorb)(ptr::null_mut(), ptr::null_mut(), error)).0, internal);
        assert_eq!(call(|error| (evaluator.save)(ptr::null_mut(), &raw mut out, error)).0, internal);
        assert_eq!(call(|error| (evaluator.restore)(ptr::null_mut(), nothing, error)).0, internal);
        let (mut sums, no_pads) = (Buffer::EMPTY, View { ptr: ptr::null(), len: 0 });
        let gated = |samples: *mut Buffer, sums: *mut Buffer| {
            call(|error| (evaluator.gated)(ptr::null_mut(), no_pads, samples, sums, error)).0
        };
        assert_eq!(gated(&raw mut out, &raw mut sums), internal);
        assert_eq!(gated(ptr::null_mut(), &raw mut sums), internal);
        let key = Toy::<RIGHT>::keygen(&Parameters::Clear { rows_per_block: 4 }, None).unwrap();
        let (text, key) = (View::of(text.as_bytes()), View::of(&key.evaluation));
        assert_eq!(call(|error| (evaluator.open)(text, key, &raw mut handle, error)).0, OK);
        let (status, message) = call(|error| (evaluator.absorb)(handle, handle, error));
        assert_eq!((status, message.as_str()), (internal, "the host asked a session to absorb itself"));
        // Given back, although there is nothing to absorb it.
        let mut fork = ptr::null_mut();
        assert_eq!(call(|error| (evaluator.fork)(handle, &raw mut fork, error)).0, OK);
        assert_eq!(call(|error| (evaluator.absorb)(ptr::null_mut(), fork, error)).0, internal);
        (evaluator.free_session)(handle);
        (evaluator.free_session)(ptr::null_mut());
        (evaluator.free_buffer)(Buffer::EMPTY);

        let parameters = br#"{"scheme":"clear","rows_per_block":4}"#;
        let (mut secret, mut evaluation) = (Buffer::EMPTY, Buffer::EMPTY);
        let mut keygen = |seed: &[u8]| {
            call(|error| {
                let (parameters, seed) = (View::of(parameters), View::of(seed));
                (custody.keygen)(parameters, seed, &raw mut secret, &raw mut evaluation, error)
            })
        };
        assert_eq!(keygen(&[0; 31]), (Fault::Parameters.status(), "a seed has 32 bytes, not 31".to_owned()));
        assert_eq!(keygen(&[]).0, OK);
        let view = View { ptr: secret.ptr.cast_const(), len: secret.len };
        assert_eq!(call(|error| (custody.load)(view, &raw mut handle, error)).0, OK);
        (custody.free_secret)(secret);
        (custody.free_buffer)(evaluation);
        let misaligned = View { ptr: ptr::without_provenance::<i64>(12), len: 1 };
        let (status, message) = call(|error| (custody.encrypt)(handle, misaligned, &raw mut out, error));
        assert_eq!((status, message.as_str()), (internal, "the host passed no valid values"));
        let huge = View { ptr: ptr::without_provenance::<i64>(16), len: usize::MAX / 8 };
        assert_eq!(call(|error| (custody.encrypt)(handle, huge, &raw mut out, error)).0, internal);
        (custody.free_key)(handle);
        (custody.free_key)(ptr::null_mut());
    }
    assert!(out.ptr.is_null());
}
