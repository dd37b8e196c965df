//! Products that no table holds: values under conditions, and values multiplied by values, digit by digit.

use hq_plugin_sdk::plan::{NodeId, Op};
use hq_plugin_sdk::rotations::Use;

use super::{Combination, Maker, add};
use crate::algebra::Result;
use crate::encoding::is_word;
use crate::passes::functions::{Function, too_wide};

impl Maker<'_> {
    /// The product of functions with factors: of the factors that no table holds the widest is taken apart under all
    /// others, and the others term by term.
    pub(super) fn multiplied(
        &mut self,
        mut functions: Vec<Function>,
        mut factors: Vec<NodeId>,
        role: Use,
    ) -> Result<Combination> {
        let widest = (0..factors.len())
            .max_by_key(|&index| factors.get(index).map_or(0, |&factor| self.breadth(factor)));
        let widest = widest.map(|index| factors.swap_remove(index)).ok_or_else(|| too_wide("a product"))?;
        if factors.is_empty() && functions.is_empty() {
            return self.terms(widest, role);
        }
        let mut wide = Vec::new();
        for factor in factors {
            match self.factor(factor) {
                Ok(function) => functions.push(function),
                Err(_) if matches!(self.source.op(factor), Some(Op::Linear(_))) => wide.push(factor),
                Err(error) => return Err(error),
            }
        }
        let Some(spread) = wide.pop() else { return self.masked(functions, widest, role) };
        wide.insert(0, widest);
        let Op::Linear(linear) = self.op(spread)? else { return Err(too_wide(spread)) };
        self.weighted(linear.constant(), linear.terms().iter().copied(), |maker, term| {
            let mut factors = wide.clone();
            if let Some(term) = term {
                factors.extend(maker.factors(term)?);
            }
            maker.multiplied(functions.clone(), factors, role)
        })
    }

    /// The product of functions with a value: where no table holds all functions, the widest in digits, and two that are
    /// narrow as one.
    fn masked(&mut self, mut functions: Vec<Function>, wide: NodeId, role: Use) -> Result<Combination> {
        let error = match self.bench.product(functions.clone()) {
            Ok(mask) => return self.under(&mask, wide, role),
            Err(error) => error,
        };
        let base = self.bench.entries.isqrt();
        functions.sort_by_key(Function::span);
        let Some(widest) = functions.pop().filter(|_| base >= 2) else { return Err(error) };
        if widest.span() > base {
            return self.split(&widest, base, |maker, piece| {
                maker.masked(functions.iter().cloned().chain(piece).collect(), wide, role)
            });
        }
        let second = functions.pop().filter(|second| !second.is_flag()).ok_or(error)?;
        let both = self.bench.product(vec![second, widest])?;
        let both = self.bench.digit(&both)?;
        functions.push(self.bench.identity(both)?);
        self.masked(functions, wide, role)
    }

    /// The product of a function with a value that has too many values for a table.
    fn under(&mut self, mask: &Function, wide: NodeId, role: Use) -> Result<Combination> {
        if let Some(input) = self.input_of(wide).filter(|input| is_word(&input.name)) {
            let input = input.clone();
            return self.entry(mask, input, role);
        }
        match self.op(wide)? {
            Op::Linear(linear) => {
                let terms = linear.terms().iter().copied();
                self.weighted(linear.constant(), terms, |maker, term| match term {
                    None => maker.whole(mask, role),
                    Some(term) => maker.under(mask, term, role),
                })
            }
            Op::Mul { .. } => {
                let factors = self.factors(wide)?;
                self.multiplied(vec![mask.clone()], factors, role)
            }
            Op::Input { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => self.pieces(mask, wide, role),
        }
    }

    /// The product of a function with a digit: in one table, or in pieces of the digit that fit beside the mask.
    fn pieces(&mut self, mask: &Function, digit: NodeId, role: Use) -> Result<Combination> {
        let value = self.factor(digit)?;
        if let Ok(product) = self.bench.product(vec![mask.clone(), value.clone()]) {
            return self.whole(&product, role);
        }
        // Looked up, it may take fewer values.
        let mask = if mask.span() < mask.values.len() as u64 {
            let value = self.bench.digit(mask)?;
            self.bench.identity(value)?
        } else {
            mask.clone()
        };
        let base = self.bench.entries / (mask.values.len() as u64).max(1);
        if base >= 2 {
            return self.split(&value, base, |maker, piece| match piece {
                None => maker.whole(&mask, role),
                Some(piece) => {
                    let product = maker.bench.product(vec![mask.clone(), piece])?;
                    maker.whole(&product, role)
                }
            });
        }
        let base = self.bench.entries.isqrt();
        if base < 2 || mask.span() <= base {
            return Err(too_wide(digit));
        }
        self.split(&mask, base, |maker, piece| match piece {
            None => maker.whole(&value, role),
            Some(piece) => maker.pieces(&piece, digit, role),
        })
    }

    /// Sums up what is made of a function's digits to a base, by their weights, and of 1.
    fn split(
        &mut self,
        function: &Function,
        base: u64,
        mut make: impl FnMut(&mut Self, Option<Function>) -> Result<Combination>,
    ) -> Result<Combination> {
        let base = i64::try_from(base).unwrap_or(i64::MAX);
        let lowest = function.values.iter().copied().min().unwrap_or(0);
        let highest = function.values.iter().copied().max().unwrap_or(0);
        let weights = std::iter::successors(Some(1_i64), |weight| Some(weight.saturating_mul(base)));
        let weights = weights.take_while(|&weight| weight <= highest - lowest);
        self.weighted(lowest, weights.map(|weight| (weight, weight)), |maker, weight| {
            let Some(weight) = weight else { return make(maker, None) };
            let piece = function.clone().map(|value| (value - lowest) / weight % base);
            let piece = maker.bench.digit(&piece)?;
            let piece = maker.bench.identity(piece)?;
            make(maker, Some(piece))
        })
    }

    /// Sums up what is made of terms by their coefficients, and of 1 by a constant.
    fn weighted<T>(
        &mut self,
        constant: i64,
        terms: impl IntoIterator<Item = (i64, T)>,
        mut make: impl FnMut(&mut Self, Option<T>) -> Result<Combination>,
    ) -> Result<Combination> {
        let mut all: Combination = (0, Vec::new());
        if constant != 0 {
            let shares = make(self, None)?;
            add(&mut all, constant, shares)?;
        }
        for (coefficient, term) in terms {
            let shares = make(self, Some(term))?;
            add(&mut all, coefficient, shares)?;
        }
        Ok(all)
    }
}
