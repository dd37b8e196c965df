//! Small plans, one per operation and per way to combine them, and tables of values for them.

use std::fmt::Write as _;

use super::{Report, Subject, Table};
use crate::capabilities::InputForm;
use crate::parameters::Parameters;
use crate::plan::{Input, Origin, Plan};
use crate::range::Range;
use crate::verify::ranges;

/// A plan with what it is about.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) plan: Plan,
}

/// Name, inputs, nodes.
type Columns = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Circuits over columns. Every node is summed.
const COLUMNS: &[Columns] = &[
    ("input", &["a 0..200", "b -100..100"], &["input a", "input b"]),
    ("one interval", &["a 0..200"], &["input a", "member %0 {65..74}"]),
    ("open intervals", &["a 0..200"], &["input a", "member %0 {0..64}", "member %0 {65..200}"]),
    ("outside an interval", &["a -9..200"], &["input a", "member %0 {-9..64,75..200}"]),
    ("set over few values", &["a -5..40"], &["input a", "member %0 {-5..-4,0..0,7..9,31..40}"]),
    (
        "set over many values",
        &["a -500..500"],
        &["input a", "member %0 {-450..-449,-7..9,31..40,77..77,300..499}"],
    ),
    ("set beyond the range", &["a 0..9"], &["input a", "member %0 {-5..2,5..5,8..99}", "member %0 {50..60}"]),
    ("empty and full set", &["a 0..9"], &["input a", "member %0 {}", "member %0 {-1..10}"]),
    ("less", &["a 0..20", "b -5..15"], &["input a", "input b", "less %0 %1", "less %1 %0", "less %0 %0"]),
    ("equal", &["a 0..6", "b -2..4"], &["input a", "input b", "equal %0 %1", "equal %0 %0"]),
    ("linear", &["a 0..20", "b -5..15"], &["input a", "input b", "linear 7 -3*%0 5*%1", "linear 0 -1*%0"]),
    ("constant", &["a 0..20"], &["input a", "linear -4", "linear 0", "mul %0 %1"]),
    ("product", &["a -9..20", "b -5..15"], &["input a", "input b", "mul %0 %1", "mul %1 %1"]),
    (
        "boolean algebra",
        &["a 0..200", "b 0..1"],
        &[
            "input a",
            "input b",
            "member %0 {65..200}",
            "mul %1 %2",
            "linear 0 1*%1 1*%2 -1*%3",
            "linear 1 -1*%4",
            "mul %0 %5",
        ],
    ),
    (
        "secret parameter",
        &["a 0..20", "p 0..20 parameter"],
        &["input a", "input p", "less %0 %1", "linear 0 2*%0 -1*%1", "mul %0 %1"],
    ),
    (
        "wide values",
        &["a -9000000000000000..9000000000000000"],
        &["input a", "linear 5 -2*%0", "member %0 {0..2000000000000000}"],
    ),
    (
        "sums that leave 64 bits",
        &["a -2000000000000000000..2000000000000000000"],
        &["input a", "linear 5 -2*%0", "member %0 {0..2000000000000000000}"],
    ),
];

