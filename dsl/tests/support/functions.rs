//! What stands for plugins in the tests of this crate: one, named `points`, with a function for each thing that can
//! go well or wrong.

use std::sync::Arc;

use hq_dsl::{ExternFunction, FunctionFault, FunctionPart};

/// Every combination of codes of the arguments, the last running fastest.
fn places(function: &ExternFunction) -> Vec<Vec<i64>> {
    function.parameters.iter().fold(vec![Vec::new()], |places, (_, domain)| {
        let codes: Vec<i64> = domain.codes().collect();
        places
            .iter()
            .flat_map(|place| codes.iter().map(move |&code| [&place[..], &[code]].concat()))
            .collect()
    })
}

/// Codes of the result for codes of the arguments.
pub(super) fn value(name: &str, at: &[i64]) -> i64 {
    match (name, at) {
        // Levels of age, and of sex: a point for each ten years from 40 on, and one for men.
        ("points", [age, sex]) => (age - 40).max(0) / 10 + sex,
        // One decimal of two: half of it, to two.
        ("half", [x]) => 5 * x,
        ("high", [x]) => i64::from(*x >= 6),
        ("grade", [x]) => x / 4,
        _ => 0,
    }
}

pub(super) fn tabulate(function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
    if function.plugin != "points" {
        let searched = vec!["plugins".to_owned()];
        return Err(FunctionFault::NoPlugin { installed: vec!["points".to_owned()], searched });
    }
    let places = places(function);
    let first = || places[0].clone();
    match function.name.as_str() {
        "points" | "half" | "high" | "grade" => {
            Ok(places.iter().map(|place| value(&function.name, place)).collect())
        }
        "other" => Err(FunctionFault::OtherDomains {
            part: FunctionPart::Argument(0),
            signature: "other(x: 0..9) -> 0..3".to_owned(),
        }),
        "failing" => Err(FunctionFault::Failed {
            at: first(),
            reason: "plugin `points`: x must be above 0".to_owned(),
        }),
        "outside" => Err(FunctionFault::Outside { at: first(), value: "4.25".to_owned() }),
        "unstable" => {
            let (first_value, second) = ("1".to_owned(), "2".to_owned());
            Err(FunctionFault::Differs { at: first(), first: first_value, second })
        }
        "hanging" => Err(FunctionFault::TimedOut { at: first(), seconds: 10 }),
        "broken" => Err(FunctionFault::Unusable("it speaks another version.".to_owned())),
        _ => Err(FunctionFault::NoFunction {
            known: vec!["points(age: 0..120, sex: {\"female\", \"male\"}) -> 0..9".to_owned()],
        }),
    }
}
