//! From logical columns to the parts a dataset holds: comparisons become products and sums of flags, and values
//! become words, or sums of scaled flags.

use std::collections::{BTreeSet, HashMap};

use hq_plugin_sdk::plan::{Input, NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::{Range, RangeSet};
use hq_plugin_sdk::verify::{Invalid, ranges};

use super::comparator::Comparator;
use super::digits::Digits;
use super::number;
use super::presence::AtAbsence;
use super::prune::prune;
use crate::algebra::{Algebra, Result, rebuild};
use crate::encoding::{Encoding, Form, Part};
use crate::lower::{PRESENT, known_input, present_input};

/// The forms of each column, by name.
pub type Encodings = HashMap<String, Encoding>;

/// How the values of columns enter sums, where the dataset leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// In one piece, for a plaintext modulus that holds the sum.
    Whole,
    /// In the limbs that the dataset holds.
    Limbs,
    /// As flags, of which a sum in limbs takes as many as its modulus holds.
    Flags,
}

/// Replaces every column, and every comparison of one, by its parts.
///
/// # Errors
/// A column without a form that serves, or a value that leaves 62 bits.
pub fn encode(plan: &Plan, encodings: &Encodings, values: Values) -> Result<Plan> {
    let mut encoder = Encoder {
        source: plan,
        encodings,
        values,
        comparators: HashMap::new(),
        held: HashMap::new(),
        absent: AtAbsence::default(),
        columns: columns(plan),
        renamed: vec![None; plan.nodes().len()],
        flags: HashMap::new(),
        valueless: BTreeSet::new(),
    };
    let (source_ranges, gaps) = (ranges(plan)?, with_gaps(plan));
    let encoded = rebuild(plan, |algebra, old, op| {
        let node = encoder.node(algebra, old, op)?;
        if let Some(&range) = source_ranges.get(old.index()) {
            // What stands at a missing cell counts as 0 once it is guarded, and a guard may cost no node of its own.
            let missing = gaps.get(old.index()) == Some(&true);
            algebra.narrow(node, if missing { range.hull(Range::single(0)) } else { range });
        }
        if let Some(place) = encoder.renamed.get_mut(old.index()) {
            *place = Some(node);
        }
        Ok(node)
    })?;
    // The logical inputs are not read any more.
    let encoded = prune(&encoded)?;
    let read = |column: &String| encoded.inputs.iter().any(|input| input.name == *column);
    match encoder.valueless.iter().find(|column| read(column)) {
        Some(column) => Err(missing(column, "its value")),
        None => Ok(encoded),
    }
}

struct Encoder<'a> {
    source: &'a Plan,
    encodings: &'a Encodings,
    values: Values,
    comparators: HashMap<String, Comparator>,
    /// Parts of columns by form, as nodes.
    held: HashMap<String, Vec<(&'a Form, Vec<NodeId>)>>,
    absent: AtAbsence,
    columns: Vec<Columns>,
    /// What the nodes of the source became.
    renamed: Vec<Option<NodeId>>,
    /// The same, made of flags alone.
    flags: HashMap<NodeId, NodeId>,
    /// Columns of which no form makes up the value. That is no harm where they are only compared with constants.
    valueless: BTreeSet<String>,
}

/// Which columns a node depends on, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Columns {
    None,
    One(String),
    Many,
}

impl<'a> Encoder<'a> {
    fn node(&mut self, algebra: &mut Algebra, old: NodeId, op: Op) -> Result<NodeId> {
        match self.source.op(old) {
            Some(Op::Input { input, .. }) => {
                let name = self.source.inputs.get(input.index()).map_or("", |input| input.name.as_str());
                self.input(algebra, name)
            }
            Some(Op::Member { arg, set }) => match self.column_of(*arg) {
                Some(column) => self.member(algebra, &column, set),
                None => {
                    let value = self.flags_of(algebra, *arg)?;
                    number::member(algebra, value, set)
                }
            },
            Some(Op::Less { left, right }) => {
                let (left, right) = (self.flags_of(algebra, *left)?, self.flags_of(algebra, *right)?);
                number::less(algebra, left, right)
            }
            Some(Op::Equal { left, right }) => {
                let (left, right) = (self.flags_of(algebra, *left)?, self.flags_of(algebra, *right)?);
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
                match self.square(algebra, *left, *right)? {
                    Some(square) => Ok(square),
                    None => algebra.mul(new_left, new_right),
                }
            }
            Some(
                Op::Linear(_)
                | Op::Relinearize { .. }
                | Op::ModSwitch { .. }
                | Op::Drop { .. }
                | Op::Lookup { .. },
            )
            | None => algebra.apply(op),
        }
    }

