//! What a plan of bootstraps consists of: which values are digits and which are shares, and which tables share a
//! rotation. These are functions of the plan, so planner, certificate and backend agree on them.
//!
//! Invariants of a plan of bootstraps:
//! 1. Its operations are `input`, `linear` and `lookup`; inputs have no level.
//! 2. The argument of a table is a digit; it takes at most as many values as a table has entries.
//! 3. What is summed is made of tables and of constants: a digit of the table's row cannot be added up.
//! 4. An encrypted entry is a value of the table, stands in tables of shares only, one input in a table, and not among
//!    the digits. It stands neither first nor last where boxes are shared.
//! 5. Numbers stay within what ciphertexts hold: digits within 2^20, sums within 2^w.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{InputId, NodeId, Op, Origin, Plan};
use crate::range::Range;
use crate::table::{Entry, Table};
use crate::tfhe::TfheParameters;
use crate::verify::Invalid;

/// Digits and their coefficients stay within this magnitude.
const MAX_DIGIT: u64 = 1 << 20;

/// What the output of a rotation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// A digit, for tables to come.
    Digit,
    /// A share of sums.
    Share,
}

/// Tables that are looked up at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The value by which they are rotated.
    pub arg: NodeId,
    /// The values that it takes: each table has so many boxes.
    pub range: Range,
    /// What comes out.
    pub role: Use,
    /// The nodes whose tables they are, at least one.
    pub lookups: Vec<NodeId>,
}

impl Rotation {
    fn tables(&self) -> u64 {
        self.lookups.len() as u64
    }

    /// Whether its tables leave no box free.
    fn is_full(&self, parameters: &TfheParameters) -> bool {
        self.tables() * self.range.size() >= u64::from(parameters.boxes)
    }

    /// The coefficient at which the output of a table is read.
    #[must_use]
    pub fn place(&self, table: u64, parameters: &TfheParameters) -> u64 {
        let (boxes, size) = (u64::from(parameters.boxes).max(1), u64::from(parameters.polynomial_size));
        let distance = self.range.size() * size;
        // With boxes to spare, tables are whole coefficients apart.
        if self.is_full(parameters) {
            (2 * table * distance + boxes) / (2 * boxes)
        } else {
            table * distance.div_ceil(boxes)
        }
    }

    /// By how many coefficients its argument may be off, noise and rounding together.
    #[must_use]
    pub fn margin(&self, plan: &Plan, parameters: &TfheParameters) -> f64 {
        let half = f64::from(parameters.polynomial_size) / (2.0 * f64::from(parameters.boxes));
        let full = self.is_full(parameters);
        let moved = if full && self.lookups.len() > 1 { 1.0 } else { 0.0 };
        let followed = |table: &Table| {
            let pairs = table.entries().iter().zip(table.entries().iter().skip(1));
            pairs.into_iter().any(|(entry, _)| matches!(entry, Entry::Input(_)))
        };
        let tables: Vec<&Table> = self.lookups.iter().filter_map(|&node| table_of(plan, node)).collect();
        let last = tables.len().saturating_sub(1);
        // The box of an encrypted entry is a coefficient wider than it may be, on its upper side.
        let touched = tables
            .iter()
            .enumerate()
            .any(|(index, table)| is_encrypted(table) && (full || followed(table) || index < last));
        half - moved - if touched { 1.0 } else { 0.0 }
    }
}

/// The first coefficient of a table's box: that of the value `index`, where box 0 is centred on the table's place.
#[must_use]
pub fn first_coefficient(index: u64, parameters: &TfheParameters) -> i64 {
    let wide = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (boxes, size) = (i64::from(parameters.boxes).max(1), i64::from(parameters.polynomial_size));
    // index N/E - N/(2E) - 1/2, rounded up.
    let numerator = (2 * wide(index) - 1) * size - boxes;
    -((-numerator).div_euclid(2 * boxes))
}

/// Coefficients of the box in which a dataset holds an encrypted entry.
#[must_use]
pub fn entry_coefficients(parameters: &TfheParameters) -> u64 {
    u64::from(parameters.polynomial_size).div_ceil(u64::from(parameters.boxes).max(1))
}

/// The rotations of a plan, in the order in which they can be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotations {
    /// Each with its tables.
    pub rotations: Vec<Rotation>,
    /// By node: whether it is needed as a digit.
    pub digits: Vec<bool>,
    /// By node: whether it is needed as a share.
    pub shares: Vec<bool>,
}

fn invalid(place: impl ToString, reason: impl Into<String>) -> Invalid {
    Invalid { place: place.to_string(), reason: reason.into() }
}

fn mark(flags: &mut [bool], node: NodeId) {
    if let Some(flag) = flags.get_mut(node.index()) {
        *flag = true;
    }
}