/// Name, inputs, nodes, and which of them are summed.
type Parts = (&'static str, &'static [&'static str], &'static [&'static str], &'static [usize]);

/// Placed plans over parts, for a chain of five primes and release at level 1.
const PARTS: &[Parts] = &[
    ("input at each level", &["a 0..1"], &["input a @1", "input a @2", "input a @4"], &[0, 1, 2]),
    ("linear", &["v 0..63", "w -5..9"], &["input v @2", "input w @2", "linear 3 -2*%0 5*%1"], &[2]),
    ("negation", &["a 0..1"], &["input a @1", "linear 1 -1*%0", "linear 0 -7*%0"], &[0, 1, 2]),
    ("product, never relinearized", &["a 0..1", "v 0..63"], &["input a @3", "input v @3", "mul %0 %1"], &[2]),
    ("square", &["w -5..9"], &["input w @3", "mul %0 %0"], &[1]),
    (
        "product, relinearized and switched",
        &["a 0..1", "v 0..63"],
        &["input a @4", "input v @4", "mul %0 %1", "relinearize %2", "mod_switch %3"],
        &[3, 4],
    ),
    (
        "two products in a row",
        &["a 0..1", "b 0..1", "v 0..63"],
        &[
            "input a @4",
            "input b @4",
            "mul %0 %1",
            "relinearize %2",
            "mod_switch %3",
            "input v @3",
            "mul %4 %5",
            "relinearize %6",
            "mod_switch %7",
        ],
        &[4, 6, 8],
    ),
    (
        "switch of three parts",
        &["a 0..1", "b 0..1"],
        &["input a @4", "input b @4", "mul %0 %1", "mod_switch %2"],
        &[3],
    ),
    (
        "drop",
        &["a 0..1", "v 0..63"],
        &["input a @4", "drop %0 @2", "input v @2", "mul %1 %2", "drop %0 @1"],
        &[1, 3, 4],
    ),
    (
        "secret parameter",
        &["a 0..1", "p 0..1 parameter"],
        &[
            "input a @4",
            "input p @4",
            "mul %0 %1",
            "relinearize %2",
            "mod_switch %3",
            "linear 1 -1*%1",
            "drop %1 @1",
        ],
        &[4, 5, 6],
    ),
    (
        "relinearized sum of products",
        &["a 0..1", "b 0..1", "w -5..9"],
        &[
            "input a @4",
            "input b @4",
            "input w @4",
            "mul %0 %2",
            "mul %1 %2",
            "linear -2 3*%3 -1*%4 4*%2",
            "relinearize %5",
            "mod_switch %6",
        ],
        &[5, 7],
    ),
];

/// Plans of bootstraps, for tables of at least 16 entries and sums of at least 24 bits.
const TABLES: &[Parts] = &[
    ("identity", &["a 0..9"], &["input a", "lookup %0 0 [0,1,2,3,4,5,6,7,8,9]"], &[1]),
    ("full table", &["a 0..15"], &["input a", "lookup %0 0 [5,-3,0,7,1,1,2,9,-8,4,0,0,6,3,2,11]"], &[1]),
    (
        "tables of one value",
        &["a 0..3"],
        &[
            "input a",
            "lookup %0 0 [1,0,0,0]",
            "lookup %0 0 [0,7,0,2]",
            "lookup %0 0 [0,0,5,0]",
            "lookup %0 0 [-2,0,0,9]",
            "lookup %0 0 [1,1,1,0]",
        ],
        &[1, 2, 3, 4, 5],
    ),
    (
        "sum of digits, then a table",
        &["a 0..3", "b -2..1"],
        &["input a", "input b", "linear 2 4*%1 1*%0", "lookup %2 -6 [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]"],
        &[3],
    ),
    (
        "table of tables",
        &["a 0..15", "b 0..1"],
        &[
            "input a",
            "lookup %0 0 [0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1]",
            "lookup %0 0 [0,2,0,2,0,2,0,2,0,2,0,2,0,2,0,2]",
            "input b",
            "linear 1 1*%1 1*%2 -1*%3",
            "lookup %4 0 [3,1,4,1,5]",
            "lookup %4 0 [1,0,0,0,1]",
        ],
        &[1, 5, 6],
    ),
    (
        "sum of tables with a constant",
        &["a 0..3", "b 0..3"],
        &["input a", "input b", "lookup %0 0 [0,3,5,1]", "lookup %1 0 [2,0,0,4]", "linear 3 1*%2 -2*%3"],
        &[2, 4],
    ),
    (
        "secret parameter",
        &["a 0..3", "p 0..3 parameter"],
        &["input a", "input p", "linear 0 4*%0 1*%1", "lookup %2 0 [0,0,0,0,1,0,0,0,1,1,0,0,1,1,1,0]"],
        &[3],
    ),
    (
        "encrypted entry",
        &["a 0..1", "b 0..1", "v 0..200"],
        &[
            "input a",
            "input b",
            "linear 0 1*%0 1*%1",
            "lookup %2 0 [0,0,v]",
            "lookup %2 0 [0,0,1]",
            "lookup %0 0 [0,v]",
            "lookup %0 0 [v,0]",
        ],
        &[3, 4, 5, 6],
    ),
];

/// The plans whose operations the backend claims, and one with nothing to do.
pub(super) fn all(subject: &Subject, report: &mut Report) -> Vec<Case> {
    let capabilities = subject.evaluator.capabilities();
    let mut cases = Vec::new();
    let texts: Vec<(&'static str, String)> = match capabilities.inputs {
        InputForm::Columns => COLUMNS
            .iter()
            .map(|(name, inputs, nodes)| {
                (*name, text(subject, inputs, nodes, &(0..nodes.len()).collect::<Vec<_>>()))
            })
            .collect(),
        InputForm::Parts => if capabilities.bootstrapped.is_some() { TABLES } else { PARTS }
            .iter()
            .map(|(name, inputs, nodes, sums)| (*name, text(subject, inputs, nodes, sums)))
            .collect(),
    };
    for (name, text) in texts.into_iter().chain([("nothing", text(subject, &[], &[], &[]))]) {
        match Plan::parse(&text) {
            Ok(plan) if plan.nodes().iter().all(|op| capabilities.ops.contains(&op.kind())) => {
                cases.push(Case { name, plan });
            }
            Ok(_) => {}
            Err(error) => report.require(false, name, error),
        }
    }
    cases
}

/// The case whose session the hostile checks disturb: the last with inputs that is run.
pub(super) fn richest(cases: &[Case]) -> Option<&Case> {
    cases.iter().max_by_key(|case| (case.plan.inputs.len(), case.plan.sums.len()))
}

/// A plan's text; the range of a sum is that of its node.
fn text(subject: &Subject, inputs: &[&str], nodes: &[&str], sums: &[usize]) -> String {
    // As many rows as sums of 24 bits hold, and a million where nothing limits them.
    let rows = if let Parameters::Tfhe(_) = subject.parameters { 50_000 } else { 1_000_000 };
    let mut text = format!("{}\nrows {rows}\n", crate::text::HEADER);
    // Writing to a String cannot fail.
    if let Ok(json) = serde_json::to_string(&subject.parameters) {
        let _ = writeln!(text, "parameters {json}");
    }
    if let Parameters::Rns(_) = subject.parameters {
        text.push_str("release @1 relinearize @2 flood 40\n");
    }
    for input in inputs {
        let _ = writeln!(text, "input {input}");
    }
    for (index, node) in nodes.iter().enumerate() {
        let _ = writeln!(text, "%{index} = {node}");
    }
    let ranges = Plan::parse(&text).ok().and_then(|plan| ranges(&plan).ok()).unwrap_or_default();
    for sum in sums {
        if let Some(range) = ranges.get(*sum) {
            let _ = writeln!(text, "sum %{sum} {range}");
        }
    }
    text
}

/// Values for a plan's inputs: two full blocks, one with few rows and one with none.
pub(super) fn table(subject: &Subject, plan: &Plan, seed: u64) -> Table {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let full = subject.rows_per_block();
    let parameters: Vec<i64> = plan.inputs.iter().map(|input| random.within(input.range)).collect();
    [full, full, full / 3, 0]
        .map(|rows| {
            let column = |(input, &parameter): (&Input, &i64)| match input.origin {
                Origin::Table => (0..rows).map(|_| random.within(input.range)).collect(),
                Origin::Parameter => vec![parameter],
            };
            plan.inputs.iter().zip(&parameters).map(column).collect()
        })
        .into()
}

/// Xorshift (Marsaglia 2003): the same values on every run.
struct Random(u64);

impl Random {
    fn within(&mut self, range: Range) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // Every eighth value stands at an end of the range, where mistakes are.
        match self.0 % 16 {
            0 => range.lo(),
            1 => range.hi(),
            _ => range.lo().saturating_add_unsigned((self.0 >> 8) % range.size()),
        }
    }
}
