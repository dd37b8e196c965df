//! Modules that are sound, and modules that break one promise each: none harms the interpreter, and each is named with what it did.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hq_dsl::{Domain, ExternFunction, FunctionFault};
use hq_engine::apart::Apart;
use hq_engine::functions::tabulate;
use hq_plugin_sdk::abi::Scalar;
use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::host::{Callable, Image, LoadError};
use hq_wasm::Module;

const LIMIT: Duration = Duration::from_secs(10);

/// What `double` says of itself.
const DESCRIPTION: &str = r#"[{"name":"double","about":"Twice a number","parameters":[["x",{"number":{"lo":0,"hi":9}}]],"gives":{"number":{"lo":0,"hi":18}}}]"#;

/// Its body: the argument stands at 64, the answer belongs at 80.
const DOUBLE: &str = "(i64.store (i32.const 80) (i64.mul (i64.load (i32.const 64)) (i64.const 2)))
    (i64.store (i32.const 88) (i64.load (i32.const 72)))
    (i32.const 0)";

/// Parts of a module's text, each of which a test may exchange.
#[derive(Clone)]
struct Text {
    imports: String,
    memory: String,
    room: String,
    described: String,
    call: String,
    reason: String,
    more: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            imports: String::new(),
            memory: "(memory (export \"memory\") 1)".to_owned(),
            room: "(i32.const 64)".to_owned(),
            described: place(1024, DESCRIPTION.len()),
            call: DOUBLE.to_owned(),
            reason: place(16, 6),
            more: String::new(),
        }
    }
}

/// `at << 32 | length`.
fn place(at: u64, length: usize) -> String {
    format!("(i64.const {})", at << 32 | length as u64)
}

