//! Random circuits over random tables, for properties that hold of every circuit.

use hq_engine::algebra::{Algebra, Result};
use hq_engine::encoding::{Encoding, Form};
use hq_engine::lower::{PRESENT, known_input, present_input};
use hq_engine::passes::Encodings;
use hq_plugin_sdk::plan::{Aggregate, Builder, Input, NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::{Range, RangeSet};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A column of a random table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its codes.
    pub range: Range,
    /// Whether cells may be missing.
    pub optional: bool,
    /// How it is held encrypted.
    pub encoding: Encoding,
    /// Its one value, if it is no column but a secret parameter.
    pub parameter: Option<i64>,
}

/// A circuit with a table to run it on.
#[derive(Clone, Debug)]
pub struct Case {
    /// Columns of the table.
    pub columns: Vec<Column>,
    /// Cells by row and column.
    pub rows: Vec<Vec<Option<i64>>>,
    /// A logical circuit over the columns.
    pub circuit: Plan,
}

/// How large a case may be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rows at most.
    pub rows: usize,
    /// Values of a column at most.
    pub domain: i64,
    /// Nesting of expressions at most.
    pub nesting: u32,
    /// Sums at most.
    pub sums: usize,
}

/// The case of a seed.
///
/// # Errors
/// A value leaves 62 bits: sizes were too large.
pub fn case(seed: u64, size: Size) -> Result<Case> {
    let mut rng = StdRng::seed_from_u64(seed);
    let columns: Vec<Column> =
        (0..rng.random_range(1..=4)).map(|index| column(&mut rng, index, size)).collect();
    let rows = (0..rng.random_range(0..=size.rows))
        .map(|_| {
            let cell = |column: &Column, rng: &mut StdRng| {
                let missing = column.optional && rng.random_ratio(1, 4);
                if column.parameter.is_some() {
                    return column.parameter;
                }
                (!missing).then(|| rng.random_range(column.range.lo()..=column.range.hi()))
            };
            columns.iter().map(|column| cell(column, &mut rng)).collect()
        })
        .collect();
    let bound = u64::try_from(size.rows).unwrap_or(u64::MAX).max(1);
    let mut expressions = Expressions { algebra: Algebra::new(Builder::new(bound)), columns: &columns, rng };
    expressions.algebra.input(present_input(), None)?;
    for _ in 0..expressions.rng.random_range(1..=size.sums) {
        let mask = expressions.condition(size.nesting)?;
        let term = if expressions.rng.random_bool(0.5) {
            let value = expressions.number(size.nesting.min(2))?;
            expressions.algebra.mul(mask, value)?
        } else {
            mask
        };
        let sum = expressions.algebra.sum(term);
        expressions.algebra.plan_mut().aggregates.push(Aggregate { terms: vec![(1, sum)] });
    }
    let circuit = expressions.algebra.finish();
    Ok(Case { rows, circuit, columns: columns.clone() })
}

fn column(rng: &mut StdRng, index: usize, size: Size) -> Column {
    let lo = rng.random_range(-20..=20);
    let range = Range::new(lo, lo + rng.random_range(1..=size.domain)).unwrap_or(Range::BOOL);
    let range = if rng.random_ratio(1, 4) { Range::BOOL } else { range };
    let parameter = rng.random_ratio(1, 8).then(|| rng.random_range(range.lo()..=range.hi()));
    let optional = parameter.is_none() && rng.random_ratio(1, 3);
    let encoding = Encoding { lo: range.lo(), hi: range.hi(), optional, forms: forms(rng, range) };
    Column { name: format!("c{index}"), range, optional, encoding, parameter }
}

/// One form that serves for everything, and perhaps others.
fn forms(rng: &mut StdRng, range: Range) -> Vec<Form> {
    let size = range.size();
    let bases = |rng: &mut StdRng| {
        let (mut bases, mut reached) = (Vec::new(), 1_u64);
        while reached < size || bases.is_empty() {
            let base = rng.random_range(2..=9_u32);
            bases.push(base);
            reached *= u64::from(base);
        }
        bases
    };
    let mut forms = vec![match rng.random_range(0..4) {
        0 if size > 2 && size <= 16 => Form::Levels,
        1 => Form::OneHot { bases: bases(rng) },
        2 => Form::Thermometer { bases: bases(rng) },
        _ => Form::Bits,
    }];
    if rng.random_ratio(1, 3) {
        forms.push(Form::Word);
    }
    if rng.random_ratio(1, 6) {
        forms.push(Form::Square);
    }
    if rng.random_ratio(1, 6) {
        forms.push(Form::Limbs { bits: rng.random_range(1..=4) });
    }
    if rng.random_ratio(1, 4) {
        let mut at: Vec<i64> = (0..3).map(|_| rng.random_range(range.lo()..=range.hi())).collect();
        at.sort_unstable();
        at.dedup();
        forms.push(Form::Cuts { at });
    }
    forms
}

impl Case {
    /// The same case over columns that are held in digits for tables, and in one piece.
    #[must_use]
    pub fn in_digits(mut self) -> Self {
        for column in &mut self.columns {
            column.encoding.forms = vec![Form::Limbs { bits: 4 }];
            if column.encoding.size() > 16 {
                column.encoding.forms.push(Form::Word);
            }
        }
        self
    }

    /// The forms of the columns.
    #[must_use]
    pub fn encodings(&self) -> Encodings {
        self.columns.iter().map(|column| (column.name.clone(), column.encoding.clone())).collect()
    }

