//! Kidney function for programs of hq: the equation CKD-EPI 2021 and the grades of KDIGO, as an example of a plugin
//! with functions. `docs/plugins/functions.md` goes through it.

use hq_plugin_sdk::export_functions;
use hq_plugin_sdk::function::{Answer, Arguments, Function, Kind, Library, Parameter, Refusal};

/// The library.
#[derive(Debug)]
pub struct Risk;

export_functions!(Risk);

/// What both functions take: mg/dL and years.
const PERSON: &[Parameter] = &[
    Parameter { name: "sex", takes: Kind::Levels(&["female", "male"]) },
    Parameter { name: "age", takes: Kind::Number { lo: 18, hi: 120 } },
    Parameter { name: "creatinine", takes: Kind::Number { lo: 0, hi: 30 } },
];

/// Where the grades of KDIGO begin, from the worst on.
const LIMITS: [f64; 5] = [15.0, 30.0, 45.0, 60.0, 90.0];

/// The grades, from the worst on.
const GRADES: &[&str] = &["G5", "G4", "G3b", "G3a", "G2", "G1"];

impl Library for Risk {
    const FUNCTIONS: &'static [Function] = &[
        Function {
            name: "egfr",
            about: "Glomerular filtration rate by creatinine in ml/min per 1.73 m2 to two decimals: CKD-EPI 2021",
            parameters: PERSON,
            gives: Kind::Number { lo: 0, hi: 500 },
            compute: |person| Answer::rounded(ckd_epi_2021(person)?, 2),
        },
        Function {
            name: "gfr_grade",
            about: "Grade of that rate, before it is rounded: KDIGO 2012",
            parameters: PERSON,
            gives: Kind::Levels(GRADES),
            compute: |person| grade(ckd_epi_2021(person)?),
        },
    ];
}

/// Inker et al., "New creatinine- and cystatin C-based equations to estimate GFR without race", N Engl J Med 2021;
/// 385:1737, table 2.
fn ckd_epi_2021(person: &Arguments<'_>) -> Result<f64, Refusal> {
    let (age, creatinine) = (person.number("age")?, person.number("creatinine")?);
    let (kappa, alpha, factor) = match person.level("sex")? {
        "female" => (0.7, -0.241, 1.012),
        _ => (0.9, -0.302, 1.0),
    };
    if creatinine <= 0.0 {
        return Err("creatinine must be above 0".into());
    }
    let ratio: f64 = creatinine / kappa;
    Ok(142.0 * ratio.min(1.0).powf(alpha) * ratio.max(1.0).powf(-1.2) * 0.9938_f64.powf(age) * factor)
}

/// A rate that is a limit but for rounding could have another grade on another machine, and so it has none.
fn grade(rate: f64) -> Result<Answer, Refusal> {
    if let Some(limit) = LIMITS.iter().find(|&&limit| (rate - limit).abs() <= 1e-9 * limit) {
        return Err(format!("the rate is {limit} but for what a machine rounds").into());
    }
    let reached = LIMITS.iter().filter(|&&limit| rate > limit).count();
    GRADES.get(reached).map(|grade| Answer::Level(grade)).ok_or_else(|| "there is no such grade".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_conforms() {
        assert_eq!(hq_plugin_sdk::conformance::run_functions::<Risk>(), Ok(()));
    }

    #[test]
    fn grades_begin_at_their_limits() {
        for (rate, wanted) in [(14.9, "G5"), (15.1, "G4"), (59.9, "G3a"), (60.1, "G2"), (120.0, "G1")] {
            assert_eq!(grade(rate), Ok(Answer::Level(wanted)));
        }
        assert!(grade(60.0).is_err() && grade(60.0 + 1e-12).is_err());
    }
}
