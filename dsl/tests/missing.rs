//! A property of the flow of missing values: whatever program is accepted, no number depends on what
//! stands in a missing cell.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failing test may panic")]

mod support;

use hq_dsl::{NoModules, Query, compile};
use support::row_values_filled;

/// A small generator: the test must not depend on more than its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn condition(&mut self, depth: usize) -> String {
        let sides = if depth == 0 { 6 } else { 12 };
        match self.roll(sides) {
            0 | 1 => format!("known({})", ["a", "b", "p"][self.roll(3)]),
            2 => format!("a > {}", self.roll(3)),
            3 => format!("b in [{}, 3]", self.roll(3)),
            4 => "p".to_owned(),
            5 => format!("{} == x", ["s", "(s ?? y)"][self.roll(2)]),
            6 => format!("not ({})", self.condition(depth - 1)),
            7 | 8 => format!("({} and {})", self.condition(depth - 1), self.condition(depth - 1)),
            9 => format!("({} or {})", self.condition(depth - 1), self.condition(depth - 1)),
            10 => format!(
                "case {{ {} -> {} else -> {} }}",
                self.condition(depth - 1),
                self.condition(depth - 1),
                self.condition(depth - 1)
            ),
            _ => format!("{} < {}", self.number(depth - 1), self.number(depth - 1)),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        match self.roll(if depth == 0 { 3 } else { 7 }) {
            0 => "a".to_owned(),
            1 => "b".to_owned(),
            2 => "(a ?? b ?? 2)".to_owned(),
            3 => format!("max({}, {})", self.number(depth - 1), self.number(depth - 1)),
            4 => format!("({} - {})", self.number(depth - 1), self.number(depth - 1)),
            5 => "cut((a ?? 0) + 3, [4, 5]) in [\"3..3\", \"5..6\"]".to_owned(),
            _ => format!(
                "case {{ {} -> {} else -> {} }}",
                self.condition(depth - 1),
                self.number(depth - 1),
                self.number(depth - 1)
            ),
        }
    }
}

fn released(query: &Query, cells: &[Option<i64>], fill: usize) -> Vec<i64> {
    let values = row_values_filled(query, cells, |lo, hi| if fill == 0 { lo } else { hi });
    let present = values[query.filter.index()];
    let keys = query.by.iter().map(|key| values[key.value.index()] * present);
    let sums = query.aggregates.iter().map(|aggregate| values[aggregate.value.index()] * present);
    std::iter::once(present).chain(keys).chain(sums).collect()
}

#[test]
fn no_number_depends_on_a_missing_cell() {
    const SCHEMA: &str = "dataset d { rows <= 9 a: 0..3 ? b: 0..3 ? p: bool ? s: {x, y} ? }";
    let mut dice = Dice(11);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..6_000 {
        let known = ["known(a) and known(b)", "known(s) or known(p)", "known(p) and known(s)", "a ?? 1 > 0"];
        let text = format!(
            "{SCHEMA} query q from d where {} where {} by k = {} report n = count({}) t = sum({})",
            known[dice.roll(4)],
            dice.condition(1),
            dice.condition(0),
            dice.condition(2),
            dice.number(1)
        );
        let compiled = compile("q.hq", &text, &[], &NoModules);
        let Some(query) = compiled.queries.first() else {
            refused += 1;
            continue;
        };
        accepted += 1;
        for a in [None, Some(0), Some(2)] {
            for b in [None, Some(1), Some(3)] {
                for p in [None, Some(0), Some(1)] {
                    for s in [None, Some(0), Some(1)] {
                        let cells = [a, b, p, s];
                        let (low, high) = (released(query, &cells, 0), released(query, &cells, 1));
                        assert_eq!(low, high, "{cells:?} in {text}\n{query}");
                    }
                }
            }
        }
    }
    eprintln!("{accepted} programs accepted, {refused} refused");
    assert!(accepted > 300, "{accepted}");
}