    /// Values of an input, row by row: of a column, of its `known`, of a part, or of the presence column.
    #[must_use]
    pub fn values(&self, input: &Input) -> Vec<i64> {
        if input.name == PRESENT {
            return vec![1; self.rows.len()];
        }
        for (index, column) in self.columns.iter().enumerate() {
            let cells = self.rows.iter().map(|row| row.get(index).copied().flatten());
            if input.name == column.name {
                return cells.map(|cell| cell.unwrap_or(0)).collect();
            }
            if let Some(part) =
                column.encoding.parts(&column.name).iter().find(|part| part.input.name == input.name)
            {
                return cells.map(|cell| part.value(cell)).collect();
            }
            if input.name == known_input(&column.name) {
                return cells.map(|cell| i64::from(cell.is_some())).collect();
            }
        }
        Vec::new()
    }

    /// The value of an input in rows that are not there.
    #[must_use]
    pub fn absent(&self, input: &Input) -> i64 {
        let Origin::Parameter = input.origin else { return 0 };
        let parameters = self.columns.iter().filter_map(|column| Some((column, column.parameter?)));
        parameters
            .flat_map(|(column, value)| {
                let parts = column.encoding.parts(&column.name).into_iter();
                let parts = parts.map(move |part| (part.input.name.clone(), part.value(Some(value))));
                parts.chain([(column.name.clone(), value)])
            })
            .find(|(name, _)| *name == input.name)
            .map_or(0, |(_, value)| value)
    }

    /// The values of all inputs of a plan over this table.
    #[must_use]
    pub fn inputs(&self, plan: &Plan) -> Vec<Vec<i64>> {
        plan.inputs.iter().map(|input| self.values(input)).collect()
    }
}

struct Expressions<'a> {
    algebra: Algebra,
    columns: &'a [Column],
    rng: StdRng,
}

impl Expressions<'_> {
    fn column(&mut self) -> Result<(NodeId, Option<NodeId>, Range)> {
        let index = self.rng.random_range(0..self.columns.len());
        let Some(column) = self.columns.get(index).cloned() else {
            return Ok((self.algebra.constant(0)?, None, Range::BOOL));
        };
        let origin = if column.parameter.is_some() { Origin::Parameter } else { Origin::Table };
        let input = Input { name: column.name.clone(), range: column.range, family: None, origin };
        let value = self.algebra.input(input, None)?;
        let known = if column.optional {
            let name = known_input(&column.name);
            Some(
                self.algebra
                    .input(Input { name, range: Range::BOOL, family: None, origin: Origin::Table }, None)?,
            )
        } else {
            None
        };
        Ok((value, known, column.range))
    }

    fn set(&mut self, range: Range) -> RangeSet {
        let intervals = (0..self.rng.random_range(1..=3)).filter_map(|_| {
            let from = self.rng.random_range(range.lo()..=range.hi());
            Range::new(from, self.rng.random_range(from..=range.hi()))
        });
        RangeSet::from_ranges(intervals.collect::<Vec<_>>())
    }

    fn condition(&mut self, nesting: u32) -> Result<NodeId> {
        let choice = if nesting == 0 { self.rng.random_range(0..2) } else { self.rng.random_range(0..8) };
        match choice {
            0 | 1 => {
                let (value, known, range) = self.column()?;
                let set = self.set(range);
                let member = self.algebra.member(value, &set)?;
                match known {
                    Some(known) => self.algebra.mul(known, member),
                    None => Ok(member),
                }
            }
            2 => {
                let arg = self.condition(nesting - 1)?;
                self.algebra.not(arg)
            }
            3 | 4 => {
                let (left, right) = (self.condition(nesting - 1)?, self.condition(nesting - 1)?);
                self.algebra.mul(left, right)
            }
            5 => {
                let (left, right) = (self.condition(nesting - 1)?, self.condition(nesting - 1)?);
                self.algebra.or(left, right)
            }
            6 => {
                let (left, right) = (self.number(0)?, self.number(0)?);
                self.algebra.apply(if self.rng.random_bool(0.5) {
                    Op::Less { left, right }
                } else {
                    Op::Equal { left, right }
                })
            }
            _ => {
                let value = self.number(1)?;
                let range = self.algebra.range(value);
                let set = self.set(range);
                self.algebra.member(value, &set)
            }
        }
    }

    fn number(&mut self, nesting: u32) -> Result<NodeId> {
        match if nesting == 0 { 0 } else { self.rng.random_range(0..5) } {
            0 => {
                let (value, known, range) = self.column()?;
                let Some(known) = known else { return Ok(value) };
                // `value ?? default`
                let default = self.rng.random_range(range.lo()..=range.hi());
                let present = self.algebra.mul(known, value)?;
                self.algebra.linear(default, [(1, present), (-default, known)])
            }
            1 => self.condition(1),
            2 => {
                let (left, right) = (self.number(nesting - 1)?, self.number(nesting - 1)?);
                let (a, b) = (self.rng.random_range(-3..=3), self.rng.random_range(-3..=3));
                let constant = self.rng.random_range(-9..=9);
                self.algebra.linear(constant, [(a, left), (b, right)])
            }
            3 => {
                let (left, right) = (self.number(nesting - 1)?, self.number(nesting - 1)?);
                self.algebra.mul(left, right)
            }
            _ => {
                let (mask, value) = (self.condition(1)?, self.number(nesting - 1)?);
                let other = self.number(nesting - 1)?;
                let difference = self.algebra.linear(0, [(1, value), (-1, other)])?;
                let chosen = self.algebra.mul(mask, difference)?;
                self.algebra.linear(0, [(1, other), (1, chosen)])
            }
        }
    }
}
