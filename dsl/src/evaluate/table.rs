//! Functions of row values whose joint domain is small: `/ % sqrt log exp ^` of them is tabulated at compile
//! time, and a comparison, `cut`, `round` or `floor` of the table becomes exact conditions on the row values.

use std::rc::Rc;

use num_rational::Ratio;

use super::Evaluator;
use super::cell::{Cell, arithmetic, exact, floor, one, order, power, real_cell, round, two, unary, worse};
use super::value::{At, Kind, RowValue, Value};
use crate::ast::{ArithmeticOp, CompareOp};
use crate::clear::{Binary, Unary};
use crate::diagnostic::{Code, Diagnostic};
use crate::number::{Decimal, MAX_DECIMALS};
use crate::rows::{RowId, RowOp};
use crate::source::Span;

/// Most entries of a table.
pub(super) const MAX_ENTRIES: usize = 1 << 18;
/// Cells that count as one step against the bound on a query's size.
const CELLS_PER_STEP: usize = 64;

/// Most cases of a condition on products, which are integers and need no table of fractions.
const MAX_CASES: usize = 1 << 20;

/// A row value that a table reads, with its codes.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) row: RowId,
    pub(super) codes: Rc<[i64]>,
}

/// A function of row values: a cell for each combination of their codes, the last axis running fastest.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) axes: Vec<Axis>,
    pub(super) cells: Vec<Cell>,
    /// Digits after the point that the cells are known to have at most.
    pub(super) decimals: Option<u8>,
}

impl Table {
    fn constant(cell: Cell) -> Self {
        Self { axes: Vec::new(), cells: vec![cell], decimals: None }
    }

    /// The values of a function for all codes of some axes; `None` where these are more than `most`.
    fn over(axes: Vec<Axis>, most: usize, mut function: impl FnMut(&[i64]) -> Cell) -> Option<Self> {
        let entries = axes.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.codes.len()));
        let entries = entries.filter(|&entries| entries <= most)?;
        let mut digits = vec![0_usize; axes.len()];
        let mut codes = vec![0; axes.len()];
        let mut cells = Vec::with_capacity(entries);
        for _ in 0..entries {
            for ((code, axis), &digit) in codes.iter_mut().zip(&axes).zip(&digits) {
                *code = axis.codes.get(digit).copied().unwrap_or(0);
            }
            cells.push(function(&codes));
            advance(&mut digits, &axes);
        }
        Some(Self { axes, cells, decimals: None })
    }

    fn map(&self, function: impl Fn(Cell) -> Cell) -> Self {
        let cells = self.cells.iter().map(|&cell| function(cell)).collect();
        Self { axes: self.axes.clone(), cells, decimals: None }
    }

    /// The cell at a position of each axis, found by code; `Undefined` where this table has no such code.
    fn strides(&self, axes: &[Axis]) -> Vec<Vec<Option<usize>>> {
        axes.iter()
            .map(|axis| {
                let Some(own) = self.axes.iter().position(|own| own.row == axis.row) else {
                    return vec![Some(0); axis.codes.len()];
                };
                let stride: usize = self.axes.iter().skip(own + 1).map(|axis| axis.codes.len()).product();
                let codes = self.axes.get(own).map(|axis| Rc::clone(&axis.codes)).unwrap_or_default();
                axis.codes.iter().map(|code| codes.binary_search(code).ok().map(|at| at * stride)).collect()
            })
            .collect()
    }
}

