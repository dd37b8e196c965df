//! The queries of the repository over real tables: exact integers and results equal an independent oracle.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a failing test may panic"
)]

mod support;

use hq_dsl::{Group, Query, Row, Value, compile, finish, render};
use serde_json::Value as Json;
use support::{Schemas, repository, run, shared};

fn queries(name: &str) -> Vec<Query> {
    let path = repository(&format!("tests/queries/{name}.hq"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() <= 25, "{name} is longer than 25 lines");
    let compiled = compile(&format!("{name}.hq"), &text, &[], &Schemas);
    for diagnostic in &compiled.diagnostics {
        eprintln!("{}", render(diagnostic, &compiled.sources, false));
    }
    assert!(compiled.diagnostics.is_empty(), "{name} has diagnostics");
    compiled.queries
}

struct Result {
    query: Query,
    groups: Vec<Group>,
    rows: Vec<Row>,
}

impl Result {
    fn of(query: Query, table: &str) -> Option<Self> {
        let path = shared(&format!("data/{table}.csv"))?;
        let groups = run(&query, &path, usize::MAX);
        let rows = finish(&query, &groups);
        Some(Self { query, groups, rows })
    }

    /// Index of the group with these labels.
    fn group(&self, labels: &[&str]) -> usize {
        let found = self
            .rows
            .iter()
            .position(|row| row.by.iter().map(|(_, label)| label.as_str()).eq(labels.iter().copied()));
        found.unwrap_or_else(|| {
            panic!("no group {labels:?} in {:?}", self.rows.iter().map(|row| &row.by).collect::<Vec<_>>())
        })
    }

    fn exact(&self, labels: &[&str], name: &str) -> i128 {
        let index = self.query.aggregates.iter().position(|aggregate| aggregate.name == name);
        let index = index.unwrap_or_else(|| {
            panic!(
                "no aggregate {name}: {:?}",
                self.query.aggregates.iter().map(|a| &a.name).collect::<Vec<_>>()
            )
        });
        self.groups
            .get(self.group(labels))
            .and_then(|group| group.aggregates.get(index).copied())
            .flatten()
            .unwrap()
    }

    fn value(&self, labels: &[&str], name: &str) -> Value {
        let row = self.rows.get(self.group(labels)).unwrap();
        row.report
            .iter()
            .find(|(column, _)| column == name)
            .unwrap_or_else(|| panic!("no result {name}"))
            .1
            .clone()
    }

    fn check_exact(&self, labels: &[&str], name: &str, expected: &Json) {
        assert_eq!(self.exact(labels, name), i128::from(expected.as_i64().unwrap()), "{labels:?} {name}");
    }

    /// A field of a record of the only group.
    fn field(&self, name: &str, field: &str) -> Value {
        match self.value(&[], name) {
            Value::Record(fields) => fields.into_iter().find(|(known, _)| known == field).unwrap().1,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn check(&self, labels: &[&str], name: &str, expected: &Json) {
        close(&self.value(labels, name), expected, &format!("{labels:?} {name}"));
    }
}

fn close(value: &Value, expected: &Json, place: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{place}: the oracle has no number"));
    let value = match value {
        Value::Number(value) => *value,
        Value::Integer(value) => value.to_string().parse().unwrap(),
        other => panic!("{place} is {other:?}"),
    };
    assert!(
        (value - expected).abs() <= 1e-9 * expected.abs().max(1e-30),
        "{place}: {value} is not {expected}"
    );
}

fn oracle(file: &str) -> Option<Json> {
    let path = shared(&format!("oracle/{file}.json"))?;
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn single(name: &str, table: &str) -> Option<Result> {
    Result::of(queries(name).into_iter().next().unwrap(), table)
}

#[test]
fn cohort() {
    let query = queries("cohort").into_iter().next().unwrap();
    let Some(path) = shared("data/cohort_65536.csv") else { return };
    for (rows, count, sum) in
        [(1024, 12, 1700), (8192, 93, 12_600), (16_384, 183, 24_537), (65_536, 751, 99_643)]
    {
        let groups = run(&query, &path, rows);
        assert_eq!(groups.first().unwrap().aggregates, [Some(count), Some(sum)]);
    }
}

#[test]
fn p01_bp_control() {
    let (Some(result), Some(json)) = (single("P01", "nhanes"), oracle("P01_bp_control")) else { return };
    for sex in ["female", "male"] {
        for name in ["denominator", "controlled"] {
            result.check_exact(&[sex], name, &json["exact"][sex][name]);
        }
        result.check(&[sex], "rate", &json["final"][sex]);
    }
}

#[test]
fn p02_mean_sd() {
    let (Some(result), Some(json)) = (single("P02", "nhanes"), oracle("P02_mean_sd")) else { return };
    assert_eq!(result.query.aggregates.len(), 3, "equal aggregates are merged");
    for (group, labels) in [
        ("female,0", ["female", "false"]),
        ("female,1", ["female", "true"]),
        ("male,0", ["male", "false"]),
        ("male,1", ["male", "true"]),
    ] {
        for name in ["n", "sum", "sum_sq"] {
            result.check_exact(&labels, name, &json["exact"][group][name]);
        }
        for name in ["mean", "sd", "se"] {
            result.check(&labels, name, &json["final"][group][name]);
        }
    }
}

#[test]
fn p03_readmission() {
    let (Some(result), Some(json)) = (single("P03", "diabetes130"), oracle("P03_readmission")) else {
        return;
    };
    for (band, numbers) in json["exact"].as_object().unwrap() {
        for name in ["n", "readmitted_30d", "days"] {
            result.check_exact(&[band], name, &numbers[name]);
        }
        result.check(&[band], "rate", &json["final"][band]["rate"]);
        result.check(&[band], "mean_days", &json["final"][band]["mean_days"]);
    }
    // Whatever comes from a hidden number is hidden, and nothing else.
    let mut groups = result.groups.clone();
    groups.first_mut().unwrap().aggregates[1] = None;
    let row = finish(&result.query, &groups).into_iter().next().unwrap();
    let hidden: Vec<&str> = row
        .report
        .iter()
        .filter(|(_, value)| *value == Value::Hidden)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(hidden, ["readmitted_30d", "rate"]);
}

#[test]
fn p04_two_by_two() {
    let (Some(result), Some(json)) = (single("P04", "mammogram"), oracle("P04_two_by_two")) else { return };
    for (name, key) in [
        ("a", "a_exposed_case"),
        ("b", "b_exposed_noncase"),
        ("c", "c_unexposed_case"),
        ("d", "d_unexposed_noncase"),
    ] {
        result.check_exact(&[], &format!("cells.{name}"), &json["exact"][key]);
    }
    for name in ["odds_ratio", "relative_risk", "risk_difference"] {
        result.check(&[], name, &json["final"][name]);
    }
    result.check(&[], "or_low", &json["final"]["or_ci"][0]);
    result.check(&[], "or_high", &json["final"]["or_ci"][1]);
}

#[test]
fn p05_mantel_haenszel() {
    let (Some(result), Some(json)) = (single("P05", "nhanes"), oracle("P05_mantel_haenszel")) else { return };
    // The four counts of six strata, and the margins of the test.
    assert_eq!(result.query.aggregates.len(), 42);
    let strata = ["female,20-39", "female,40-59", "female,60+", "male,20-39", "male,40-59", "male,60+"];
    for (index, stratum) in strata.iter().enumerate() {
        for name in ["a", "b", "c", "d"] {
            result.check_exact(&[], &format!("{name}[{}]", index + 1), &json["exact"][stratum][name]);
        }
    }
    result.check(&[], "crude_or", &json["final"]["crude_or"]);
    result.check(&[], "mh_or", &json["final"]["mh_or"]);
    close(&result.field("mh", "lower"), &json["final"]["mh_ci"][0], "lower");
    close(&result.field("mh", "upper"), &json["final"]["mh_ci"][1], "upper");
    close(&result.field("cmh", "chi2"), &json["final"]["cmh_chi2"], "chi2");
    close(&result.field("cmh", "p"), &json["final"]["cmh_p"], "p");
}

#[test]
fn p06_age_standardised() {
    let (Some(result), Some(json)) = (single("P06", "nhanes"), oracle("P06_age_standardised")) else {
        return;
    };
    for (race, bands) in json["exact"].as_object().unwrap() {
        for (index, band) in ["20-39", "40-59", "60+"].iter().enumerate() {
            for name in ["n", "obese"] {
                result.check_exact(&[race], &format!("{name}[{}]", index + 1), &bands[band][name]);
            }
        }
        for name in ["crude", "age_standardised", "se"] {
            result.check(&[race], name, &json["final"][race][name]);
        }
    }
}

#[test]
fn p07_kaplan_meier() {
    let (Some(result), Some(json)) = (single("P07", "actg175"), oracle("P07_kaplan_meier")) else { return };
    for (arm, numbers) in json["exact"].as_object().unwrap() {
        let Value::Record(fields) = result.value(&[arm], "km") else { panic!("km is no record") };
        let list = |name: &str| match fields.iter().find(|(field, _)| field == name) {
            Some((_, Value::List(items))) => items.clone(),
            other => panic!("{name} is {other:?}"),
        };
        for name in ["at_risk", "events"] {
            let expected: Vec<Value> = numbers[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| Value::Integer(n.as_i64().unwrap().into()))
                .collect();
            assert_eq!(list(name), expected, "{arm} {name}");
        }
        for (index, value) in list("survival").iter().enumerate() {
            close(
                value,
                &json["final"][arm]["survival"][((index + 1) * 30).to_string()],
                &format!("{arm} survival {index}"),
            );
        }
    }
    assert!(result.query.aggregates.iter().any(|aggregate| aggregate.name == "km.events[3]"));
}

#[test]
fn p08_linear_regression() {
    let (Some(result), Some(json)) = (single("P08", "nhanes"), oracle("P08_linear_regression")) else {
        return;
    };
    let list = |field: &str| match result.field("model", field) {
        Value::List(items) => items,
        other => panic!("{field} is {other:?}"),
    };
    for (index, name) in ["intercept", "age", "male", "bmi"].iter().enumerate() {
        close(list("coef").get(index).unwrap(), &json["final"]["coef"][name], name);
        close(list("se").get(index).unwrap(), &json["final"]["se"][name], name);
    }
    close(&result.field("model", "r2"), &json["final"]["r2"], "r2");
    close(&result.field("model", "n"), &json["final"]["n"], "n");
    // The integers behind it: sums of squares and products, BMI in tenths.
    let group = result.groups.first().unwrap();
    let integers: Vec<i128> = group.aggregates.iter().map(|value| value.unwrap()).collect();
    let exact = &json["exact"];
    let flat = exact["XtX"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    for number in flat.chain(exact["Xty"].as_array().unwrap()).chain([&exact["yty"]]) {
        assert!(integers.contains(&i128::from(number.as_i64().unwrap())), "{number} in {integers:?}");
    }
}

#[test]
fn p10_quantiles() {
    let (Some(result), Some(json)) = (single("P10", "nhanes"), oracle("P10_quantiles")) else { return };
    result.check_exact(&[], "n", &json["exact"]["n"]);
    let Value::List(bins) = result.field("bins", "count") else { panic!("bins are no list") };
    for (index, bin) in bins.iter().enumerate() {
        let from = 70 + 10 * index;
        close(bin, &json["exact"]["histogram"][format!("[{from},{})", from + 10)], "bin");
    }
    let quantiles = &json["final"]["quantiles"];
    for (name, q) in [("q05", "0.05"), ("q25", "0.25"), ("q50", "0.5"), ("q75", "0.75"), ("q95", "0.95")] {
        result.check(&[], name, &quantiles[q]);
    }
    for (name, figure) in [("iqr", "iqr"), ("low", "min"), ("high", "max")] {
        result.check(&[], name, &json["final"][figure]);
    }
}

#[test]
fn p13_top_k() {
    let (Some(result), Some(json)) = (single("P13", "synthea_conditions"), oracle("P13_top_k")) else {
        return;
    };
    let counts = json["exact"]["count_by_code"].as_object().unwrap();
    assert_eq!(result.groups.len(), counts.len());
    for (code, count) in counts {
        let group = result
            .groups
            .iter()
            .find(|group| result.query.by.first().unwrap().labels.label(*group.by.first().unwrap()) == *code);
        assert_eq!(group.unwrap().aggregates, [Some(i128::from(count.as_i64().unwrap()))], "{code}");
    }
    let found: Vec<(String, Value)> = result
        .rows
        .iter()
        .map(|row| (row.by.first().unwrap().1.clone(), row.report.first().unwrap().1.clone()))
        .collect();
    let expected = json["final"].as_array().unwrap().iter().map(|condition| {
        let count = condition["n"].as_i64().unwrap();
        (condition["snomed"].as_str().unwrap().to_owned(), Value::Integer(count.into()))
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn p15_albi() {
    let (Some(result), Some(json)) = (single("P15", "pbc"), oracle("P15_albi")) else { return };
    for grade in ["1", "2", "3"] {
        for name in ["n", "deaths"] {
            result.check_exact(&[grade], name, &json["exact"][grade][name]);
        }
        result.check(&[grade], "mortality", &json["final"][grade]);
    }
}

#[test]
fn p09_qsofa_like() {
    let (Some(result), Some(json)) = (single("P09", "support2"), oracle("P09_qsofa_like")) else { return };
    for score in ["0", "1", "2", "3"] {
        for name in ["n", "deaths"] {
            result.check_exact(&[score], name, &json["exact"][score][name]);
        }
        result.check(&[score], "mortality", &json["final"][score]);
    }
}

#[test]
fn p11_survey_weighted() {
    let (Some(result), Some(json)) = (single("P11", "nhanes"), oracle("P11_survey_weighted")) else { return };
    for sex in ["female", "male"] {
        for name in ["n", "w", "w_diabetic"] {
            result.check_exact(&[sex], name, &json["exact"][sex][name]);
        }
        result.check(&[sex], "prevalence", &json["final"][sex]);
    }
}

#[test]
fn p12_incidence_rate() {
    let mut both = queries("P12").into_iter();
    let (first, second) = (both.next().unwrap(), both.next().unwrap());
    let (Some(result), Some(adjusted), Some(json)) =
        (Result::of(first, "nafld"), Result::of(second, "nafld"), oracle("P12_incidence_rate"))
    else {
        return;
    };
    for (band, labels) in [("18-49", ["18..49"]), ("50-64", ["50..64"]), ("65+", ["65..98"])] {
        for group in ["case", "control"] {
            let exact = &json["exact"][format!("{group},{band}")];
            for (name, key) in [("n", "n"), ("deaths", "deaths"), ("days", "person_days")] {
                result.check_exact(&labels, &format!("{group}_{name}"), &exact[key]);
            }
            let rate = &json["final"][format!("{group},{band}")]["rate_per_1000_py"];
            result.check(&labels, &format!("{group}_rate"), rate);
        }
        result.check(&labels, "rate_ratio", &json["final"]["rate_ratio_by_age"][band]);
    }
    adjusted.check(&[], "mh_rate_ratio", &json["final"]["mh_rate_ratio"]);
}

#[test]
fn p14_correlation() {
    let (Some(result), Some(json)) = (single("P14", "nhanes"), oracle("P14_correlation")) else { return };
    for name in ["n", "sx", "sy", "sxy", "sxx", "syy"] {
        result.check_exact(&[], name, &json["exact"][name]);
    }
    result.check(&[], "r", &json["final"]["r"]);
    result.check(&[], "t", &json["final"]["t"]);
}

/// Every function of the standard library on a table small enough to follow by hand.
#[test]
fn standard_library() {
    const TEXT: &str = "
        dataset d { rows <= 100 e: bool o: bool t: 0..20 s: {x, y} v: 0.0..9.0 ? }
        use stats use epi use survival
        query q from d where known(v) report
          n = stats.n(v) mean = stats.mean(v) var = stats.var(v) sd = stats.sd(v) se = stats.se(v)
          table = epi.two_by_two(e, o) or = epi.odds_ratio(e, o) rr = epi.relative_risk(e, o)
          rd = epi.risk_difference(e, o) mh = epi.mh_odds_ratio(e, o, s) rate = epi.rate(o, t)
          ratio = epi.rate_ratio(e, o, t) mhr = epi.mh_rate_ratio(e, o, t, s)
          km = survival.kaplan_meier(t, o, 5, 3)";
    let text = TEXT.replace("or = ", "odds = ");
    let compiled = compile("d.hq", &text, &[], &hq_dsl::NoModules);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    let query = compiled.queries.first().unwrap();
    // e, o, t, s, v: with the two strata alike, so that adjusted and crude ratios agree.
    let half =
        [(1, 1, 4, 1.5), (1, 1, 9, 2.0), (1, 0, 12, 2.5), (0, 1, 3, 4.0), (0, 0, 15, 5.0), (0, 0, 20, 3.0)];
    let mut sums = vec![0_i128; query.aggregates.len()];
    for stratum in [0, 1] {
        for (e, o, t, v) in half {
            #[expect(clippy::cast_possible_truncation, reason = "tenths below 100")]
            let cells = [Some(e), Some(o), Some(t), Some(stratum), Some((v * 10.0_f64) as i64)];
            let values = support::row_values(query, &cells);
            for (sum, aggregate) in sums.iter_mut().zip(&query.aggregates) {
                *sum += i128::from(values.get(aggregate.value.index()).copied().unwrap());
            }
        }
    }
    let rows = finish(query, &[Group { by: vec![], aggregates: sums.into_iter().map(Some).collect() }]);
    let row = rows.first().unwrap();
    let result = |name: &str| row.report.iter().find(|(column, _)| column == name).unwrap().1.clone();
    // Twice the six values: mean 3; squared deviations 2 (2.25 + 1 + 0.25 + 1 + 4 + 0) = 17 over 11.
    for (name, expected) in [
        ("n", 12.0),
        ("mean", 3.0),
        ("var", 17.0 / 11.0),
        ("sd", (17.0_f64 / 11.0).sqrt()),
        ("se", (17.0_f64 / 132.0).sqrt()),
        ("odds", 4.0 * 4.0 / (2.0 * 2.0)),
        ("rr", (4.0 / 6.0) / (2.0 / 6.0)),
        ("rd", 2.0 / 6.0),
        ("mh", 4.0),
        ("rate", 6.0 / 126.0),
        ("ratio", (4.0 / 50.0) / (2.0 / 76.0)),
        ("mhr", (4.0 / 50.0) / (2.0 / 76.0)),
    ] {
        close(&result(name), &Json::from(expected), name);
    }
    let Value::Record(fields) = result("km") else { panic!("km is no record") };
    let survival = fields.iter().find(|(name, _)| name == "survival").unwrap().1.clone();
    // At risk 12, 8, 6; events 4, 2, 0.
    let Value::List(survival) = survival else { panic!("survival is no list") };
    for (value, expected) in survival.iter().zip([8.0 / 12.0, 0.5, 0.5]) {
        close(value, &Json::from(expected), "survival");
    }
}
