//! From logical columns to the digits that a dataset holds, for backends with tables: a comparison stays, and is one of
//! digits; a value is a combination of digits, or one word.

use std::collections::HashMap;

use hq_plugin_sdk::plan::{Input, NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::{Invalid, ranges};

use super::encode::{Encodings, Values};
use super::prune::prune;
use crate::algebra::{Algebra, Result, rebuild};
use crate::encoding::{Encoding, Form, is_word};
use crate::lower::{PRESENT, known_input, present_input};

/// Replaces every column by its parts.
///
/// # Errors
/// A column without a form that serves, or a value that leaves 62 bits.
pub fn encode_digits(plan: &Plan, encodings: &Encodings, values: Values) -> Result<Plan> {
    let ranges = ranges(plan)?;
    let mut encoder = Encoder { source: plan, ranges, encodings, values, digits: HashMap::new() };
    let encoded = rebuild(plan, |algebra, old, op| {
        let node = encoder.node(algebra, old, op)?;
        if let Some(&range) = encoder.ranges.get(old.index()) {
            algebra.narrow(node, range);
        }
        Ok(node)
    })?;
    // The logical inputs are not read any more.
    prune(&encoded)
}

struct Encoder<'a> {
    source: &'a Plan,
    ranges: Vec<Range>,
    encodings: &'a Encodings,
    values: Values,
    /// What nodes of the source are made of digits alone.
    digits: HashMap<NodeId, NodeId>,
}

impl Encoder<'_> {
    fn node(&mut self, algebra: &mut Algebra, old: NodeId, op: Op) -> Result<NodeId> {
        let (node, digits) = match self.source.op(old).cloned() {
            Some(Op::Input { input, .. }) => {
                let input = self.source.inputs.get(input.index()).cloned().unwrap_or_else(present_input);
                let digits = self.input(algebra, &input, false)?;
                (self.input(algebra, &input, self.values == Values::Whole)?, digits)
            }
            Some(Op::Linear(linear)) => {
                let mut terms = Vec::with_capacity(linear.terms().len());
                for &(coefficient, term) in linear.terms() {
                    terms.push((coefficient, self.digits_of(term)?));
                }
                (algebra.apply(op)?, algebra.linear(linear.constant(), terms)?)
            }
            Some(Op::Member { arg, set }) => {
                let arg = self.digits_of(arg)?;
                let node = algebra.member(arg, &set)?;
                (node, node)
            }
            Some(Op::Less { left, right }) => {
                let (left, right) = (self.digits_of(left)?, self.digits_of(right)?);
                let node = algebra.apply(Op::Less { left, right })?;
                (node, node)
            }
            Some(Op::Equal { left, right }) => {
                let (left, right) = (self.digits_of(left)?, self.digits_of(right)?);
                let node = algebra.apply(Op::Equal { left, right })?;
                (node, node)
            }
            Some(Op::Mul { left, right }) => match self.guarded(left, right) {
                // Parts are 0 where a cell is missing: a guard costs nothing.
                Some((known, column)) => {
                    let (digits, guard) = (self.input(algebra, &column, false)?, self.digits_of(known)?);
                    let lo = self.encoding(&column.name)?.lo;
                    let digits = algebra.linear(-lo, [(1, digits), (lo, guard)])?;
                    let whole = self.input(algebra, &column, self.values == Values::Whole)?;
                    let node = if self.is_word(algebra, whole) { whole } else { digits };
                    (node, digits)
                }
                None => {
                    // A word serves under conditions only, not where it is multiplied by another value.
                    let under_condition = self.is_flag(left) || self.is_flag(right);
                    let (left, right) = (self.digits_of(left)?, self.digits_of(right)?);
                    let digits = algebra.mul(left, right)?;
                    (if under_condition { algebra.apply(op)? } else { digits }, digits)
                }
            },
            Some(Op::Relinearize { .. } | Op::ModSwitch { .. } | Op::Drop { .. } | Op::Lookup { .. })
            | None => {
                let node = algebra.apply(op)?;
                (node, node)
            }
        };
        self.digits.insert(old, digits);
        Ok(node)
    }

    /// The `known` of a column and the column, where these are the factors.
    fn guarded(&self, left: NodeId, right: NodeId) -> Option<(NodeId, Input)> {
        let input = |node: NodeId| {
            let Op::Input { input, .. } = self.source.op(node)? else { return None };
            self.source.inputs.get(input.index())
        };
        [(left, right), (right, left)].into_iter().find_map(|(known, column)| {
            let (guard, column_input) = (input(known)?, input(column)?);
            let has_known = self.encodings.get(&column_input.name)?.has_known();
            (has_known && guard.name == known_input(&column_input.name))
                .then(|| (known, column_input.clone()))
        })
    }

    fn is_flag(&self, old: NodeId) -> bool {
        self.ranges
            .get(old.index())
            .is_some_and(|range| Range::BOOL.contains(range.lo()) && Range::BOOL.contains(range.hi()))
    }

    fn is_word(&self, algebra: &Algebra, node: NodeId) -> bool {
        let input = match algebra.plan().op(node) {
            Some(Op::Input { input, .. }) => algebra.plan().inputs.get(input.index()),
            _ => None,
        };
        input.is_some_and(|input| is_word(&input.name))
    }

    fn digits_of(&self, old: NodeId) -> Result<NodeId> {
        self.digits.get(&old).copied().ok_or_else(|| Invalid {
            place: old.to_string(),
            reason: "operand is not defined above".to_owned(),
        })
    }

    /// A column as a combination of parts, or its `known` flag; as a word, where it is held so and one is wanted.
    fn input(&self, algebra: &mut Algebra, input: &Input, word: bool) -> Result<NodeId> {
        let name = input.name.as_str();
        if name == PRESENT {
            return algebra.input(present_input(), None);
        }
        if let Some(column) = name.strip_suffix(".known") {
            return match self.encoding(column)?.has_known() {
                true => algebra.input(Input { name: known_input(column), ..present_input() }, None),
                false => algebra.constant(1),
            };
        }
        let encoding = self.encoding(name)?;
        let serves = |form: &&Form| match form {
            Form::Word => word && input.origin == Origin::Table,
            Form::Limbs { .. } | Form::Bits => true,
            Form::Levels
            | Form::OneHot { .. }
            | Form::Thermometer { .. }
            | Form::Cuts { .. }
            | Form::Square => false,
        };
        let whole = |form: &&Form| !matches!(form, Form::Word);
        let form = encoding.forms.iter().filter(serves).min_by_key(whole).ok_or_else(|| Invalid {
            place: name.to_owned(),
            reason: "the dataset does not hold it in digits".to_owned(),
        })?;
        let width = if let Form::Limbs { bits } = form { *bits } else { 1 };
        let mut terms = Vec::new();
        for (index, mut part) in (0..).zip(encoding.parts_of(name, form)) {
            part.input.origin = input.origin;
            terms.push((1_i64 << (index * width).min(62), algebra.input(part.input, None)?));
        }
        let constant = if matches!(form, Form::Word) { 0 } else { encoding.lo };
        let node = algebra.linear(constant, terms)?;
        algebra.narrow(node, input.range);
        Ok(node)
    }

    fn encoding(&self, column: &str) -> Result<&Encoding> {
        self.encodings.get(column).ok_or_else(|| Invalid {
            place: column.to_owned(),
            reason: "the dataset does not hold this column".to_owned(),
        })
    }
}
