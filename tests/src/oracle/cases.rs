//! The cases: program, table, oracle, and the name that a result gives each number of the oracle.

/// A query with its table and its oracle.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `P01`; the program is `tests/queries/P01.hq`.
    pub id: &'static str,
    /// Name of the dataset and of its table.
    pub dataset: &'static str,
    /// Name of the oracle's file, without its extension.
    pub oracle: &'static str,
    /// Where an integer of the oracle's `exact` stands.
    pub exact: fn(&[&str]) -> Place,
    /// Where a number of the oracle's `final` stands.
    pub last: fn(&[&str]) -> Place,
}

/// Where a number of the oracle stands in the results of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A query by index, the labels of a group joined by commas, and a name: an aggregate's, or the way to a result.
    At(usize, String, String),
    /// Among the integers of the first query; which is which is checked in the language's tests.
    Somewhere,
    /// The program does not ask for it.
    NotAsked,
}

fn at(group: &str, name: &str) -> Place {
    Place::At(0, group.to_owned(), name.to_owned())
}

/// Group, then name, as in the report; or a name alone.
fn same(path: &[&str]) -> Place {
    match path {
        [group, name] => at(group, name),
        [name] => at("", name),
        _ => Place::NotAsked,
    }
}

fn somewhere(_: &[&str]) -> Place {
    Place::Somewhere
}

/// One number for each group, of this name.
fn each(path: &[&str], name: &str) -> Place {
    path.first().map_or(Place::NotAsked, |group| at(group, name))
}

/// `female,0` as `female,false`.
fn truth(group: &str) -> String {
    match group.split_once(',') {
        Some((sex, "0")) => format!("{sex},false"),
        Some((sex, _)) => format!("{sex},true"),
        None => group.to_owned(),
    }
}

/// Position of a text in a list, from 1.
fn position(names: &[&str], name: &str) -> usize {
    names.iter().position(|other| *other == name).map_or(0, |index| index + 1)
}

/// All cases.
pub const CASES: &[Case] = &[
    Case {
        id: "P01",
        dataset: "nhanes",
        oracle: "P01_bp_control",
        exact: same,
        last: |path| each(path, "rate"),
    },
    Case { id: "P02", dataset: "nhanes", oracle: "P02_mean_sd", exact: p02, last: p02 },
    Case { id: "P03", dataset: "diabetes130", oracle: "P03_readmission", exact: same, last: same },
    Case {
        id: "P04",
        dataset: "mammogram",
        oracle: "P04_two_by_two",
        exact: |path| at("", &format!("cells.{}", path.last().map_or("", |name| &name[..1]))),
        last: |path| match path {
            ["or_ci", "1"] => at("", "or_low"),
            ["or_ci", "2"] => at("", "or_high"),
            _ => same(path),
        },
    },
    Case { id: "P05", dataset: "nhanes", oracle: "P05_mantel_haenszel", exact: p05_exact, last: p05_final },
    Case {
        id: "P06",
        dataset: "nhanes",
        oracle: "P06_age_standardised",
        exact: |path| match path {
            [race, band, name] => {
                at(race, &format!("{name}[{}]", position(&["20-39", "40-59", "60+"], band)))
            }
            _ => Place::NotAsked,
        },
        last: same,
    },
    Case {
        id: "P07",
        dataset: "actg175",
        oracle: "P07_kaplan_meier",
        exact: |path| match path {
            [arm, name, index] => at(arm, &format!("km.{name}[{index}]")),
            _ => Place::NotAsked,
        },
        last: |path| match path {
            [arm, "survival", day] => {
                let index = day.parse::<usize>().unwrap_or(0) / 30;
                at(arm, &format!("km.survival[{index}]"))
            }
            _ => Place::NotAsked,
        },
    },
    Case {
        id: "P08",
        dataset: "nhanes",
        oracle: "P08_linear_regression",
        exact: somewhere,
        last: |path| match path {
            [list, name] => {
                let index = position(&["intercept", "age", "male", "bmi"], name);
                at("", &format!("model.{list}[{index}]"))
            }
            [name] => at("", &format!("model.{name}")),
            _ => Place::NotAsked,
        },
    },
    Case {
        id: "P09",
        dataset: "support2",
        oracle: "P09_qsofa_like",
        exact: same,
        last: |path| each(path, "mortality"),
    },
    Case { id: "P10", dataset: "nhanes", oracle: "P10_quantiles", exact: somewhere, last: p10_final },
    Case {
        id: "P11",
        dataset: "nhanes",
        oracle: "P11_survey_weighted",
        exact: same,
        last: |path| each(path, "prevalence"),
    },
    Case { id: "P12", dataset: "nafld", oracle: "P12_incidence_rate", exact: p12, last: p12 },
    Case {
        id: "P13",
        dataset: "synthea_conditions",
        oracle: "P13_top_k",
        exact: |path| match path {
            ["count_by_code", code] => at(code, "n"),
            // The number of groups is no aggregate.
            _ => Place::NotAsked,
        },
        last: |path| match path {
            [code, "n"] => at(code, "n"),
            _ => Place::NotAsked,
        },
    },
    Case { id: "P14", dataset: "nhanes", oracle: "P14_correlation", exact: same, last: same },
    Case { id: "P15", dataset: "pbc", oracle: "P15_albi", exact: same, last: |path| each(path, "mortality") },
];

fn p02(path: &[&str]) -> Place {
    match path {
        [group, name] => at(&truth(group), name),
        _ => Place::NotAsked,
    }
}

fn p05_exact(path: &[&str]) -> Place {
    const STRATA: [&str; 6] =
        ["female,20-39", "female,40-59", "female,60+", "male,20-39", "male,40-59", "male,60+"];
    match path {
        [stratum, name] => at("", &format!("{name}[{}]", position(&STRATA, stratum))),
        _ => Place::NotAsked,
    }
}

fn p05_final(path: &[&str]) -> Place {
    match path {
        ["mh_ci", "1"] => at("", "mh.lower"),
        ["mh_ci", "2"] => at("", "mh.upper"),
        ["cmh_chi2"] => at("", "cmh.chi2"),
        ["cmh_p"] => at("", "cmh.p"),
        [name @ ("crude_or" | "mh_or")] => at("", name),
        _ => Place::NotAsked,
    }
}

fn p10_final(path: &[&str]) -> Place {
    match path {
        ["quantiles", q] => match *q {
            "0.05" => at("", "q05"),
            "0.25" => at("", "q25"),
            "0.5" => at("", "q50"),
            "0.75" => at("", "q75"),
            "0.95" => at("", "q95"),
            _ => Place::NotAsked,
        },
        ["iqr"] => at("", "iqr"),
        ["min"] => at("", "low"),
        ["max"] => at("", "high"),
        _ => Place::NotAsked,
    }
}

fn p12(path: &[&str]) -> Place {
    let label = |band: &str| match band {
        "18-49" => "18..49",
        "50-64" => "50..64",
        _ => "65..98",
    };
    match path {
        ["mh_rate_ratio"] => Place::At(1, String::new(), "mh_rate_ratio".to_owned()),
        ["rate_ratio_by_age", band] => at(label(band), "rate_ratio"),
        [group, name] => match group.split_once(',') {
            Some((status, band)) => {
                let name = match *name {
                    "person_days" => "days",
                    "rate_per_1000_py" => "rate",
                    other => other,
                };
                at(label(band), &format!("{status}_{name}"))
            }
            None => Place::NotAsked,
        },
        _ => Place::NotAsked,
    }
}