    /// The value of a column, or its `known` flag.
    fn input(&mut self, algebra: &mut Algebra, name: &str) -> Result<NodeId> {
        if name == PRESENT {
            return algebra.input(present_input(), None);
        }
        if let Some(column) = name.strip_suffix(".known") {
            let encoding = self.encoding(column)?;
            if encoding.has_known() {
                let flag = Input { name: known_input(column), ..present_input() };
                return algebra.input(flag, None);
            }
            return match self.nodes(algebra, column, &Form::Levels)? {
                Some(flags) => algebra.linear(0, flags.into_iter().map(|flag| (1, flag))),
                None => algebra.constant(1),
            };
        }
        let whole = |form: &&Form| matches!(form, Form::Word);
        let forms = &self.encoding(name)?.forms;
        match forms.iter().find(whole) {
            Some(word) if self.values == Values::Whole => self.value_by(algebra, name, word),
            word => match self.splitting_form(name, self.values != Values::Flags)? {
                Some(form) => self.value_by(algebra, name, &form),
                None => match word {
                    Some(word) => self.value_by(algebra, name, word),
                    None => self.valueless(algebra, name),
                },
            },
        }
    }

    /// A column of which no form makes up the value, as it stands.
    fn valueless(&mut self, algebra: &mut Algebra, column: &str) -> Result<NodeId> {
        let input = self.source.inputs.iter().find(|input| input.name == column).cloned();
        self.valueless.insert(column.to_owned());
        algebra.input(input.ok_or_else(|| missing(column, "its value"))?, None)
    }

    /// The form whose parts make up the value, fewest parts first; flags alone where `numbers` is off.
    fn splitting_form(&self, column: &str, numbers: bool) -> Result<Option<Form>> {
        let encoding = self.encoding(column)?;
        let serves = |form: &&Form| match form {
            Form::Bits | Form::Levels | Form::OneHot { .. } | Form::Thermometer { .. } => true,
            Form::Limbs { .. } => numbers,
            Form::Word | Form::Square | Form::Cuts { .. } => false,
        };
        let parts = |form: &&Form| encoding.parts_of(column, form).len();
        Ok(encoding.forms.iter().filter(serves).min_by_key(parts).cloned())
    }

    /// The value of a column as a combination of the parts of a form.
    fn value_by(&mut self, algebra: &mut Algebra, column: &str, form: &Form) -> Result<NodeId> {
        let encoding = self.encoding(column)?;
        let parts = self.nodes(algebra, column, form)?.unwrap_or_default();
        let node = match form {
            Form::OneHot { .. } | Form::Thermometer { .. } => {
                let digits = self.digits(algebra, column)?.ok_or_else(|| missing(column, "its value"))?;
                algebra.linear(encoding.lo, digits.value_terms())?
            }
            Form::Levels => algebra.linear(0, (encoding.lo..).zip(parts))?,
            Form::Word => algebra.linear(0, parts.into_iter().map(|word| (1, word)))?,
            Form::Bits | Form::Limbs { .. } => {
                let width = if let Form::Limbs { bits } = form { *bits } else { 1 };
                let terms = parts.into_iter().zip(0_u32..);
                algebra
                    .linear(encoding.lo, terms.map(|(part, index)| (1 << (index * width).min(62), part)))?
            }
            Form::Square | Form::Cuts { .. } => return Err(missing(column, "its value")),
        };
        Ok(node)
    }

    /// The square of a column that is held squared.
    fn square(&self, algebra: &mut Algebra, left: NodeId, right: NodeId) -> Result<Option<NodeId>> {
        let column = self.column_of(left).filter(|_| left == right && self.values == Values::Whole);
        let Some(column) = column else { return Ok(None) };
        match self.parts(&column, &Form::Square)?.and_then(|mut parts| parts.pop()) {
            Some(part) => algebra.input(part.input, None).map(Some),
            None => Ok(None),
        }
    }

