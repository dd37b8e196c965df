//! Gated cells of a plan: which of its aggregates leave only where a count is 0 or at least so many, and how that is found
//! out. In a circuit there are the cells; a placed plan also says in which base and under which keys they are decided.
//!
//! ```text
//! gate 11 base 15 {"lwe_dimension":918,...}
//! cell a0 opens a0 a1
//! ```
//!
//! Every sum leaves with a pad, a number modulo t, for each cell that lets it out. It is opened where all of them are.

use std::fmt;

use crate::gate::Gate;
use crate::parameters::{Parameters, RnsParameters};
use crate::plan::{AggregateId, Plan, SumId};
use crate::range::Range;
use crate::tfhe::TfheParameters;

/// The gates of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    /// The smallest count but 0 that is let out.
    pub least: u64,
    /// Where they are decided; `None` in a circuit.
    pub placed: Option<PlacedGates>,
    /// What they let out.
    pub cells: Vec<GatedCell>,
}

/// How a plan's gates are decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedGates {
    /// Of the digits of a count.
    pub base: u64,
    /// Of the scheme that decides.
    pub parameters: TfheParameters,
}

/// A count with what it lets out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatedCell {
    /// The count.
    pub count: AggregateId,
    /// Itself, and whatever adds up over its rows.
    pub opens: Vec<AggregateId>,
}

impl Plan {
    /// The cells of the plan's gates.
    #[must_use]
    pub fn cells(&self) -> &[GatedCell] {
        self.gates.as_ref().map_or(&[], |gates| &gates.cells)
    }

    /// The sum that is a cell's count; `None` where it is not one sum.
    #[must_use]
    pub fn count_of(&self, cell: &GatedCell) -> Option<SumId> {
        match self.aggregates.get(cell.count.index())?.terms.as_slice() {
            [(1, sum)] => Some(*sum),
            _ => None,
        }
    }

    /// The sums that a cell lets out, in order.
    #[must_use]
    pub fn sums_behind(&self, cell: &GatedCell) -> Vec<SumId> {
        let aggregates = cell.opens.iter().filter_map(|id| self.aggregates.get(id.index()));
        let mut sums: Vec<SumId> =
            aggregates.flat_map(|aggregate| &aggregate.terms).map(|&(_, sum)| sum).collect();
        sums.sort_unstable();
        sums.dedup();
        sums
    }

    /// Sums with the cells that let them out, each once for each: what is padded, cell by cell.
    #[must_use]
    pub fn padded(&self) -> Vec<(usize, SumId)> {
        let of_cell = |(index, cell)| self.sums_behind(cell).into_iter().map(move |sum| (index, sum));
        self.cells().iter().enumerate().flat_map(of_cell).collect()
    }

    /// What is added to each sum, modulo t: its pads, of all pads in the order of [`Plan::padded`].
    #[must_use]
    pub fn pad_of_each(&self, pads: &[u64], modulus: u64) -> Vec<u64> {
        let mut totals = vec![0; self.sums.len()];
        for (&(_, sum), &pad) in self.padded().iter().zip(pads) {
            if let Some(total) = totals.get_mut(sum.index()) {
                let sum = u128::from(*total) + u128::from(pad);
                *total = u64::try_from(sum % u128::from(modulus.max(1))).unwrap_or(0);
            }
        }
        totals
    }

    /// The largest value of a cell's count.
    #[must_use]
    pub fn most_of(&self, cell: &GatedCell) -> Option<u64> {
        let sum = self.sums.get(self.count_of(cell)?.index())?;
        let hull = sum.range.hull(Range::single(0));
        if hull.lo() < 0 { None } else { u64::try_from(hull.hi()).ok()?.checked_mul(self.rows) }
    }

    /// The gate of a cell; `None` where it cannot be decided, or is not placed.
    #[must_use]
    pub fn gate_of(&self, cell: &GatedCell) -> Option<Gate> {
        let gates = self.gates.as_ref()?;
        let base = gates.placed.as_ref()?.base;
        Gate::new(gates.least, self.most_of(cell)?, self.gated_parameters()?.plaintext_modulus, base)
    }

    /// The parameters of sums that gates are decided on.
    #[must_use]
    pub fn gated_parameters(&self) -> Option<&RnsParameters> {
        match &self.parameters {
            Some(Parameters::Rns(rns)) => Some(rns),
            Some(Parameters::Tfhe(_) | Parameters::Clear { .. }) | None => None,
        }
    }