/// One table from several, over all their axes; `None` where it would have too many entries.
fn combine(tables: &[&Table], function: impl Fn(&[Cell]) -> Cell) -> Option<Table> {
    let mut axes: Vec<Axis> = Vec::new();
    for axis in tables.iter().flat_map(|table| &table.axes) {
        match axes.iter_mut().find(|known| known.row == axis.row) {
            Some(known) if known.codes != axis.codes => {
                let mut codes: Vec<i64> = known.codes.iter().chain(axis.codes.iter()).copied().collect();
                codes.sort_unstable();
                codes.dedup();
                known.codes = codes.into();
            }
            Some(_) => {}
            None => axes.push(axis.clone()),
        }
    }
    let entries = axes.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.codes.len()));
    let entries = entries.filter(|&entries| entries <= MAX_ENTRIES)?;
    let strides: Vec<Vec<Vec<Option<usize>>>> = tables.iter().map(|table| table.strides(&axes)).collect();
    let mut digits = vec![0_usize; axes.len()];
    let mut cells = Vec::with_capacity(entries);
    let mut operands = vec![Cell::Undefined; tables.len()];
    for _ in 0..entries {
        for ((operand, table), strides) in operands.iter_mut().zip(tables).zip(&strides) {
            let offset = strides.iter().zip(&digits).try_fold(0, |offset, (stride, &digit)| {
                stride.get(digit).copied().flatten().map(|step| offset + step)
            });
            *operand = offset.and_then(|at| table.cells.get(at)).copied().unwrap_or(Cell::Undefined);
        }
        cells.push(function(&operands));
        advance(&mut digits, &axes);
    }
    Some(Table { axes, cells, decimals: None })
}

/// The next combination of codes, the last axis running fastest.
fn advance(digits: &mut [usize], axes: &[Axis]) {
    for (digit, axis) in digits.iter_mut().zip(axes).rev() {
        *digit += 1;
        if *digit < axis.codes.len() {
            break;
        }
        *digit = 0;
    }
}

/// A table whose cells have at most so many decimals.
fn with_decimals(value: Value, decimals: Option<u8>) -> Value {
    match value {
        Value::Table(table) => {
            let mut table = Rc::unwrap_or_clone(table);
            table.decimals = decimals.filter(|&decimals| decimals <= MAX_DECIMALS);
            Value::Table(Rc::new(table))
        }
        other => other,
    }
}

