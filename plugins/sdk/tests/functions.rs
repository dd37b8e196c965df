//! A library of functions in which each but the first breaks one promise: the host names the flaw, and none of them
//! harms it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and one function does it on purpose"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use hq_plugin_sdk::abi::Scalar;
use hq_plugin_sdk::backend::Fault;
use hq_plugin_sdk::conformance::{Failure, Failures, run_functions};
use hq_plugin_sdk::function::{Answer, Arguments, Decimal, Function, Kind, Library, Parameter, Refusal};
use hq_plugin_sdk::host::{FunctionPlugin, TabulationError, tabulate};

const DIGIT: &[Parameter] = &[Parameter { name: "x", takes: Kind::Number { lo: 0, hi: 9 } }];
const THREE: &[Parameter] = &[
    Parameter { name: "x", takes: Kind::Number { lo: 0, hi: 9 } },
    Parameter { name: "flag", takes: Kind::Flag },
    Parameter { name: "word", takes: Kind::Levels(&["a", "b", "c"]) },
];
const NUMBER: Kind = Kind::Number { lo: 0, hi: 99 };

static CALLS: AtomicI64 = AtomicI64::new(0);

const fn function(
    name: &'static str,
    parameters: &'static [Parameter],
    compute: fn(&Arguments<'_>) -> Result<Answer, Refusal>,
) -> Function {
    Function { name, about: "", parameters, gives: NUMBER, compute }
}

struct Toy;

impl Library for Toy {
    const FUNCTIONS: &'static [Function] = &[
        function("sound", THREE, |arguments| {
            let places = match arguments.level("word")? {
                "a" => 0,
                "b" => 1,
                _ => 2,
            };
            let (Decimal { value: x, decimals }, flag) = (arguments.decimal("x")?, arguments.flag("flag")?);
            if decimals > 0 {
                return Err("x is a whole number".into());
            }
            Ok(Answer::whole(10 * x + 3 * i64::from(flag) + places))
        }),
        function("refuses", DIGIT, |arguments| {
            let x = arguments.number("x")?;
            if x > 0.35 { Err("x is too large".into()) } else { Answer::rounded(x, 1) }
        }),
        function("panics", DIGIT, |_| panic!("as a plugin may")),
        function("counts", DIGIT, |_| Ok(Answer::whole(CALLS.fetch_add(1, Ordering::Relaxed)))),
        function("lies", DIGIT, |_| Ok(Answer::Flag(true))),
        function("asks", DIGIT, |arguments| arguments.number("y").map(|_| Answer::whole(0))),
    ];
}

/// Functions that take their time.
struct Slow;

impl Library for Slow {
    const FUNCTIONS: &'static [Function] = &[
        function("hangs", DIGIT, |_| {
            loop {
                std::thread::sleep(Duration::from_millis(50));
            }
        }),
        function("slow", DIGIT, |_| {
            std::thread::sleep(Duration::from_millis(30));
            Ok(Answer::whole(0))
        }),
    ];
}

fn toy() -> FunctionPlugin {
    FunctionPlugin::linked::<Toy>("toy").unwrap()
}

fn numbers(values: impl Iterator<Item = i64>, decimals: u32) -> Vec<Scalar> {
    values.map(|value| Scalar { value, decimals, kind: Scalar::NUMBER }).collect()
}

fn of(name: &str, axes: Vec<Vec<Scalar>>) -> Result<Vec<Scalar>, TabulationError> {
    of_plugin(&toy(), name, axes)
}

fn of_plugin(
    plugin: &FunctionPlugin,
    name: &str,
    axes: Vec<Vec<Scalar>>,
) -> Result<Vec<Scalar>, TabulationError> {
    let at = plugin.functions().iter().position(|function| function.name == name).unwrap();
    tabulate(plugin.clone(), at, axes, Duration::from_millis(200))
}

#[test]
fn values_stand_in_the_order_of_the_axes() {
    let coded = |kind, count| (0..count).map(move |value| Scalar { value, decimals: 0, kind }).collect();
    let axes = vec![numbers(2..4, 0), coded(Scalar::FLAG, 2), coded(Scalar::LEVEL, 3)];
    let wanted = [20, 21, 22, 23, 24, 25, 30, 31, 32, 33, 34, 35];
    assert_eq!(of("sound", axes).unwrap(), numbers(wanted.into_iter(), 0));
}

