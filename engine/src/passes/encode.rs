//! From logical columns to the parts a dataset holds: comparisons become products and sums of bits or
//! one-hot flags, and values become sums of scaled bits.

use std::collections::HashMap;

use hq_plugin_sdk::plan::{NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::RangeSet;
use hq_plugin_sdk::verify::{Invalid, ranges};

use super::comparator::Comparator;
use super::number;
use super::presence::AtAbsence;
use super::prune::prune;
use crate::algebra::{Algebra, Result, rebuild};
use crate::encoding::{Encoding, Part};
use crate::lower::{PRESENT, present_input};

/// The form of each column, by name.
pub type Encodings = HashMap<String, Encoding>;

/// Replaces every column, and every comparison of one, by its parts.
///
/// # Errors
/// A column without a form, or a value that leaves 62 bits.
pub fn encode(plan: &Plan, encodings: &Encodings) -> Result<Plan> {
    let mut encoder = Encoder {
        source: plan,
        encodings,
        comparators: HashMap::new(),
        absent: AtAbsence::default(),
        columns: columns(plan),
    };
    let source_ranges = ranges(plan)?;
    let encoded = rebuild(plan, |algebra, old, op| {
        let node = encoder.node(algebra, old, op)?;
        if let Some(&range) = source_ranges.get(old.index()) {
            algebra.narrow(node, range);
        }
        Ok(node)
    })?;
    // The logical inputs are not read any more.
    prune(&encoded)
}

struct Encoder<'a> {
    source: &'a Plan,
    encodings: &'a Encodings,
    comparators: HashMap<String, Comparator>,
    absent: AtAbsence,
    columns: Vec<Columns>,
}

/// Which columns a node depends on, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Columns {
    None,
    One(String),
    Many,
}

