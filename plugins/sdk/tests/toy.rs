//! A small backend that sums with the reference interpreter, in variants that each break one promise: the
//! conformance suite accepts the right one and names what is wrong with each other. And the ABI itself,
//! called as C would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "the tables are called as C would")]

use std::ptr;

use hq_plugin_sdk::abi::{Buffer, OK, View};
use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Fault, KeyPair, Measurement, Session};
use hq_plugin_sdk::capabilities::{Capabilities, InputForm, OpKind};
use hq_plugin_sdk::conformance::{Failures, Options, run};
use hq_plugin_sdk::export::{custody_table, evaluator_table};
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Input, Origin, Plan};
use hq_plugin_sdk::verify::verify;

const RIGHT: u8 = 0;
const OFF_BY_ONE: u8 = 1;
const PANICS: u8 = 2;
const TAKES_ANY_KIND: u8 = 3;
const COUNTS_FAILED_BLOCKS: u8 = 4;
const SHARES_SUMS: u8 = 5;
const BLAMES_ITSELF: u8 = 6;
const TAKES_ANY_PLAN: u8 = 7;

struct Toy<const FLAW: u8>;

struct ToySession<const FLAW: u8> {
    plan: Plan,
    sums: Vec<i128>,
}

fn numbers(bytes: &[u8], kind: Kind, any_kind: bool, fault: Fault) -> Result<Vec<i64>, BackendError> {
    let wrong = |reason: String| BackendError::new(fault, reason);
    let (frame, rest) = frame::split(bytes).map_err(|error| wrong(error.to_string()))?;
    let (numbers, odd) = frame.payload.as_chunks::<8>();
    if (frame.kind != kind && !any_kind) || !rest.is_empty() || !odd.is_empty() {
        return Err(wrong("not the frame that was wanted".to_owned()));
    }
    Ok(numbers.iter().map(|number| i64::from_le_bytes(*number)).collect())
}

fn sealed(kind: Kind, values: &[i64]) -> Vec<u8> {
    frame::seal(
        kind,
        KeyId::default(),
        &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

fn key_rows(bytes: &[u8], kind: Kind) -> Result<i64, BackendError> {
    match numbers(bytes, kind, false, Fault::Key)?[..] {
        [rows] if rows > 0 => Ok(rows),
        _ => Err(BackendError::new(Fault::Key, "not a key")),
    }
}

impl<const FLAW: u8> Evaluator for Toy<FLAW> {
    type Session = ToySession<FLAW>;

    fn capabilities() -> Capabilities {
        let ops =
            [OpKind::Input, OpKind::Member, OpKind::Less, OpKind::Equal, OpKind::Linear, OpKind::Mul].into();
        let (name, version) = ("toy".to_owned(), "1".to_owned());
        Capabilities { name, version, inputs: InputForm::Columns, ops, leveled: None, encrypted: false }
    }

    fn resolve(_: &RnsRequest) -> Result<RnsParameters, BackendError> {
        Err(BackendError::new(Fault::Parameters, "none"))
    }

    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<Self::Session, BackendError> {
        let rows = key_rows(evaluation_key, Kind::EvaluationKey)?;
        if FLAW != TAKES_ANY_PLAN {
            verify(plan).map_err(|error| BackendError::new(Fault::Plan, error.to_string()))?;
            if plan.parameters.as_ref().is_none_or(|it| i64::from(it.rows_per_block()) != rows) {
                return Err(BackendError::new(Fault::Key, "other parameters"));
            }
        }
        if plan.nodes().iter().any(|op| !Self::capabilities().ops.contains(&op.kind())) {
            return Err(BackendError::new(Fault::Plan, "operation"));
        }
        Ok(ToySession { plan: plan.clone(), sums: vec![0; plan.sums.len()] })
    }

    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        key_rows(evaluation_key, Kind::EvaluationKey)?;
        Ok(sealed(Kind::Parameter, &[value]))
    }
}

static SHARED: std::sync::Mutex<Vec<i128>> = std::sync::Mutex::new(Vec::new());

impl<const FLAW: u8> Session for ToySession<FLAW> {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        if FLAW == COUNTS_FAILED_BLOCKS {
            self.sums.iter_mut().for_each(|sum| *sum += 1);
        }
        if inputs.len() != self.plan.inputs.len() {
            assert!(FLAW != PANICS, "as a plugin may");
            let fault = if FLAW == BLAMES_ITSELF { Fault::Internal } else { Fault::Input };
            return Err(BackendError::new(fault, "inputs"));
        }
        let mut columns: Vec<Vec<i64>> = inputs
            .iter()
            .zip(&self.plan.inputs)
            .map(|(bytes, input)| {
                let kind = match input.origin {
                    Origin::Table => Kind::Ciphertext,
                    Origin::Parameter => Kind::Parameter,
                };
                numbers(bytes, kind, FLAW == TAKES_ANY_KIND, Fault::Input)
            })
            .collect::<Result<_, _>>()?;
        let is_parameter = |input: &Input| input.origin == Origin::Parameter;
        let of_table = columns.iter().zip(&self.plan.inputs).find(|(_, input)| !is_parameter(input));
        let rows = of_table.map_or(0, |(column, _)| column.len());
        for (column, _) in columns.iter_mut().zip(&self.plan.inputs).filter(|(_, input)| is_parameter(input))
        {
            *column = vec![column[0]; rows];
        }
        let added = interpret(&self.plan, &columns);
        if FLAW == COUNTS_FAILED_BLOCKS {
            self.sums.iter_mut().for_each(|sum| *sum -= 1);
        }
        self.sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        if FLAW == SHARES_SUMS {
            let mut shared = SHARED.lock().unwrap();
            shared.resize(self.sums.len(), 0);
            shared.iter_mut().zip(&self.sums).for_each(|(shared, sum)| *shared += sum);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        if FLAW == SHARES_SUMS {
            self.sums = std::mem::take(&mut *SHARED.lock().unwrap());
        }
        let sums = self.sums.iter().map(|sum| i64::try_from(*sum));
        let mut sums =
            sums.collect::<Result<Vec<_>, _>>().map_err(|_| BackendError::new(Fault::Plan, "too large"))?;
        if let (OFF_BY_ONE, Some(sum)) = (FLAW, sums.last_mut()) {
            *sum += 1;
        }
        Ok(sealed(Kind::Sums, &sums))
    }
}

impl<const FLAW: u8> Custody for Toy<FLAW> {
    type Key = i64;

    fn keygen(parameters: &Parameters, _: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let rows = [i64::from(parameters.rows_per_block())];
        Ok(KeyPair {
            secret: sealed(Kind::SecretKey, &rows).into(),
            evaluation: sealed(Kind::EvaluationKey, &rows),
        })
    }

    fn load(secret: &[u8]) -> Result<i64, BackendError> {
        key_rows(secret, Kind::SecretKey)
    }

    fn encrypt(rows: &i64, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        if i64::try_from(values.len()).unwrap() > *rows {
            return Err(BackendError::new(Fault::Input, "too many rows"));
        }
        Ok(sealed(Kind::Ciphertext, values))
    }

    fn decrypt(_: &i64, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        numbers(result, Kind::Sums, false, Fault::Input)
    }

    fn measure(_: &i64, _: &[u8], _: &Plan, _: &[Vec<&[u8]>]) -> Result<Measurement, BackendError> {
        Ok(Measurement::default())
    }
}

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