    fn encoding(&self, column: &str) -> Result<&'a Encoding> {
        self.encodings.get(column).ok_or_else(|| Invalid {
            place: column.to_owned(),
            reason: "the dataset does not hold this column".to_owned(),
        })
    }

    /// The parts of a column or a parameter in a form, if it is held so.
    fn parts(&self, column: &str, form: &Form) -> Result<Option<Vec<Part>>> {
        let encoding = self.encoding(column)?;
        if !encoding.forms.contains(form) {
            return Ok(None);
        }
        let mut parts = encoding.parts_of(column, form);
        let source = self.source.inputs.iter().find(|input| input.name == column);
        let origin = source.map_or(Origin::Table, |input| input.origin);
        parts.iter_mut().for_each(|part| part.input.origin = origin);
        Ok(Some(parts))
    }

    /// The same as nodes, which are made once.
    fn nodes(&mut self, algebra: &mut Algebra, column: &str, form: &Form) -> Result<Option<Vec<NodeId>>> {
        if let Some((_, nodes)) = self.held.get(column).into_iter().flatten().find(|(held, _)| *held == form)
        {
            return Ok(Some(nodes.clone()));
        }
        let Some(held) = self.encoding(column)?.forms.iter().find(|held| *held == form) else {
            return Ok(None);
        };
        let parts = self.parts(column, held)?.unwrap_or_default().into_iter();
        let nodes = parts.map(|part| algebra.input(part.input, None)).collect::<Result<Vec<_>>>()?;
        self.held.entry(column.to_owned()).or_default().push((held, nodes.clone()));
        Ok(Some(nodes))
    }

    /// The column's digits with their flags, if it is held so.
    fn digits(&mut self, algebra: &mut Algebra, column: &str) -> Result<Option<Digits>> {
        let encoding = self.encoding(column)?;
        let held = encoding.forms.iter().find_map(|form| match form {
            Form::OneHot { bases } | Form::Thermometer { bases } => Some((form, bases)),
            Form::Bits
            | Form::Levels
            | Form::Cuts { .. }
            | Form::Word
            | Form::Square
            | Form::Limbs { .. } => None,
        });
        let Some((form, bases)) = held else { return Ok(None) };
        let flags = self.nodes(algebra, column, form)?.unwrap_or_default();
        Ok(Some(Digits::new(encoding.size(), bases, matches!(form, Form::OneHot { .. }), flags)))
    }

    /// A column whose value the node is.
    fn column_of(&self, node: NodeId) -> Option<String> {
        let Some(Op::Input { input, .. }) = self.source.op(node) else { return None };
        let name = &self.source.inputs.get(input.index())?.name;
        self.encodings.contains_key(name).then(|| name.clone())
    }

    /// A value of the source as a combination of flags, to be compared bit by bit.
    fn flags_of(&mut self, algebra: &mut Algebra, old: NodeId) -> Result<NodeId> {
        if let Some(&known) = self.flags.get(&old) {
            return Ok(known);
        }
        let undefined =
            || Invalid { place: old.to_string(), reason: "operand is not defined above".to_owned() };
        let renamed = self.renamed.get(old.index()).copied().flatten().ok_or_else(undefined)?;
        let made = match self.source.op(old) {
            Some(Op::Input { .. }) => match self.column_of(old) {
                Some(column) => match self.splitting_form(&column, false)? {
                    Some(form) => self.value_by(algebra, &column, &form)?,
                    None => return Err(missing(&column, "a comparison with what is computed")),
                },
                None => renamed,
            },
            Some(Op::Linear(linear)) => {
                let linear = linear.clone();
                let mut terms = Vec::with_capacity(linear.terms().len());
                for &(coefficient, term) in linear.terms() {
                    terms.push((coefficient, self.flags_of(algebra, term)?));
                }
                algebra.linear(linear.constant(), terms)?
            }
            Some(&Op::Mul { left, right }) if algebra.range(renamed) != Range::BOOL => {
                if self.guards(left, right) || self.guards(right, left) {
                    // A guard cost no product; what it made may hold numbers, which flags replace.
                    let (known, value) = if self.guards(left, right) { (left, right) } else { (right, left) };
                    let (known, value) = (self.flags_of(algebra, known)?, self.flags_of(algebra, value)?);
                    self.guarded(algebra, known, value)?
                } else {
                    let (left, right) = (self.flags_of(algebra, left)?, self.flags_of(algebra, right)?);
                    algebra.mul(left, right)?
                }
            }
            _ => renamed,
        };
        let range = algebra.range(renamed);
        algebra.narrow(made, range);
        self.flags.insert(old, made);
        Ok(made)
    }

    /// Membership of a column's value in a set, by the form that needs fewest products.
    fn member(&mut self, algebra: &mut Algebra, column: &str, set: &RangeSet) -> Result<NodeId> {
        let encoding = self.encoding(column)?;
        if let Some(flags) = self.nodes(algebra, column, &Form::Levels)? {
            let inside = (encoding.lo..).zip(flags).filter(|&(value, _)| set.contains(value));
            return algebra.linear(0, inside.map(|(_, flag)| (1, flag)));
        }
        let decides = |form: &&Form| matches!(form, Form::Cuts { at } if encoding.cuts_decide(at, set));
        if let Some(form) = encoding.forms.iter().find(decides) {
            return self.member_by_cuts(algebra, column, form, set);
        }
        if let Some(digits) = self.digits(algebra, column)? {
            let inside = set.ranges().iter().map(|range| {
                let from = range.lo().max(encoding.lo).abs_diff(encoding.lo);
                // What lies above the largest value does not occur.
                let to = if range.hi() >= encoding.hi { u64::MAX } else { range.hi().abs_diff(encoding.lo) };
                (from, to)
            });
            return digits.member(algebra, &inside.collect::<Vec<_>>());
        }
        let Some(bits) = self.nodes(algebra, column, &Form::Bits)? else {
            return Err(missing(column, "this comparison"));
        };
        let comparator = self.comparators.entry(column.to_owned()).or_insert_with(|| Comparator::new(bits));
        comparator.member(algebra, set, encoding.lo, encoding.hi)
    }

    fn member_by_cuts(
        &self,
        algebra: &mut Algebra,
        column: &str,
        form: &Form,
        set: &RangeSet,
    ) -> Result<NodeId> {
        let Form::Cuts { at } = form else { return Err(missing(column, "this comparison")) };
        let encoding = self.encoding(column)?;
        let parts = self.parts(column, form)?.unwrap_or_default();
        let reaches = |algebra: &mut Algebra, cut: i64| -> Result<Option<NodeId>> {
            match at.binary_search(&cut).ok().and_then(|index| parts.get(index)) {
                Some(part) => algebra.input(part.input.clone(), None).map(Some),
                None => Ok(None),
            }
        };
        let (mut constant, mut terms) = (0, Vec::new());
        for range in set.ranges() {
            if range.lo() <= encoding.lo {
                constant += 1;
            } else {
                terms.extend(reaches(algebra, range.lo())?.map(|flag| (1, flag)));
            }
            if range.hi() < encoding.hi {
                terms.extend(reaches(algebra, range.hi().saturating_add(1))?.map(|flag| (-1, flag)));
            }
        }
        algebra.linear(constant, terms)
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

fn missing(column: &str, use_of_it: &str) -> Invalid {
    Invalid {
        place: column.to_owned(),
        reason: format!("the dataset holds no form of `{column}` that serves for {use_of_it}"),
    }
}

/// Of each node whether it reads a column that may lack cells.
fn with_gaps(plan: &Plan) -> Vec<bool> {
    let lacks = |name: &str| plan.inputs.iter().any(|input| input.name == known_input(name));
    let mut gaps: Vec<bool> = Vec::with_capacity(plan.nodes().len());
    for op in plan.nodes() {
        let own = if let Op::Input { input, .. } = op {
            plan.inputs.get(input.index()).is_some_and(|input| lacks(&input.name))
        } else {
            op.operands().iter().any(|operand| gaps.get(operand.index()) == Some(&true))
        };
        gaps.push(own);
    }
    gaps
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