impl Text {
    fn wat(&self) -> String {
        let Self { imports, memory, room, described, call, reason, more } = self;
        let data = DESCRIPTION.replace('"', "\\22");
        format!(
            "(module {imports} {memory}
               (data (i32.const 16) \"so not\")
               (data (i32.const 1024) \"{data}\")
               (global $count (mut i64) (i64.const 0))
               (func (export \"hq_room_v2\") (param i32) (result i32) {room})
               (func (export \"hq_describe_v2\") (result i64) {described})
               (func (export \"hq_call_v2\") (param i32 i32) (result i32) {call})
               (func (export \"hq_reason_v2\") (result i64) {reason})
               {more})"
        )
    }

    fn load(&self) -> Result<Module, LoadError> {
        let folder = tempfile::tempdir().unwrap();
        Module::load(&Image::read(&written(folder.path(), &self.wat())).unwrap())
    }

    fn call(&self, x: i64) -> Result<Scalar, BackendError> {
        self.load().unwrap().call(0, &[number(x)])
    }
}

fn written(folder: &Path, wat: &str) -> PathBuf {
    let path = folder.join("hq_plugin_toy.wasm");
    fs::write(&path, wat::parse_str(wat).unwrap()).unwrap();
    path
}

fn number(value: i64) -> Scalar {
    Scalar { value, decimals: 0, kind: Scalar::NUMBER }
}

fn double() -> ExternFunction {
    let digits = |hi| Domain::Int { lo: 0, hi, step: 1 };
    ExternFunction {
        name: "double".to_owned(),
        plugin: "toy".to_owned(),
        parameters: vec![("x".to_owned(), digits(9))],
        result: digits(18),
    }
}

#[test]
fn a_sound_module_is_called() {
    let module = Text::default().load().unwrap();
    assert_eq!(module.functions().first().map(|function| function.name.as_str()), Some("double"));
    let values = tabulate(module, &double(), LIMIT).unwrap();
    assert_eq!(*values, *(0..10).map(|x| 2 * x).collect::<Vec<i64>>());
}

#[test]
fn what_is_no_module_of_functions_is_refused_by_name() {
    let text = Text::default();
    let other = |change: fn(&mut Text)| {
        let mut text = text.clone();
        change(&mut text);
        text.load().unwrap_err().to_string()
    };
    let cases: [(String, &str); 12] = [
        (
            other(|it| it.imports = "(import \"env\" \"now\" (func (result i64)))".to_owned()),
            "it imports `now` of `env`, and a module is given nothing",
        ),
        (
            other(|it| it.imports = "(import \"wasi_snapshot_preview1\" \"fd_write\" (func))".to_owned()),
            "it imports `fd_write`",
        ),
        (other(|it| it.memory = "(memory 1)".to_owned()), "it exports no `memory`"),
        (other(|it| it.memory = "(memory (export \"memory\") 2000)".to_owned()), "memory"),
        (other(|it| it.described = place(65_530, 100)), "a text that is not in its memory"),
        (other(|it| it.described = place(0, 5 << 20)), "a text of 5242880 bytes, more than 4194304"),
        (other(|it| it.described = place(1024, 20)), "its answer: EOF"),
        (other(|it| it.described = place(16, 6)), "its answer"),
        (other(|it| it.described = "unreachable".to_owned()), "it stopped: wasm `unreachable`"),
        (other(|it| it.described = "(loop $l (br $l)) (i64.const 0)".to_owned()), "it was not done after"),
        (
            other(|it| it.more = "(func $s (loop $l (br $l))) (start $s)".to_owned()),
            "it was not done after 268435456 steps",
        ),
        (
            other(|it| it.more = "(func $s unreachable) (start $s)".to_owned()),
            "it stopped: wasm `unreachable`",
        ),
    ];
    for (said, wanted) in cases {
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(
            said.contains("hq_plugin_toy.wasm") && said.ends_with("This is a fault of the plugin"),
            "{said}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hq_plugin_toy.wasm");
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\x05", b"\x7fELF"] {
        fs::write(&path, bytes).unwrap();
        let said = Module::load(&Image::read(&path).unwrap()).unwrap_err().to_string();
        assert!(said.contains("is no module with functions"), "{said}");
    }
    let wrong_type = text.wat().replace("(param i32 i32) (result i32)", "(param i32) (result i32)");
    let said = Module::load(&Image::read(&written(folder.path(), &wrong_type)).unwrap()).unwrap_err();
    assert!(said.to_string().contains("it exports no `hq_call_v2` of the right form"), "{said}");
}

#[test]
fn a_module_that_breaks_a_promise_when_it_is_called_is_to_blame() {
    let text = Text::default();
    let called = |call: &str| Text { call: call.to_owned(), ..text.clone() }.call(3).unwrap_err();
    for (call, wanted) in [
        ("unreachable", "it stopped: wasm `unreachable`"),
        ("(loop $l (br $l)) (i32.const 0)", "it was not done after 16777216 steps"),
        ("(i32.load (i32.const 65536))", "it stopped: out of bounds memory access"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "it stopped: integer divide by zero"),
        ("(call 2 (i32.const 0) (i32.const 0))", "it stopped: call stack exhausted"),
        ("(i32.const 0)", "it gives Scalar { value: -1"),
        (
            "(i64.store (i32.const 80) (i64.const 1)) (i64.store (i32.const 88) (i64.const 0x100000000)) (i32.const 0)",
            "it gives Scalar { value: 1, decimals: 0, kind: 1 }",
        ),
        ("(i32.const 77)", "unknown status 77: so not"),
    ] {
        let error = called(call);
        assert_eq!(error.fault, Fault::Internal, "{call}");
        assert!(
            error.message.starts_with("plugin `toy`: ") && error.message.contains(wanted),
            "{call}: {error}"
        );
    }
    let refused = called("(i32.const 2)");
    assert_eq!((refused.fault, refused.message.as_str()), (Fault::Input, "plugin `toy`: so not"));
    // Reasons and room that lie outside.
    for (text, wanted) in [
        (
            Text { call: "(i32.const 2)".to_owned(), reason: place(65_534, 9), ..text.clone() },
            "not in its memory",
        ),
        (
            Text { call: "(i32.const 2)".to_owned(), reason: place(0, 65_537), ..text.clone() },
            "a text of 65537 bytes",
        ),
        (
            Text { call: "(i32.const 2)".to_owned(), reason: place(0, 0), ..text.clone() },
            "it gives no reason",
        ),
        (
            Text { room: "(i32.const 65510)".to_owned(), ..text.clone() },
            "its room for arguments is not in its memory",
        ),
        (
            Text { room: "(i32.const -1)".to_owned(), ..text.clone() },
            "its room for arguments is not in its memory",
        ),
    ] {
        let error = text.call(3).unwrap_err();
        assert!(error.message.contains(wanted), "{wanted}: {error}");
    }
}

#[test]
fn memory_is_bounded_and_what_does_not_fit_is_not_given() {
    // As much as it gets; how many pages that were stands in the answer.
    let hog = "(local $pages i64)
      (loop $more
        (local.set $pages (i64.add (local.get $pages) (i64.const 1)))
        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (i64.store (i32.const 80) (local.get $pages)) (i64.store (i32.const 88) (i64.const 0)) (i32.const 0)";
    let value = Text { call: hog.to_owned(), ..Text::default() }.call(3).unwrap();
    assert_eq!(value, number(1024), "64 MiB are 1024 pages, of which it began with one");
}

#[test]
fn a_module_that_remembers_is_found_out() {
    let counts = "(global.set $count (i64.add (global.get $count) (i64.const 1)))
      (i64.store (i32.const 80) (global.get $count)) (i64.store (i32.const 88) (i64.const 0)) (i32.const 0)";
    let module = Text { call: counts.to_owned(), ..Text::default() }.load().unwrap();
    assert!(matches!(tabulate(module, &double(), LIMIT), Err(FunctionFault::Differs { .. })));
}

/// As `hq` does it: in a process apart, with the argument of the call that failed.
#[test]
fn a_process_apart_gives_values_and_names_arguments() {
    let folder = tempfile::tempdir().unwrap();
    // Whoever starts it looks for it beside itself.
    let apart = Apart::by(Path::new(env!("CARGO_BIN_EXE_hq-wasm")).with_file_name("hq"));
    let values = |text: &Text| -> Result<Arc<[i64]>, FunctionFault> {
        let path = written(folder.path(), &text.wat());
        let digest = Image::read(&path).unwrap().digest().to_owned();
        apart.values(&path, &digest, &double(), LIMIT)
    };
    let text = Text::default();
    assert_eq!(*values(&text).unwrap(), *(0..10).map(|x| 2 * x).collect::<Vec<i64>>());
    let path = written(folder.path(), &text.wat());
    let provides = apart.inspect(&path, &path).unwrap();
    assert!(provides.module && provides.functions == ["double"] && provides.backend.is_none());
    // It traps at 7, and hangs at 4.
    let at = |x: u32, then: &str| {
        let call = format!("(if (i64.eq (i64.load (i32.const 64)) (i64.const {x})) (then {then})) {DOUBLE}");
        Text { call, ..Text::default() }
    };
    let begun = Instant::now();
    for (x, then, words) in
        [(7, "unreachable", "it stopped"), (4, "(loop $l (br $l))", "it was not done after")]
    {
        match values(&at(x, then)) {
            Err(FunctionFault::Failed { at, reason }) => {
                assert!(at == [i64::from(x)] && reason.contains(words), "{at:?} {reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(begun.elapsed() < LIMIT);
    // A file that is another by now is not called.
    let other = apart.values(&path, &"0".repeat(64), &double(), LIMIT);
    assert!(
        matches!(&other, Err(FunctionFault::Unusable(reason)) if reason.contains("was exchanged")),
        "{other:?}"
    );
}
