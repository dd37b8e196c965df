//! Which counts of queries let which of their numbers out, where small counts are to stay encrypted: every number leaves
//! behind the count of just its rows. What follows from counts of more rows is hidden after opening.

use std::collections::BTreeMap;

use hq_dsl::Query;
use hq_plugin_sdk::cells::{GatedCell, Gates};
use hq_plugin_sdk::plan::{AggregateId, Plan, SumId};

use crate::joint::shares;
use crate::sizes::{Conjunction, aggregates_per_group, is_count, rows_behind, sizes};

/// The gates of queries over one dataset, in their circuit; `None` where its small counts are hidden after opening, or not at
/// all.
#[must_use]
pub fn gates(circuit: &Plan, queries: &[&Query]) -> Option<Gates> {
    let release = &queries.first()?.dataset.release;
    if !release.min_cell_encrypted || release.min_cell < 2 {
        return None;
    }
    // Equal counts are one sum, and one decision.
    let mut cells: BTreeMap<SumId, GatedCell> = BTreeMap::new();
    for (query, share) in queries.iter().zip(shares(queries)) {
        let within = cells_of_group(query);
        for first in share.step_by(aggregates_per_group(query).max(1)) {
            let id = |within: &usize| AggregateId::from_index(first + within);
            for (count, opens) in &within {
                let Some(count) = id(count) else { continue };
                let opens = opens.iter().filter_map(id);
                let sum = circuit.aggregates.get(count.index()).and_then(|aggregate| aggregate.terms.first());
                let Some(&(_, sum)) = sum else { continue };
                let cell = cells.entry(sum).or_insert_with(|| GatedCell { count, opens: Vec::new() });
                cell.opens.extend(opens);
            }
        }
    }
    let cells = cells.into_values().map(|mut cell| {
        cell.opens.sort_unstable();
        cell.opens.dedup();
        cell
    });
    Some(Gates { least: release.min_cell, placed: None, cells: cells.collect() })
}

/// The counts of a group, each with the numbers over its rows, itself among them.
fn cells_of_group(query: &Query) -> Vec<(usize, Vec<usize>)> {
    let rows: Vec<Conjunction> =
        query.aggregates.iter().map(|aggregate| rows_behind(query, aggregate)).chain(sizes(query)).collect();
    let counts =
        |index: usize| query.aggregates.get(index).is_none_or(|aggregate| is_count(query, aggregate));
    let (counts, sums): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&index| counts(index));
    let mut cells: Vec<(usize, Vec<usize>)> = counts.into_iter().map(|count| (count, vec![count])).collect();
    for sum in sums {
        // The engine counts the rows behind every sum, so there is one.
        if let Some((_, opens)) = cells.iter_mut().find(|(count, _)| rows.get(*count) == rows.get(sum)) {
            opens.push(sum);
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;
    use crate::lower::{Scores, lower_all};

    /// Cells as they are printed, of queries over one dataset.
    fn cells(rule: &str, queries: &[&str]) -> Option<String> {
        let parsed: Vec<Query> = queries
            .iter()
            .map(|query| {
                let text = format!(
                    "dataset d {{ rows <= 1_000 release {{ {rule} max_cells 100 }}\n x: 0..99\n flag: bool\n site: \
                     {{a, b}} }}\nquery q from d {query}"
                );
                let compiled = hq_dsl::compile("q.hq", &text, &[], &hq_dsl::NoModules);
                assert!(!compiled.diagnostics.iter().any(hq_dsl::Diagnostic::is_error), "{compiled:?}");
                compiled.queries.into_iter().next().unwrap()
            })
            .collect();
        let queries: Vec<&Query> = parsed.iter().collect();
        let mut circuit = lower_all(&queries, Scores::AsMasks).unwrap();
        circuit.gates = gates(&circuit, &queries);
        let text = circuit.to_string();
        let cells = text.lines().filter_map(|line| line.strip_prefix("cell ")).collect::<Vec<_>>();
        circuit.gates.is_some().then(|| cells.join(", "))
    }

    #[test]
    fn every_number_is_behind_the_count_of_its_rows() {
        let encrypted = "min_cell 11 encrypted";
        let found = |queries: &[&str]| cells(encrypted, queries).unwrap();
        assert_eq!(found(&["report n = count()"]), "a0 opens a0");
        assert_eq!(found(&["report n = count() s = sum(x) r = count(flag)"]), "a0 opens a0 a1, a2 opens a2");
        // No count is asked for: the size behind the sum is one.
        assert_eq!(found(&["report s = sum(x)"]), "a1 opens a0 a1");
        assert_eq!(found(&["report s = sum(x * flag) n = count()"]), "a1 opens a1, a2 opens a0 a2");
        assert_eq!(found(&["by site report n = count() s = sum(x)"]), "a0 opens a0 a1, a2 opens a2 a3");
        // What two queries count is one cell.
        let two = found(&["report n = count() s = sum(x)", "report n = count() r = count(flag)"]);
        assert_eq!(two, "a0 opens a0 a1 a2, a3 opens a3");
    }

    #[test]
    fn without_the_word_nothing_is_behind_gates() {
        assert_eq!(cells("min_cell 11", &["report n = count()"]), None);
        assert_eq!(hq_dsl::MAX_ENCRYPTED_MIN_CELL, *hq_plugin_sdk::gate::BASES.end());
    }
}
