#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use super::*;
use hq_dsl::{Loader, NoModules};

fn query(report: &str) -> Query {
    let text = format!(
        "dataset d {{ rows <= 100_000  release {{ min_cell 11 max_cells 500 }}\n  band: 0..9\n  site: {{a, b, c}}\n  \
         x: 0..99\n  flag: bool\n  other: bool }}\nquery q \"a test\" from d {report}"
    );
    let loader: &dyn Loader = &NoModules;
    let compiled = hq_dsl::compile("q.hq", &text, &[], loader);
    assert!(
        compiled.diagnostics.iter().all(|diagnostic| !diagnostic.is_error()),
        "{:?}",
        compiled.diagnostics
    );
    compiled.queries.into_iter().next().unwrap()
}

fn known(aggregates: &[i128]) -> Vec<Option<i128>> {
    aggregates.iter().copied().map(Some).collect()
}

/// Hidden numbers as `(group, name of the aggregate)`.
fn hidden(report: &str, aggregates: &[i128]) -> Vec<(usize, String)> {
    let query = query(report);
    let mut numbers = known(aggregates);
    let released = apply(&query, &numbers);
    let per_group = aggregates_per_group(&query);
    assert_eq!(aggregates.len() % per_group, 0);
    // Counts that stay encrypted hide what they would if they were opened.
    let counts = Conditions::of(&query).counts();
    for (_, number) in numbers.iter_mut().enumerate().filter(|(at, _)| counts.contains(&(at % per_group))) {
        if number.is_some_and(|count| (1..i128::from(query.dataset.release.min_cell)).contains(&count)) {
            *number = None;
        }
    }
    assert_eq!(apply(&query, &numbers), released);
    (0..aggregates.len() / per_group)
        .flat_map(|group| (0..query.aggregates.len()).map(move |index| (group, index)))
        .filter(|&(group, index)| released.reason(group, index).is_some())
        .map(|(group, index)| (group, query.aggregates[index].name.clone()))
        .collect()
}

/// 30-day readmissions by age band in 101,766 encounters (Strack et al. 2014, doi 10.1155/2014/781670).
#[test]
fn one_small_cell_hides_a_second() {
    let rows: [[i128; 3]; 10] = [
        [161, 3, 410],
        [691, 40, 2205],
        [1657, 236, 5907],
        [3775, 424, 14344],
        [9685, 1027, 39124],
        [17256, 1668, 71194],
        [22483, 2502, 98526],
        [26068, 3069, 119_675],
        [17197, 2078, 82694],
        [2793, 310, 13283],
    ];
    let report = "by band report n = count() readmitted = count(flag) days = sum(x)";
    let found = hidden(report, &rows.concat());
    assert_eq!(found, [(0, "readmitted".to_owned()), (1, "readmitted".to_owned())]);
    let query = query(report);
    let text = describe(&query, &apply(&query, &known(&rows.concat())));
    assert!(text.starts_with("HQ080"), "{text}");
    assert!(text.contains("`readmitted` is hidden in 2 of 10 groups: 0 has 1..10; 1 hides what"), "{text}");
}

#[test]
fn zero_and_large_counts_are_shown() {
    assert_eq!(hidden("by flag report n = count()", &[0, 11]), []);
    assert_eq!(hidden("report n = count()", &[10]), [(0, "n".to_owned())]);
}

#[test]
fn a_difference_of_two_counts_is_not_given_away() {
    // 95 of 100: the other 5 would be a small cell.
    assert_eq!(hidden("report n = count() f = count(flag)", &[100, 95]), [(0, "f".to_owned())]);
    assert_eq!(hidden("report n = count() f = count(flag)", &[100, 80]), []);
    // Nested thresholds.
    let nested = "report a = count(x > 10) b = count(x > 20 and flag)";
    assert_eq!(hidden(nested, &[50, 45]), [(0, "b".to_owned())]);
    let apart = "report a = count(x > 20) b = count(other)";
    assert_eq!(hidden(apart, &[50, 45]), []);
}

#[test]
fn all_parts_but_one_of_a_shown_whole_are_not_shown() {
    // a + b + c = n, so one hidden part would follow.
    let parts = "report n = count() a = count(site == a) b = count(site == b) c = count(site == c)";
    let found = hidden(parts, &[1000, 5, 300, 695]);
    assert_eq!(found, [(0, "a".to_owned()), (0, "b".to_owned())]);
}

#[test]
fn every_line_of_a_table_of_two_keys_is_covered() {
    // 10 bands by 3 sites, all large but one.
    let mut counts = vec![100_i128; 30];
    counts[4] = 7;
    let found = hidden("by band, site report n = count()", &counts);
    let groups: Vec<usize> = found.iter().map(|(group, _)| *group).collect();
    assert!(groups.contains(&4));
    for line in (0..10).map(|band| (0..3).map(|site| 3 * band + site).collect::<Vec<_>>()) {
        assert_ne!(line.iter().filter(|group| groups.contains(group)).count(), 1, "{groups:?}");
    }
    for line in (0..3).map(|site| (0..10).map(|band| 3 * band + site).collect::<Vec<_>>()) {
        assert_ne!(line.iter().filter(|group| groups.contains(group)).count(), 1, "{groups:?}");
    }
    assert_eq!(groups.len(), 4);
}

#[test]
fn sums_over_few_rows_are_hidden() {
    let report = "by flag report n = count() total = sum(x)";
    let found = hidden(report, &[1000, 5000, 4, 200]);
    // The smaller group hides the larger: the total is taken as known.
    assert_eq!(found.len(), 4, "{found:?}");
    let masked = "report n = count(flag) total = sum(x * flag) all = sum(x)";
    // The last number is the size of the group, which `all` calls for.
    assert_eq!(hidden(masked, &[3, 200, 5000, 100]), [(0, "n".to_owned()), (0, "total".to_owned())]);
}

#[test]
fn sums_over_few_rows_are_hidden_where_no_count_is_asked_for() {
    // Each sum is followed by its size.
    assert_eq!(hidden("report total = sum(x)", &[120, 3]), [(0, "total".to_owned())]);
    assert_eq!(hidden("report total = sum(x)", &[120, 11]), []);
    assert_eq!(hidden("report total = sum(x)", &[0, 0]), []);
    let sites = "by site report total = sum(x)";
    let both = [(1, "total".to_owned()), (2, "total".to_owned())];
    assert_eq!(hidden(sites, &[5000, 100, 120, 3, 900, 20]), both);
    // All rows but three: the difference of the sums would be a sum over three.
    let without = "report all = sum(x) masked = sum(x * flag)";
    assert_eq!(hidden(without, &[5000, 4800, 100, 97]), [(0, "masked".to_owned())]);
    assert_eq!(hidden(without, &[5000, 2400, 100, 50]), []);
    let text = describe(&query(sites), &apply(&query(sites), &known(&[5000, 100, 120, 3, 900, 20])));
    assert!(
        text.contains("`total` is hidden in 2 of 3 groups: b has a sum over too few rows; c hides"),
        "{text}"
    );
}
