//! Pictures of queries over numbers made up here: golden files (`HQ_BLESS=1` writes them anew), and what holds
//! of any picture.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use hq_dsl::{Group, NoModules, Query, compile, finish};

use super::panel::{Cell, Kind, Section};
use super::{choose, fill, page};
use crate::report::ReportRow;

const SCHEMA: &str = "dataset clinic {
  rows <= 1_000
  release { min_cell 5 max_cells 500 }
  sex: {female, male}
  smoker: bool
  age: 18..80 \"years\"
  sbp: 60..250 \"mmHg\"
  days: 0..900 \"days, from admission\"
  death: bool
}
use stats
use survival
";

fn query(text: &str) -> Query {
    let compiled =
        compile("q.hq", &format!("{SCHEMA}query q \"a <test> & more\" from clinic {text}"), &[], &NoModules);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    compiled.queries.into_iter().next().unwrap()
}

/// The section of a query whose aggregates are given by group; `None` is hidden.
fn section(query: &Query, aggregates: &[&[Option<i128>]]) -> Section {
    let mut codes: Vec<Vec<i64>> = vec![Vec::new()];
    for key in &query.by {
        codes = codes
            .iter()
            .flat_map(|prefix| key.labels.codes().map(move |code| [prefix.as_slice(), &[code]].concat()))
            .collect();
    }
    assert_eq!(codes.len(), aggregates.len());
    let groups: Vec<Group> = codes
        .into_iter()
        .zip(aggregates)
        .map(|(by, values)| {
            assert_eq!(values.len(), query.aggregates.len(), "{:?}", query.aggregates);
            Group { by, aggregates: values.to_vec() }
        })
        .collect();
    let rows: Vec<ReportRow> = finish(query, &groups)
        .into_iter()
        .map(|row| ReportRow { by: row.by, report: row.report, hidden: Vec::new() })
        .collect();
    fill::of_rows(query, &rows)
}

/// Compares with a golden file, and checks what holds of any picture.
fn golden(name: &str, sections: &[Section]) -> String {
    let svg = page::draw(sections).unwrap();
    assert_eq!(svg, page::draw(sections).unwrap(), "the same numbers give the same picture");
    check(&svg);
    let path = format!("{}/tests/pictures/{name}.svg", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HQ_BLESS").is_some() {
        std::fs::write(&path, &svg).unwrap();
    } else if std::fs::read_to_string(&path).unwrap_or_default() != svg {
        panic!("{path} differs; it is now:\n{svg}");
    }
    svg
}

/// One element a line, closed, inside the page; title and description first.
fn check(svg: &str) {
    let lines: Vec<&str> = svg.lines().collect();
    assert!(lines.first().unwrap().starts_with("<svg ") && lines.last().unwrap() == &"</svg>");
    assert!(lines.get(1).unwrap().starts_with("<title id=\"title\">q: a &lt;test&gt; &amp; more</title>"));
    assert!(lines.get(2).unwrap().starts_with("<desc id=\"desc\">"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let number = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\""))?;
        rest.split('"').next().unwrap().parse::<f64>().ok()
    };
    let first = lines.first().unwrap();
    let (width, height) = (number(first, "width").unwrap(), number(first, "height").unwrap());
    for line in lines.iter().skip(1).filter(|line| **line != "</svg>") {
        let tag = line.trim_start_matches('<').split([' ', '>']).next().unwrap();
        assert!(line.ends_with("/>") || line.ends_with(&format!("</{tag}>")), "{line}");
        for (name, limit) in
            [("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)]
        {
            let inside = number(line, name).is_none_or(|at| (0.0..=limit).contains(&at));
            assert!(inside, "{line}");
        }
        if let Some((_, points)) = line.split_once(" points=\"") {
            for pair in points.split('"').next().unwrap().split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap();
                assert!((0.0..=width).contains(&x.parse().unwrap()), "{line}");
                assert!((0.0..=height).contains(&y.parse().unwrap()), "{line}");
            }
        }
    }
}

fn shown(values: &[i128]) -> Vec<Option<i128>> {
    values.iter().copied().map(Some).collect()
}