#[test]
fn a_function_that_fails_is_named_with_its_place() {
    for (name, fault, words, place) in [
        ("refuses", Fault::Input, "plugin `toy`: x is too large", 4),
        ("panics", Fault::Internal, "plugin `toy`: it panicked: as a plugin may", 0),
        ("lies", Fault::Internal, "plugin `toy`: `lies` gives Flag(true), which it does not declare", 0),
        ("asks", Fault::Input, "plugin `toy`: the function asks for `y`, which it does not take", 0),
    ] {
        match of(name, vec![numbers(0..10, 1)]) {
            Err(TabulationError::Failed { at, source }) => {
                assert_eq!((at, source.fault, source.message.as_str()), (vec![place], fault, words));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_function_that_remembers_is_found_out() {
    let found = of("counts", vec![numbers(0..10, 0)]);
    assert!(matches!(found, Err(TabulationError::Differs { at, .. }) if at == [9]));
}

#[test]
fn a_function_that_never_comes_back_is_left() {
    let start = Instant::now();
    let slow = FunctionPlugin::linked::<Slow>("slow").unwrap();
    let of = |name, axes| of_plugin(&slow, name, axes);
    assert!(
        matches!(of("hangs", vec![numbers(3..10, 0)]), Err(TabulationError::TimedOut { at }) if at == [0])
    );
    assert!(
        matches!(of("slow", vec![numbers(0..10, 0)]), Err(TabulationError::TimedOut { at }) if at != [0])
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn values_that_a_function_does_not_take_never_reach_it() {
    for axis in
        [numbers(10..11, 0), numbers(0..1, 19), vec![Scalar { value: 1, decimals: 0, kind: Scalar::FLAG }]]
    {
        let found = of("panics", vec![axis]);
        assert!(
            matches!(&found, Err(TabulationError::Failed { source, .. }) if source.message.contains("no value of what")),
            "{found:?}"
        );
    }
    assert!(toy().call(99, &[]).unwrap_err().message.contains("no such function"));
}

#[test]
fn the_suite_names_what_does_not_hold() {
    let Failures(failures) = run_functions::<Toy>().unwrap_err();
    let caught = |check: &str, reason: &str| {
        let found =
            failures.iter().any(|failure| failure.check.contains(check) && failure.reason.contains(reason));
        assert!(found, "{check}: {failures:#?}");
    };
    caught("panics", "it panicked");
    caught("counts in reverse order", "before");
    caught("asks", "it has no value for any of");
    caught("lies", "which it does not declare");
    caught("sound", "nothing is said about it");
    let sound =
        |failure: &&Failure| failure.check.contains("sound") && !failure.reason.contains("nothing is said");
    assert_eq!(failures.iter().find(sound), None);
    run_functions::<Sound>().unwrap();
}

struct Sound;

impl Library for Sound {
    const FUNCTIONS: &'static [Function] = &[Function {
        name: "double",
        about: "Twice a number",
        parameters: DIGIT,
        gives: Kind::Number { lo: 0, hi: 18 },
        compute: |arguments| {
            let number = arguments.decimal("x")?;
            Ok(Answer::Number(Decimal { value: 2 * number.value, ..number }))
        },
    }];
}

struct Empty;

impl Library for Empty {
    const FUNCTIONS: &'static [Function] = &[];
}

struct Twice;

impl Library for Twice {
    const FUNCTIONS: &'static [Function] =
        &[function("f", DIGIT, |_| Ok(Answer::whole(1))), function("f", DIGIT, |_| Ok(Answer::whole(2)))];
}

#[test]
fn a_library_without_a_sound_description_is_refused() {
    assert!(FunctionPlugin::linked::<Empty>("empty").unwrap_err().message.contains("it has 0 functions"));
    assert!(FunctionPlugin::linked::<Twice>("twice").unwrap_err().message.contains("\"f\" is no name"));
}