    /// What does not hold of the plan's gates: every cell has a gate, and every sum a cell, before anything leaves.
    #[must_use]
    pub fn ill_gated(&self) -> Option<&'static str> {
        let gates = self.gates.as_ref()?;
        let known = |id: &AggregateId| id.index() < self.aggregates.len();
        if !gates.cells.iter().all(|cell| known(&cell.count) && cell.opens.iter().all(known)) {
            return Some("there is no such aggregate");
        }
        if gates.cells.iter().any(|cell| !cell.opens.contains(&cell.count)) {
            return Some("a cell does not let its own count out");
        }
        match (&self.parameters, &gates.placed) {
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => Some("gates and parameters are placed together"),
            (Some(_), Some(_)) if gates.cells.iter().any(|cell| self.gate_of(cell).is_none()) => {
                Some("a cell's count cannot be decided on")
            }
            (Some(_), Some(_)) => {
                let mut behind = vec![false; self.sums.len()];
                for (_, sum) in self.padded() {
                    behind.get_mut(sum.index()).into_iter().for_each(|behind| *behind = true);
                }
                behind.contains(&false).then_some("a sum is behind no gate")
            }
        }
    }
}

/// The line of the head.
pub(crate) fn write_gate(gates: &Gates, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &gates.placed {
        None => writeln!(f, "gate {}", gates.least),
        Some(PlacedGates { base, parameters }) => {
            let json = serde_json::to_string(parameters).map_err(|_| fmt::Error)?;
            writeln!(f, "gate {} base {base} {json}", gates.least)
        }
    }
}

/// The lines of the cells.
pub(crate) fn write_cells(gates: &Gates, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for GatedCell { count, opens } in &gates.cells {
        write!(f, "cell {count} opens")?;
        for aggregate in opens {
            write!(f, " {aggregate}")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// Reads what follows `gate`.
pub(crate) fn read_gate(text: &str) -> Result<Gates, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number here"));
    let Some((least, placed)) = text.split_once(" base ") else {
        return Ok(Gates { least: number(text)?, placed: None, cells: Vec::new() });
    };
    let (base, json) = placed.split_once(' ').ok_or("expected `gate LEAST base BASE {...}`")?;
    let parameters = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let placed = PlacedGates { base: number(base)?, parameters };
    Ok(Gates { least: number(least)?, placed: Some(placed), cells: Vec::new() })
}

/// Reads what follows `cell`.
pub(crate) fn read_cell(text: &str) -> Result<GatedCell, String> {
    let aggregate = |text: &str| {
        let index = text.strip_prefix('a').and_then(|index| index.parse().ok());
        index.and_then(AggregateId::from_index).ok_or_else(|| format!("`{text}` is not an aggregate `aN`"))
    };
    let (count, opens) = text.split_once(" opens ").ok_or("expected `cell aN opens aN ...`")?;
    let opens = opens.split_whitespace().map(aggregate).collect::<Result<_, _>>()?;
    Ok(GatedCell { count: aggregate(count)?, opens })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;
    use crate::verify::verify;

    /// Two counts, and a sum that both let out.
    const CIRCUIT: &str = "hq-plan 1\nrows 100\ngate 11\ninput a 0..1\ninput b 0..9\n%0 = input a\n%1 = input b\n\
                           sum %0 0..1\nsum %1 0..9\naggregate 1*s0\naggregate 1*s1\ncell a0 opens a0 a1\n\
                           cell a1 opens a1\n";

    #[test]
    fn cells_are_printed_as_they_are_read() {
        let plan = Plan::parse(CIRCUIT).unwrap();
        assert_eq!(plan.to_string(), CIRCUIT);
        verify(&plan).unwrap();
        assert_eq!(plan.cells().len(), 2);
        let padded: Vec<(usize, usize)> =
            plan.padded().iter().map(|(cell, sum)| (*cell, sum.index())).collect();
        assert_eq!(padded, [(0, 0), (0, 1), (1, 1)]);
        assert_eq!(plan.pad_of_each(&[3, 90, 17], 97), [3, 10]);
        assert_eq!((plan.most_of(&plan.cells()[0]), plan.most_of(&plan.cells()[1])), (Some(100), Some(900)));
    }

    #[test]
    fn cells_that_do_not_hold_are_refused() {
        for (from, to, reason) in [
            ("opens a0 a1", "opens a0 a2", "no such aggregate"),
            ("cell a0 opens a0 a1", "cell a0 opens a1", "its own count"),
            (
                "rows 100\n",
                "rows 100\nparameters {\"scheme\":\"clear\",\"rows_per_block\":4}\n",
                "placed together",
            ),
        ] {
            let plan = Plan::parse(&CIRCUIT.replace(from, to)).unwrap();
            let refused = verify(&plan).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        for (from, to) in
            [("cell a0", "cell s0"), (" opens a1", ""), ("gate 11", "gate x"), ("gate 11", "gate 11 base 15")]
        {
            assert!(Plan::parse(&CIRCUIT.replace(from, to)).is_err(), "{to}");
        }
        assert!(Plan::parse(&CIRCUIT.replace("gate 11\n", "")).is_err());
    }
}