impl Encoder<'_> {
    fn node(&mut self, algebra: &mut Algebra, old: NodeId, op: Op) -> Result<NodeId> {
        match self.source.op(old) {
            Some(Op::Input { input, .. }) => {
                let name = self.source.inputs.get(input.index()).map_or("", |input| input.name.as_str());
                self.input(algebra, name)
            }
            Some(Op::Member { arg, set }) => match self.column_of(*arg) {
                Some(column) => self.member(algebra, &column, set),
                None => {
                    let Op::Member { arg: new, .. } = op else { return algebra.apply(op) };
                    number::member(algebra, new, set)
                }
            },
            Some(Op::Less { .. }) => {
                let Op::Less { left, right } = op else { return algebra.apply(op) };
                number::less(algebra, left, right)
            }
            Some(Op::Equal { .. }) => {
                let Op::Equal { left, right } = op else { return algebra.apply(op) };
                number::equal(algebra, left, right)
            }
            Some(Op::Mul { left, right }) => {
                let Op::Mul { left: new_left, right: new_right } = op else { return algebra.apply(op) };
                if self.guards(*left, *right) {
                    return self.guarded(algebra, new_left, new_right);
                }
                if self.guards(*right, *left) {
                    return self.guarded(algebra, new_right, new_left);
                }
                algebra.mul(new_left, new_right)
            }
            Some(Op::Linear(_) | Op::Relinearize { .. } | Op::ModSwitch { .. } | Op::Drop { .. }) | None => {
                algebra.apply(op)
            }
        }
    }

    /// The value of a column, or its `known` flag.
    fn input(&self, algebra: &mut Algebra, name: &str) -> Result<NodeId> {
        if name == PRESENT {
            return algebra.input(present_input(), None);
        }
        if let Some(column) = name.strip_suffix(".known") {
            let encoding = self.encoding(column)?;
            let parts = encoding.parts(column);
            return match encoding {
                Encoding::Bits { .. } => match parts.last() {
                    Some(known) => algebra.input(known.input.clone(), None),
                    None => algebra.constant(1),
                },
                Encoding::OneHot { .. } => {
                    let mut terms = Vec::with_capacity(parts.len());
                    for part in parts {
                        terms.push((1, algebra.input(part.input, None)?));
                    }
                    algebra.linear(0, terms)
                }
            };
        }
        match self.encoding(name)? {
            Encoding::Bits { lo, .. } => {
                let terms: Vec<(i64, NodeId)> = self
                    .bits(algebra, name)?
                    .into_iter()
                    .zip(0_u32..)
                    .map(|(bit, exponent)| (1 << exponent.min(62), bit))
                    .collect();
                algebra.linear(lo, terms)
            }
            Encoding::OneHot { lo, .. } => {
                let mut terms = Vec::new();
                for (part, value) in self.parts(name)?.into_iter().zip(lo..) {
                    terms.push((value, algebra.input(part.input, None)?));
                }
                algebra.linear(0, terms)
            }
        }
    }

    fn encoding(&self, column: &str) -> Result<Encoding> {
        self.encodings.get(column).copied().ok_or_else(|| Invalid {
            place: column.to_owned(),
            reason: "the dataset does not hold this column".to_owned(),
        })
    }

    /// The parts of a column or a parameter.
    fn parts(&self, column: &str) -> Result<Vec<Part>> {
        let mut parts = self.encoding(column)?.parts(column);
        let source = self.source.inputs.iter().find(|input| input.name == column);
        let origin = source.map_or(Origin::Table, |input| input.origin);
        parts.iter_mut().for_each(|part| part.input.origin = origin);
        Ok(parts)
    }

    fn bits(&self, algebra: &mut Algebra, column: &str) -> Result<Vec<NodeId>> {
        let Encoding::Bits { bits, .. } = self.encoding(column)? else { return Ok(Vec::new()) };
        self.parts(column)?
            .into_iter()
            .take(usize::from(bits))
            .map(|part| algebra.input(part.input, None))
            .collect()
    }

    /// A column whose value the node is.
    fn column_of(&self, node: NodeId) -> Option<String> {
        let Some(Op::Input { input, .. }) = self.source.op(node) else { return None };
        let name = &self.source.inputs.get(input.index())?.name;
        self.encodings.contains_key(name).then(|| name.clone())
    }

    fn member(&mut self, algebra: &mut Algebra, column: &str, set: &RangeSet) -> Result<NodeId> {
        match self.encoding(column)? {
            Encoding::OneHot { lo, .. } => {
                let mut terms = Vec::new();
                for (part, value) in self.parts(column)?.into_iter().zip(lo..) {
                    if set.contains(value) {
                        terms.push((1, algebra.input(part.input, None)?));
                    }
                }
                algebra.linear(0, terms)
            }
            Encoding::Bits { lo, .. } => {
                let parts = self.bits(algebra, column)?;
                let top = self.source.inputs.iter().find(|input| input.name == column);
                let hi = top.map_or(lo, |input| input.range.hi());
                let comparator =
                    self.comparators.entry(column.to_owned()).or_insert_with(|| Comparator::new(parts));
                comparator.member(algebra, set, lo, hi)
            }
        }
    }

    /// Whether `known` is the presence flag of the only column that `guarded` reads.
    fn guards(&self, known: NodeId, guarded: NodeId) -> bool {
        let Some(Op::Input { input, .. }) = self.source.op(known) else { return false };
        let name = self.source.inputs.get(input.index()).map_or("", |input| input.name.as_str());
        name.strip_suffix(".known")
            .is_some_and(|column| self.columns.get(guarded.index()) == Some(&Columns::One(column.to_owned())))
    }

    /// `known * g` where g reads one column only: absence is zero, so where the cell is missing g has the
    /// value c of the circuit at zero, and the product is `g - c + c * known`. No product is spent.
    fn guarded(&mut self, algebra: &mut Algebra, known: NodeId, g: NodeId) -> Result<NodeId> {
        match self.absent.value(algebra.plan(), g) {
            Some(c) => algebra.linear(-c, [(1, g), (c, known)]),
            None => algebra.mul(known, g),
        }
    }
}

fn columns(plan: &Plan) -> Vec<Columns> {
    let mut columns: Vec<Columns> = Vec::with_capacity(plan.nodes().len());
    for op in plan.nodes() {
        let own = if let Op::Input { input, .. } = op {
            let name = plan.inputs.get(input.index()).map_or("", |input| input.name.as_str());
            Columns::One(name.strip_suffix(".known").unwrap_or(name).to_owned())
        } else {
            op.operands().into_iter().fold(Columns::None, |joined, operand| {
                match (joined, columns.get(operand.index())) {
                    (Columns::None, Some(other)) => other.clone(),
                    (joined, Some(Columns::None)) => joined,
                    (joined, Some(other)) if joined == *other => joined,
                    _ => Columns::Many,
                }
            })
        };
        columns.push(own);
    }
    columns
}