impl Evaluator<'_> {
    /// A row value or a constant as a table, of a level its code. Reports what is neither; `None` inside where it is too large.
    fn tabled(&mut self, at: &At) -> Option<Option<Rc<Table>>> {
        Some(match &at.value {
            Value::Table(table) => Some(Rc::clone(table)),
            Value::Row(row) => {
                let row = row.clone();
                let id = self.present(&row, at.span)?;
                self.tabulate(id, &row).map(Rc::new)
            }
            Value::Level(_, code) => Some(Rc::new(Table::constant(exact(Decimal::integer(*code))))),
            value => match (value.number(), value.real()) {
                (Some(number), _) => Some(Rc::new(Table::constant(exact(number)))),
                (None, Some(real)) => Some(Rc::new(Table::constant(real_cell(real)))),
                (None, None) => {
                    self.not_number(at);
                    return None;
                }
            },
        })
    }

    /// The values of a row value: over the columns beneath it where there is one, or where these have no more
    /// combinations than it has values; otherwise over itself.
    fn tabulate(&self, id: RowId, row: &RowValue) -> Option<Table> {
        let cell = |code: i64, decimals: u8| match row.kind {
            Kind::Bool => Cell::Bool(code != 0),
            Kind::Number | Kind::Levels(_) | Kind::Date => exact(Decimal { value: code.into(), decimals }),
        };
        let decimals = self.decimals_of(id);
        let (lo, hi) = self.range_of(id);
        let own = hi.checked_sub(lo).and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        if let Some(beneath) = self.beneath(&[id]) {
            let axes: Vec<Axis> =
                beneath.columns.iter().map(|&column| self.axis(column)).collect::<Option<_>>()?;
            let most = if axes.len() == 1 { MAX_ENTRIES } else { own.saturating_add(1).min(MAX_ENTRIES) };
            let mut scratch = Vec::new();
            let value = |codes: &[i64]| {
                let code = beneath.values(codes, &mut scratch).next().flatten();
                code.map_or(Cell::Undefined, |code| cell(code, decimals))
            };
            if let Some(table) = Table::over(axes, most, value) {
                return Some(table);
            }
        }
        let axis = self.axis(id)?;
        let cells = axis.codes.iter().map(|&code| cell(code, decimals)).collect();
        Some(Table { axes: vec![axis], cells, decimals: None })
    }

    /// Whether a condition on row values holds, over the columns beneath them; `None` where it asks which cells
    /// are missing, or has too many cases.
    pub(super) fn condition_table(
        &mut self,
        operands: &[RowId],
        holds: impl Fn(&[i64]) -> bool,
    ) -> Option<Table> {
        let beneath = self.beneath(operands)?;
        let axes: Vec<Axis> =
            beneath.columns.iter().map(|&column| self.axis(column)).collect::<Option<_>>()?;
        let (mut scratch, mut values) = (Vec::new(), Vec::with_capacity(operands.len()));
        let table = Table::over(axes, MAX_CASES, |codes| {
            values.clear();
            values.extend(beneath.values(codes, &mut scratch).flatten());
            if values.len() == operands.len() { Cell::Bool(holds(&values)) } else { Cell::Undefined }
        })?;
        self.steps = self.steps.saturating_add(table.cells.len() / CELLS_PER_STEP);
        Some(table)
    }

    /// The codes of a row value, inside what the filter leaves; `None` where they are too many.
    fn axis(&self, row: RowId) -> Option<Axis> {
        let (lo, hi) = self.range_of(row);
        let step = match self.op(row) {
            RowOp::Column(column) => match self.dataset.columns.get(column.index()).map(|c| &c.domain) {
                Some(crate::domain::Domain::Int { step, .. }) => *step,
                _ => 1,
            },
            _ => 1,
        };
        let step = usize::try_from(step.max(1)).ok()?;
        let size = usize::try_from(hi.checked_sub(lo)?).ok()? / step;
        if size >= MAX_ENTRIES {
            return None;
        }
        let left = self.confined.get(&row);
        let inside =
            |code: &i64| left.is_none_or(|set| set.iter().any(|&(lo, hi)| lo <= *code && *code <= hi));
        Some(Axis { row, codes: (lo..=hi).step_by(step).filter(inside).collect() })
    }

    /// An operation on tables of numbers; HQ030 or HQ031 by `refuse` where the result would be too large.
    fn table_of(
        &mut self,
        operands: &[&At],
        function: impl Fn(&[Cell]) -> Cell,
        refuse: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let numeric = |kind: &Kind| matches!(kind, Kind::Number | Kind::Bool);
        let other = operands.iter().find(|at| match &at.value {
            Value::Row(row) => !numeric(&row.kind),
            value => matches!(value, Value::Level(..)),
        });
        match other {
            Some(at) => self.not_number(at),
            None => self.table_of_any(operands, function, refuse),
        }
    }

    /// As [`Self::table_of`], of values of any kind.
    pub(super) fn table_of_any(
        &mut self,
        operands: &[&At],
        function: impl Fn(&[Cell]) -> Cell,
        refuse: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let mut tables = Vec::with_capacity(operands.len());
        for at in operands {
            match self.tabled(at) {
                Some(table) => tables.push(table),
                None => return Value::Poison,
            }
        }
        let tables: Option<Vec<&Table>> = tables.iter().map(Option::as_deref).collect();
        match tables.and_then(|tables| combine(&tables, function)) {
            Some(table) => {
                self.steps = self.steps.saturating_add(table.cells.len() / CELLS_PER_STEP);
                Value::Table(Rc::new(table))
            }
            None => refuse(self),
        }
    }

    pub(super) fn table_arithmetic(&mut self, op: ArithmeticOp, left: &At, right: &At, span: Span) -> Value {
        let found = self.table_of(
            &[left, right],
            |cells| two(cells, |a, b| arithmetic(op, a, b)),
            |this| this.row_division(span),
        );
        let both = self.decimals(left).zip(self.decimals(right));
        let decimals = both.and_then(|(left, right)| match op {
            ArithmeticOp::Add | ArithmeticOp::Sub => Some(left.max(right)),
            ArithmeticOp::Mul => left.checked_add(right),
            ArithmeticOp::Div | ArithmeticOp::Rem => None,
        });
        with_decimals(found, decimals)
    }

    /// Digits after the point that a value has at most, where that is known.
    fn decimals(&self, at: &At) -> Option<u8> {
        match &at.value {
            Value::Table(table) => table.decimals,
            Value::Row(row) => Some(self.decimals_of(row.id)),
            value => value.number().map(|number| number.decimals),
        }
    }

    pub(super) fn table_power(&mut self, base: &At, exponent: &At, span: Span) -> Value {
        self.table_of(&[base, exponent], |cells| two(cells, power), |this| this.row_function("^", span))
    }

    pub(super) fn table_unary(&mut self, function: Unary, name: &str, arg: &At, span: Span) -> Value {
        self.table_of(
            &[arg],
            |cells| cells.first().map_or(Cell::Undefined, |&cell| unary(function, cell)),
            |this| this.row_function(name, span),
        )
    }

    pub(super) fn table_extreme(&mut self, op: Binary, left: &At, right: &At, span: Span) -> Value {
        let pick = |a: Cell, b: Cell| match (a.to_f64(), b.to_f64()) {
            (Some(x), Some(y)) if (x <= y) == (op == Binary::Min) => a,
            (Some(_), Some(_)) => b,
            _ => worse(a, b),
        };
        let found = self.table_of(&[left, right], |cells| two(cells, pick), |this| this.row_division(span));
        let both = self.decimals(left).zip(self.decimals(right));
        with_decimals(found, both.map(|(left, right)| left.max(right)))
    }

    /// `case` with a table among its values.
    pub(super) fn table_case(&mut self, arms: &[(At, At)], otherwise: &At, span: Span) -> Value {
        let mut parts = Vec::with_capacity(2 * arms.len() + 1);
        for (condition, value) in arms {
            if self.row_condition(condition).is_none() {
                return Value::Poison;
            }
            parts.extend([condition, value]);
        }
        parts.push(otherwise);
        let choose = |cells: &[Cell]| {
            let (arms, otherwise) = cells.as_chunks::<2>();
            for [condition, value] in arms {
                match condition {
                    Cell::Bool(true) => return *value,
                    Cell::Bool(false) => {}
                    Cell::Exact(_) | Cell::Real(_) | Cell::Undefined => return Cell::Undefined,
                    Cell::Undecided => return Cell::Undecided,
                }
            }
            otherwise.first().copied().unwrap_or(Cell::Undefined)
        };
        let values = arms.iter().map(|(_, value)| value).chain([otherwise]);
        let decimals = values.map(|value| self.decimals(value)).collect::<Option<Vec<u8>>>();
        let found = self.table_of(&parts, choose, |this| this.row_division(span));
        with_decimals(found, decimals.and_then(|all| all.into_iter().max()))
    }

    pub(super) fn table_compare(&mut self, op: CompareOp, left: &At, right: &At, span: Span) -> Value {
        let holds = |a: Cell, b: Cell| order(a, b).map_or(worse(a, b), |order| Cell::Bool(op.holds(order)));
        let compared =
            self.table_of(&[left, right], |cells| two(cells, holds), |this| this.row_division(span));
        let Value::Table(table) = compared else { return compared };
        let Some(id) = self.settle(&table, 0, span) else { return Value::Poison };
        self.constant_table(id, right, span);
        Self::row_value(id, Kind::Bool)
    }

    /// HQ012 and HQ052 of a table.
    fn constant_table(&mut self, id: RowId, right: &At, span: Span) {
        let Some(holds) = self.as_constant(id) else { return };
        if !self.is_literal_place() || !matches!(right.value, Value::Number(_)) || self.mentions_param(span) {
            return;
        }
        let condition = self.text(span);
        let help = "Choose another bound, or leave the condition out.";
        self.emit(if holds == 0 {
            let message = format!("`{condition}` is never true for the values that may occur.");
            Diagnostic::error(Code::OutsideDomain, span, message, help)
        } else {
            let message = format!("`{condition}` is always true for the values that may occur.");
            Diagnostic::warning(Code::ConstantCondition, span, message, help)
        });
    }

    /// `round(x, digits)` of a table, half away from zero: an exact number per row.
    pub(super) fn table_round(&mut self, arg: &At, digits: u8, span: Span) -> Value {
        let rounded = self.table_of(
            &[arg],
            |cells| one(cells, |cell| round(cell, digits)),
            |this| this.row_function("round", span),
        );
        self.settled_number(&rounded, digits, span)
    }

    /// `floor(x)` of a table.
    pub(super) fn table_floor(&mut self, arg: &At, span: Span) -> Value {
        let floor = self.table_of(&[arg], |cells| one(cells, floor), |this| this.row_function("floor", span));
        self.settled_number(&floor, 0, span)
    }

    fn settled_number(&mut self, value: &Value, decimals: u8, span: Span) -> Value {
        let Value::Table(table) = value else { return Value::Poison };
        match self.settle(table, decimals, span) {
            Some(id) => Self::row_value(id, Kind::Number),
            None => Value::Poison,
        }
    }

    /// The bands of a table below, between and above cut points.
    pub(super) fn table_cut(&mut self, table: &Rc<Table>, points: &[Value], span: Span) -> Value {
        let mut bounds: Vec<(Cell, String)> = Vec::with_capacity(points.len());
        for point in points {
            let Some(number) = point.number() else {
                let message = "The points of `cut` are not constant numbers.";
                return self.fail(
                    Code::NotConstant,
                    span,
                    message,
                    "Write them as in `cut(x, [15, 30, 60])`.",
                );
            };
            bounds.push((exact(number), number.to_string()));
        }
        if bounds.is_sorted_by(|a, b| order(a.0, b.0).is_some_and(std::cmp::Ordering::is_lt))
            && !bounds.is_empty()
        {
            let codes = table.map(|cell| {
                let mut band = 0_i128;
                for (bound, _) in &bounds {
                    match order(cell, *bound) {
                        Some(order) if order.is_ge() => band += 1,
                        Some(_) => break,
                        None => return worse(cell, *bound),
                    }
                }
                Cell::Exact(Ratio::from_integer(band))
            });
            let Some(id) = self.settle(&codes, 0, span) else { return Value::Poison };
            let words: Vec<&str> = bounds.iter().map(|(_, words)| words.as_str()).collect();
            let (Some(first), Some(last)) = (words.first(), words.last()) else { return Value::Poison };
            let between =
                words.iter().zip(words.iter().skip(1)).map(|(lo, hi)| format!("{lo} to below {hi}"));
            let labels =
                std::iter::once(format!("below {first}")).chain(between).chain([format!("{last} or more")]);
            return Self::row_value(id, Kind::Levels(Rc::new(labels.collect())));
        }
        let message = "The points of `cut` do not rise.";
        self.fail(Code::TypeMismatch, span, message, "Write them from small to large.")
    }

    /// A table where an exact row value is needed: HQ030.
    pub(super) fn inexact(&mut self, at: &At) {
        let text = self.text(at.span);
        let message = format!("`{text}` is no exact decimal number for each row.");
        let help = format!(
            "Compare it, cut it into bands, or round it: `round({text}, 1)`. Totals can be divided in `report`."
        );
        self.fail(Code::RowDivision, at.span, message, help);
    }
}