#[test]
fn curves() {
    let query = query("by sex report km = survival.kaplan_meier_ci(days, death, 100, 4, 0.95)");
    let female = shown(&[100, 80, 60, 40, 10, 8, 6, 5]);
    let mut male = shown(&[90, 70, 50, 30, 6, 12, 9, 8]);
    male[6] = None;
    let order: Vec<&str> = query.aggregates.iter().map(|aggregate| aggregate.name.as_str()).collect();
    assert!(order[0].starts_with("k") && order.len() == 8, "{order:?}");
    let section = section(&query, &[&female, &male]);
    let [panel] = section.panels.as_slice() else { panic!("{section:?}") };
    assert_eq!(panel.x, "days (days)");
    let Kind::Curves(curves) = &panel.kind else { panic!("{panel:?}") };
    let (all, part) = (&curves[0], &curves[1]);
    assert_eq!(all.steps[..3], [(0.0, 1.0), (100.0, 0.9), (200.0, 0.81)]);
    assert_eq!(
        (all.steps.len(), all.band.len(), part.steps.len()),
        (5, 5, 3),
        "a curve ends where it is hidden"
    );
    assert_eq!(all.at_risk[1], (100.0, Cell::Number(80.0)), "at the start of the interval");
    assert!(section.caption[0].contains("km of male from time 300 on"), "{:?}", section.caption);
    let svg = golden("curves", &[section]);
    for words in ["Number at risk", ">female<", ">male<", "stroke-dasharray", "<polygon"] {
        assert!(svg.contains(words), "{words}");
    }
}

#[test]
fn histogram() {
    let query = query("report bins = stats.histogram(age, [20, 30, 40, 50, 70])");
    let mut counts = shown(&[40, 60, 0, 20]);
    counts[1] = None;
    let section = section(&query, &[&counts]);
    let Kind::Bins(bins) = &section.panels[0].kind else { panic!("{section:?}") };
    assert_eq!(bins[3].to, 70.0, "the last edge is known from the condition");
    assert_eq!((bins[1].count, bins[2].count), (Cell::Hidden, Cell::Number(0.0)));
    assert!(section.caption[0].contains("bins, 30 to 40"), "{:?}", section.caption);
    let svg = golden("histogram", &[section]);
    assert!(
        svg.contains(">age (years)<")
            && svg.contains(">count per unit of width<")
            && svg.contains(">hidden<")
    );
}

#[test]
fn bars() {
    let query = query(
        "by sex, smoker report n = count() mean = sum(sbp) / n risk = stats.proportion(death, 0.95) label = \"x\"",
    );
    assert_eq!(query.aggregates.len(), 3);
    let groups = [
        shown(&[100, 12_000, 20]),
        vec![Some(50), Some(7_000), None],
        shown(&[80, 10_000, 30]),
        shown(&[0, 0, 0]),
    ];
    let groups: Vec<&[Option<i128>]> = groups.iter().map(Vec::as_slice).collect();
    let section = section(&query, &groups);
    let titles: Vec<&str> = section.panels.iter().map(|panel| panel.title.as_str()).collect();
    assert_eq!(titles, ["n", "mean", "risk.proportion"]);
    assert_eq!(section.panels[1].y, "mean (mmHg)");
    let Kind::Bars(bars) = &section.panels[1].kind else { panic!("{section:?}") };
    assert_eq!((bars.categories.len(), bars.series.len()), (2, 2));
    assert_eq!(bars.bars[1][1].unwrap().value, Cell::Absent, "0 / 0 is left out");
    let Kind::Bars(risk) = &section.panels[2].kind else { panic!("{section:?}") };
    assert_eq!(risk.bars[0][1].unwrap().value, Cell::Hidden);
    assert!(risk.bars[0][0].unwrap().interval.is_some() && risk.bars[0][1].unwrap().interval.is_none());
    assert!(section.caption[0].contains("risk.proportion of female, smoker true"), "{:?}", section.caption);
    golden("bars", &[section]);
}

#[test]
fn long_labels_and_many_groups_stay_on_the_page() {
    let query = query("by cut(days, [100, 200, 300, 400, 500, 600, 700, 800]), sex report n = count(death)");
    let groups: Vec<Vec<Option<i128>>> = (0..18).map(|count| shown(&[count - 4])).collect();
    let groups: Vec<&[Option<i128>]> = groups.iter().map(Vec::as_slice).collect();
    check(&page::draw(&[section(&query, &groups)]).unwrap());
}

#[test]
fn what_cannot_be_drawn() {
    let kinds = |text: &str| choose::drawings(&query(text)).len();
    assert_eq!(kinds("report n = count() l = [count(), 2]"), 0);
    assert_eq!(
        kinds("by sex report l = [count(), 2] t = case { count() > 3 -> \"many\" else -> \"few\" }"),
        0
    );
    assert_eq!(kinds("report r = { time: [1, 2], survival: [1.0, 0.5, 0.2] }"), 0);
    assert_eq!(kinds("report r = { inner: { time: [1, 2], survival: [1.0, 0.5] } }"), 1);
    // Times that do not rise are told from the numbers only, and draw nothing.
    let falling = query("report r = { time: [2, 1], survival: [1.0, count() / count()] }");
    assert!(section(&falling, &[&shown(&[3])]).panels.is_empty());
}