impl Rotations {
    /// Of a plan whose nodes have the given ranges.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn of(plan: &Plan, ranges: &[Range], parameters: &TfheParameters) -> Result<Self, Invalid> {
        let count = plan.nodes().len();
        let (mut digits, mut shares) = (vec![false; count], vec![false; count]);
        plan.sums.iter().for_each(|sum| mark(&mut shares, sum.node));
        for (node, op) in plan.iter().rev() {
            let is = |flags: &[bool]| flags.get(node.index()).copied().unwrap_or(false);
            match op {
                Op::Linear(linear) => {
                    for &(_, term) in linear.terms() {
                        if is(&digits) {
                            mark(&mut digits, term);
                        }
                        if is(&shares) {
                            mark(&mut shares, term);
                        }
                    }
                }
                Op::Lookup { arg, .. } if is(&digits) || is(&shares) => mark(&mut digits, *arg),
                Op::Lookup { .. } => {}
                Op::Input { level: None, .. } if is(&shares) => {
                    return Err(invalid(node, "is summed without a table"));
                }
                Op::Input { level: None, .. } => {}
                Op::Input { level: Some(_), .. }
                | Op::Member { .. }
                | Op::Less { .. }
                | Op::Equal { .. }
                | Op::Mul { .. }
                | Op::Relinearize { .. }
                | Op::ModSwitch { .. }
                | Op::Drop { .. } => return Err(invalid(node, "is no operation of a plan of bootstraps")),
            }
        }
        let mut rotations = Self { rotations: Vec::new(), digits, shares };
        rotations.check_digits(plan, ranges)?;
        rotations.check_entries(plan)?;
        rotations.share_out(plan, ranges, parameters)?;
        for sum in &plan.sums {
            let span = sum.range.hull(Range::single(0)).size() - 1;
            if u128::from(span) * u128::from(plan.rows) >= u128::from(parameters.sum_modulus()) {
                return Err(invalid(sum.node, "its sum may wrap"));
            }
        }
        Ok(rotations)
    }

    /// Whether a node is needed as a digit.
    #[must_use]
    pub fn is_digit(&self, node: NodeId) -> bool {
        self.digits.get(node.index()).copied().unwrap_or(false)
    }

    /// Whether a node is needed as a share.
    #[must_use]
    pub fn is_share(&self, node: NodeId) -> bool {
        self.shares.get(node.index()).copied().unwrap_or(false)
    }

    fn check_digits(&self, plan: &Plan, ranges: &[Range]) -> Result<(), Invalid> {
        for (node, op) in plan.iter() {
            let within = |range: Range| range.lo().unsigned_abs().max(range.hi().unsigned_abs()) <= MAX_DIGIT;
            let range = ranges.get(node.index()).copied().unwrap_or(Range::BOOL);
            if self.is_digit(node) && !within(range) {
                return Err(invalid(node, "is no digit: its values are too large"));
            }
            if let Op::Linear(linear) = op
                && self.is_digit(node)
                && linear.terms().iter().any(|&(coefficient, _)| coefficient.unsigned_abs() > MAX_DIGIT)
            {
                return Err(invalid(node, "a coefficient is too large for digits"));
            }
        }
        Ok(())
    }

    /// Invariant 4.
    fn check_entries(&self, plan: &Plan) -> Result<(), Invalid> {
        let read: BTreeSet<InputId> = plan
            .nodes()
            .iter()
            .filter_map(|op| if let Op::Input { input, .. } = op { Some(*input) } else { None })
            .collect();
        for (node, op) in plan.iter() {
            let Op::Lookup { table, .. } = op else { continue };
            let inputs: BTreeSet<InputId> = table.inputs().collect();
            let Some(input) = inputs.first() else { continue };
            let parameter = plan.origin(*input) == Origin::Parameter;
            if self.is_digit(node) || inputs.len() > 1 || read.contains(input) || parameter {
                let reason =
                    "an encrypted entry is a column's, stands for shares only, alone, and not as a digit";
                return Err(invalid(node, reason));
            }
        }
        Ok(())
    }

    /// Tables of one value and use share rotations, as many as fit.
    fn share_out(
        &mut self,
        plan: &Plan,
        ranges: &[Range],
        parameters: &TfheParameters,
    ) -> Result<(), Invalid> {
        let mut open: BTreeMap<(NodeId, Use), usize> = BTreeMap::new();
        for (node, op) in plan.iter() {
            let Op::Lookup { arg, table } = op else { continue };
            let range = ranges.get(arg.index()).copied().unwrap_or(Range::BOOL);
            let room = parameters.tables_per_rotation(range.size());
            let wanted = [(Use::Digit, self.is_digit(node)), (Use::Share, self.is_share(node))];
            for role in wanted.into_iter().filter_map(|(role, wanted)| wanted.then_some(role)) {
                if room == 0 {
                    return Err(invalid(node, format!("{arg} takes more values than a table has entries")));
                }
                // Boxes are shared at both ends, so an encrypted table leaves one box free.
                if is_encrypted(table) && range.size() > u64::from(parameters.boxes) {
                    return Err(invalid(node, format!("{arg} takes too many values for an encrypted entry")));
                }
                let place = open.get(&(*arg, role)).and_then(|&index| self.rotations.get_mut(index));
                match place {
                    Some(rotation)
                        if (rotation.lookups.len() as u64) < room
                            && fits(plan, rotation, table, parameters) =>
                    {
                        rotation.lookups.push(node);
                    }
                    _ => {
                        open.insert((*arg, role), self.rotations.len());
                        self.rotations.push(Rotation { arg: *arg, range, role, lookups: vec![node] });
                    }
                }
            }
        }
        for rotation in &mut self.rotations {
            if !rotation.is_full(parameters) {
                // Encrypted entries stand last, where they touch nothing.
                rotation.lookups.sort_by_key(|&node| table_of(plan, node).is_some_and(is_encrypted));
            }
        }
        Ok(())
    }
}

