//! From a table to exact row values: the codes of one axis after the other are divided into groups with equal
//! tables beneath, and each group becomes the membership of a set.

use num_rational::Ratio;

use super::cell::Cell;
use super::table::{Axis, Table};
use super::{Evaluator, intervals};
use crate::diagnostic::Code;
use crate::number::{Decimal, power_of_ten};
use crate::rows::{RowId, RowOp};
use crate::source::Span;

/// Most groups of codes into which a table is divided when it becomes conditions.
const MAX_PIECES: usize = 8192;
impl Evaluator<'_> {
    /// The row value that a table stands for: its cells must be conditions, or numbers of that many decimals.
    pub(super) fn settle(&mut self, table: &Table, decimals: u8, span: Span) -> Option<RowId> {
        let mut faults = Vec::new();
        let found = self.divide(table, decimals, span, &mut faults);
        if let Some((cell, place)) = faults.into_iter().next() {
            self.no_value(cell, &place, span);
            return None;
        }
        if found.is_none() {
            let message = format!("`{}` has more than {MAX_PIECES} cases.", self.text(span));
            let help = "Use coarser bounds, or ask the owner for a prepared column.";
            self.fail(Code::RowFunction, span, message, help);
        }
        found
    }

    /// As [`Self::settle`], without a message; cells without a value go to `faults`.
    fn divide(&mut self, table: &Table, decimals: u8, span: Span, faults: &mut Faults) -> Option<RowId> {
        let mut axes: Vec<(Axis, usize)> = Vec::with_capacity(table.axes.len());
        let mut stride = table.cells.len();
        for axis in &table.axes {
            stride /= axis.codes.len().max(1);
            axes.push((axis.clone(), stride));
        }
        // The largest axis last: intervals of it are cheapest.
        axes.sort_by_key(|(axis, _)| axis.codes.len());
        let unit = power_of_ten(decimals)?;
        let boolean = table.cells.iter().any(|cell| matches!(cell, Cell::Bool(_)));
        let mut pieces = MAX_PIECES;
        let division = Division { table, axes: &axes, unit, decimals, boolean, span };
        self.pieces(&division, 0, &mut Vec::new(), &mut pieces, faults)
    }

    /// A condition on a product of row values, `10_000 * weight >= 30 * height ^ 2`, by the cases of the columns
    /// beneath: two encrypted products compared bit by bit would need a chain of carries. `None` where nothing is
    /// multiplied, or the cases are too many.
    pub(super) fn by_cases(
        &mut self,
        operands: &[RowId],
        holds: impl Fn(&[i64]) -> bool,
        span: Span,
    ) -> Option<RowId> {
        if !operands.iter().any(|&operand| self.multiplies(operand)) {
            return None;
        }
        let table = self.condition_table(operands, holds)?;
        let mut faults = Vec::new();
        let found = self.divide(&table, 0, span, &mut faults);
        found.filter(|_| faults.is_empty())
    }

    /// The part of a table where the first axes have the codes of `place`.
    fn pieces(
        &mut self,
        division: &Division<'_>,
        offset: usize,
        place: &mut Vec<(RowId, i64)>,
        left: &mut usize,
        faults: &mut Faults,
    ) -> Option<RowId> {
        let Division { table, axes, unit, decimals, boolean, span } = *division;
        let Some((axis, stride)) = axes.get(place.len()) else {
            let cell = table.cells.get(offset).copied().unwrap_or(Cell::Undefined);
            let value = match cell {
                Cell::Bool(value) => i64::from(value),
                Cell::Exact(number) => {
                    i64::try_from((number * Ratio::from_integer(unit)).to_integer()).ok()?
                }
                Cell::Real(_) | Cell::Undefined | Cell::Undecided => {
                    if faults.is_empty() {
                        faults.push((cell, place.clone()));
                    }
                    0
                }
            };
            return Some(self.constant(value, decimals, span));
        };
        let mut groups: Vec<(RowId, Vec<(i64, i64)>)> = Vec::new();
        let mut previous: Option<i64> = None;
        for (index, &code) in axis.codes.iter().enumerate() {
            if !self.may_be(axis.row, code) {
                continue;
            }
            place.push((axis.row, code));
            let below = self.pieces(division, offset + index * stride, place, left, faults)?;
            place.pop();
            // Codes between two of a column with a step do not occur, so an interval may hold them.
            match groups.iter_mut().find(|(group, _)| *group == below) {
                Some((_, set)) => match set.last_mut() {
                    Some((_, end)) if Some(*end) == previous => *end = code,
                    _ => set.push((code, code)),
                },
                None => groups.push((below, vec![(code, code)])),
            }
            previous = Some(code);
        }
        *left = left.checked_sub(groups.iter().map(|(_, set)| set.len()).sum())?;
        let row = axis.row;
        if let [(only, _)] = groups.as_slice() {
            return Some(*only);
        }
        if boolean && let Some(set) = self.true_set(&groups) {
            return Some(self.member(row, &set, span));
        }
        let zero = groups.iter().position(|(group, _)| self.as_constant(*group) == Some(0));
        let constant =
            zero.or_else(|| groups.iter().position(|(group, _)| self.as_constant(*group).is_some()));
        let otherwise = match constant {
            Some(at) => groups.swap_remove(at).0,
            None => self.constant(0, decimals, span),
        };
        let arms = groups.into_iter().map(|(group, set)| (self.member(row, &set, span), group)).collect();
        Some(self.case_row(arms, otherwise, span))
    }

    /// The codes for which a condition of one axis holds.
    fn true_set(&self, groups: &[(RowId, Vec<(i64, i64)>)]) -> Option<Vec<(i64, i64)>> {
        let mut set = Vec::new();
        for (group, codes) in groups {
            match self.as_constant(*group)? {
                0 => {}
                _ => set.extend(codes),
            }
        }
        set.sort_unstable();
        Some(set)
    }

    /// Whether the conditions around us leave this code of a row value.
    fn may_be(&self, row: RowId, code: i64) -> bool {
        let holds = |set: &Vec<(i64, i64)>| set.iter().any(|&(lo, hi)| lo <= code && code <= hi);
        self.confined.get(&row).is_none_or(holds)
            && self.within.iter().filter(|(other, _)| *other == row).all(|(_, set)| holds(set))
    }

    /// The sets that a condition confines row values to where it holds, or does not.
    pub(super) fn confinements(&self, condition: RowId, holds: bool) -> Vec<(RowId, Vec<(i64, i64)>)> {
        let mut found = Vec::new();
        let mut open = vec![(condition, holds)];
        while let Some((condition, holds)) = open.pop() {
            match self.op(condition) {
                RowOp::Member { arg, set } if holds => found.push((*arg, set.clone())),
                RowOp::Member { arg, set } => {
                    found.push((*arg, intervals::without(&[self.range_of(*arg)], set)));
                }
                RowOp::Not(arg) => open.push((*arg, !holds)),
                RowOp::And(left, right) if holds => open.extend([(*left, true), (*right, true)]),
                RowOp::Or(left, right) if !holds => open.extend([(*left, false), (*right, false)]),
                _ => {}
            }
        }
        found
    }

    /// A table without a value where one is needed: HQ030, naming the codes.
    fn no_value(&mut self, cell: Cell, place: &[(RowId, i64)], span: Span) {
        let words: Vec<String> = place
            .iter()
            .map(|&(row, code)| {
                let shown = match self.op(row) {
                    RowOp::Column(column) => self
                        .dataset
                        .columns
                        .get(column.index())
                        .map(|column| (column.name.clone(), column.domain.label(code))),
                    _ => None,
                };
                let (name, value) = shown.unwrap_or_else(|| {
                    let number = Decimal { value: code.into(), decimals: self.decimals_of(row) };
                    (self.text(self.rows.get(row).span), number.to_string())
                });
                format!("`{name}` = {value}")
            })
            .collect();
        let (text, place) = (self.text(span), words.join(", "));
        if cell == Cell::Undecided {
            let message =
                format!("`{text}` cannot be decided exactly where {place}: both sides agree to 11 digits.");
            let help = "Move the bound a little, or write the condition without roots and logarithms.";
            self.fail(Code::RowFunction, span, message, help);
        } else {
            let message = format!("`{text}` has no value where {place}.");
            let help =
                "Leave such rows out before it with `where`, or choose with `case { … -> … else -> … }`.";
            self.fail(Code::RowDivision, span, message, help);
        }
    }
}

/// Cells without a value, with the codes of their place.
type Faults = Vec<(Cell, Vec<(RowId, i64)>)>;

/// A table on its way to a row value.
#[derive(Clone, Copy)]
struct Division<'a> {
    table: &'a Table,
    /// Axes, outermost first, with the distance of neighbouring codes in the table.
    axes: &'a [(Axis, usize)],
    unit: i128,
    decimals: u8,
    boolean: bool,
    span: Span,
}