fn table_of(plan: &Plan, node: NodeId) -> Option<&Table> {
    if let Some(Op::Lookup { table, .. }) = plan.op(node) { Some(table) } else { None }
}

fn is_encrypted(table: &Table) -> bool {
    table.inputs().next().is_some()
}

/// Whether one more table goes into a rotation: where all boxes are taken, the first and the last share one, so both
/// ends must be public.
fn fits(plan: &Plan, rotation: &Rotation, table: &Table, parameters: &TfheParameters) -> bool {
    let tables = rotation.lookups.len() as u64 + 1;
    if tables * rotation.range.size() <= u64::from(parameters.boxes) {
        return true;
    }
    let first = rotation.lookups.first().and_then(|&node| table_of(plan, node));
    !is_encrypted(table) && first.is_some_and(|first| !is_encrypted(first))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "the plans are written here")]

    use super::*;
    use crate::parameters::Parameters;
    use crate::tfhe::tests::parameters;
    use crate::verify::{ranges, verify};

    /// A plan of some inputs, nodes and sums.
    fn plan(text: &str) -> Plan {
        let json = serde_json::to_string(&Parameters::Tfhe(parameters())).unwrap();
        let text = format!("hq-plan 1\nrows 100\nparameters {json}\n{text}");
        let plan = Plan::parse(&text).unwrap();
        assert_eq!(plan.to_string(), text);
        plan
    }

    #[test]
    fn tables_of_one_value_share_rotations_as_far_as_they_fit() {
        let plan = plan(
            "input a 0..3\ninput v 0..200\n%0 = input a\n%1 = lookup %0 0 [0,0,0,v]\n%2 = lookup %0 0 [0,1,2,3]\n\
             %3 = lookup %0 0 [1,0,0,0]\n%4 = lookup %0 0 [0,1,0,0]\n%5 = lookup %0 0 [0,0,1,0]\n\
             %6 = linear 0 1*%2 4*%3\n%7 = lookup %6 0 [0,0,0,0,1,1,1,1]\nsum %1 0..200\nsum %2 0..3\nsum %4 0..1\n\
             sum %5 0..1\nsum %7 0..1\n",
        );
        verify(&plan).unwrap();
        let found = Rotations::of(&plan, &ranges(&plan).unwrap(), &parameters()).unwrap();
        let shape: Vec<(usize, Use, usize)> = found
            .rotations
            .iter()
            .map(|rotation| (rotation.arg.index(), rotation.role, rotation.lookups.len()))
            .collect();
        // Four tables of four values fill all boxes, in which an encrypted entry may not stand first.
        let expected = [(0, Use::Share, 3), (0, Use::Digit, 2), (0, Use::Share, 1), (6, Use::Share, 1)];
        assert_eq!(shape, expected);
        let first = &found.rotations[0];
        assert_eq!(first.lookups.last().map(|node| node.index()), Some(1), "an encrypted entry stands last");
        assert!(
            found.is_digit(NodeId::from_index(2).unwrap()) && found.is_share(NodeId::from_index(2).unwrap())
        );
        assert_eq!(first_coefficient(0, &parameters()), -17);
        assert_eq!(first_coefficient(15, &parameters()), 512 - 17);
    }

    #[test]
    fn what_no_bootstraps_compute_is_refused() {
        let wrong = [
            (
                "input a 0..16\n%0 = input a\n%1 = lookup %0 0 [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]\nsum %1 0..1\n",
                "entries",
            ),
            ("input a 0..3\n%0 = input a\nsum %0 0..3\n", "without a table"),
            ("input a 0..3\n%0 = input a\n%1 = lookup %0 0 [0,1,2]\nsum %1 0..2\n", "no entry"),
            ("input a 0..3\n%0 = input a\n%1 = mul %0 %0\nsum %1 0..9\n", "no operation"),
            ("input a 0..1\n%0 = input a\n%1 = lookup %0 0 [0,9000]\nsum %1 0..9000\n", "may wrap"),
            ("input a 0..1\n%0 = input a\n%1 = lookup %0 0 [0,a]\nsum %1 0..1\n", "encrypted entry"),
            (
                "input a 0..1\ninput p 0..1 parameter\n%0 = input a\n%1 = lookup %0 0 [0,p]\nsum %1 0..1\n",
                "encrypted entry",
            ),
        ];
        for (text, reason) in wrong {
            let error = verify(&plan(text)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
