//! The values of a table over row values. Quotients are exact rationals. What a root or a logarithm leaves
//! inexact is a double; where rounding could decide a comparison, there is no answer.

use std::cmp::Ordering;

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Signed, ToPrimitive, Zero};

use crate::ast::ArithmeticOp;
use crate::clear::Unary;
use crate::number::{Decimal, MAX_DECIMALS, power_of_ten};

/// Sides nearer than this, relative to the larger, may be equal but for rounding: a few operations on
/// doubles lose less than 2^-48.
const CLOSE: f64 = 1e-11;

/// A value of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Exact(Ratio<i128>),
    Real(f64),
    Bool(bool),
    /// No such number: `1 / 0`.
    Undefined,
    /// Rounding could decide.
    Undecided,
}

impl Cell {
    pub(super) fn to_f64(self) -> Option<f64> {
        match self {
            Self::Exact(number) => number.to_f64(),
            Self::Real(value) => Some(value),
            Self::Bool(value) => Some(f64::from(u8::from(value))),
            Self::Undefined | Self::Undecided => None,
        }
    }

    pub(super) fn to_exact(self) -> Option<Ratio<i128>> {
        match self {
            Self::Exact(number) => Some(number),
            Self::Bool(value) => Some(Ratio::from_integer(i128::from(value))),
            Self::Real(_) | Self::Undefined | Self::Undecided => None,
        }
    }
}

pub(super) fn exact(number: Decimal) -> Cell {
    power_of_ten(number.decimals).map_or(Cell::Undefined, |unit| Cell::Exact(Ratio::new(number.value, unit)))
}

pub(super) fn real_cell(value: f64) -> Cell {
    if value.is_finite() { Cell::Real(value) } else { Cell::Undefined }
}

pub(super) fn one(cells: &[Cell], function: impl Fn(Cell) -> Cell) -> Cell {
    cells.first().map_or(Cell::Undefined, |&cell| function(cell))
}

pub(super) fn two(cells: &[Cell], function: impl Fn(Cell, Cell) -> Cell) -> Cell {
    if let [a, b] = cells { function(*a, *b) } else { Cell::Undefined }
}

/// What an operation gives of which one operand has no value.
pub(super) fn worse(a: Cell, b: Cell) -> Cell {
    if a == Cell::Undefined || b == Cell::Undefined { Cell::Undefined } else { Cell::Undecided }
}

/// The order of two cells; `None` where one has no value or rounding could decide.
pub(super) fn order(a: Cell, b: Cell) -> Option<Ordering> {
    if let (Some(x), Some(y)) = (a.to_exact(), b.to_exact()) {
        return Some(x.cmp(&y));
    }
    let (x, y) = (a.to_f64()?, b.to_f64()?);
    if (x - y).abs() <= CLOSE * x.abs().max(y.abs()) { None } else { x.partial_cmp(&y) }
}

pub(super) fn arithmetic(op: ArithmeticOp, a: Cell, b: Cell) -> Cell {
    let (Some(x), Some(y)) = (a.to_f64(), b.to_f64()) else { return worse(a, b) };
    if matches!(op, ArithmeticOp::Div | ArithmeticOp::Rem) && y == 0.0 {
        return Cell::Undefined;
    }
    if let (Some(p), Some(q)) = (a.to_exact(), b.to_exact()) {
        let exact = match op {
            ArithmeticOp::Add => p.checked_add(&q),
            ArithmeticOp::Sub => p.checked_sub(&q),
            ArithmeticOp::Mul => p.checked_mul(&q),
            ArithmeticOp::Div => p.checked_div(&q),
            ArithmeticOp::Rem => {
                p.checked_div(&q).and_then(|ratio| p.checked_sub(&q.checked_mul(&ratio.floor())?))
            }
        };
        if let Some(exact) = exact {
            return Cell::Exact(exact);
        }
    }
    match op {
        ArithmeticOp::Add => real_cell(x + y),
        ArithmeticOp::Sub => real_cell(x - y),
        ArithmeticOp::Mul => real_cell(x * y),
        ArithmeticOp::Div => real_cell(x / y),
        ArithmeticOp::Rem => match floor(real_cell(x / y)) {
            Cell::Exact(times) => times.to_f64().map_or(Cell::Undefined, |times| real_cell(x - y * times)),
            other => other,
        },
    }
}

pub(super) fn power(base: Cell, exponent: Cell) -> Cell {
    let (Some(x), Some(y)) = (base.to_f64(), exponent.to_f64()) else { return worse(base, exponent) };
    let whole =
        exponent.to_exact().filter(Ratio::is_integer).and_then(|y| i32::try_from(y.to_integer()).ok());
    if let (Some(p), Some(times)) = (base.to_exact(), whole.filter(|times| times.abs() <= 64)) {
        if p.is_zero() && times < 0 {
            return Cell::Undefined;
        }
        let one = Ratio::from_integer(1);
        let product = (0..times.abs()).try_fold(one, |product, _| product.checked_mul(&p));
        if let Some(product) = product {
            return Cell::Exact(if times < 0 { product.recip() } else { product });
        }
    }
    // 1 to any power is 1, exactly.
    if base.to_exact() == Some(Ratio::from_integer(1)) { base } else { real_cell(x.powf(y)) }
}

pub(super) fn unary(function: Unary, arg: Cell) -> Cell {
    let Some(x) = arg.to_f64() else { return arg };
    match (function, arg.to_exact()) {
        (Unary::Abs, Some(number)) => Cell::Exact(number.abs()),
        (Unary::Negate, Some(number)) => Cell::Exact(-number),
        (Unary::Floor, _) => floor(arg),
        (Unary::Sqrt, Some(number)) if number >= Ratio::zero() => {
            match (square_root(*number.numer()), square_root(*number.denom())) {
                (Some(above), Some(below)) => Cell::Exact(Ratio::new(above, below)),
                _ => real_cell(x.sqrt()),
            }
        }
        (Unary::Log, Some(number)) if number == Ratio::from_integer(1) => Cell::Exact(Ratio::zero()),
        (Unary::Exp, Some(number)) if number.is_zero() => Cell::Exact(Ratio::from_integer(1)),
        (Unary::Abs, None) => real_cell(x.abs()),
        (Unary::Negate | Unary::Not, _) => real_cell(-x),
        (Unary::Sqrt, _) => real_cell(x.sqrt()),
        (Unary::Log, _) => real_cell(x.ln()),
        (Unary::Log10, number) => number
            .and_then(exponent_of_ten)
            .map_or_else(|| real_cell(x.log10()), |power| Cell::Exact(Ratio::from_integer(power))),
        (Unary::Exp, _) => real_cell(x.exp()),
    }
}

/// The exponent of a power of ten.
fn exponent_of_ten(number: Ratio<i128>) -> Option<i128> {
    (0..=MAX_DECIMALS).find_map(|exponent| {
        let power = Ratio::from_integer(power_of_ten(exponent)?);
        if number == power {
            Some(i128::from(exponent))
        } else {
            (number == power.recip()).then_some(-i128::from(exponent))
        }
    })
}

/// The whole root of a square.
fn square_root(number: i128) -> Option<i128> {
    let number = u128::try_from(number).ok()?;
    let root = number.isqrt();
    (root * root == number).then(|| i128::try_from(root).ok()).flatten()
}

/// Rounded down.
pub(super) fn floor(arg: Cell) -> Cell {
    if let Some(number) = arg.to_exact() {
        return Cell::Exact(number.floor());
    }
    let Some(x) = arg.to_f64() else { return arg };
    if (x - x.round()).abs() <= CLOSE * x.abs().max(1.0) { Cell::Undecided } else { whole(x.floor()) }
}

/// To that many digits after the point, half away from zero.
pub(super) fn round(arg: Cell, digits: u8) -> Cell {
    let Some(unit) = power_of_ten(digits) else { return Cell::Undefined };
    let unit = Ratio::from_integer(unit);
    if let Some(scaled) = arg.to_exact().and_then(|number| number.checked_mul(&unit)) {
        return Cell::Exact(scaled.round() / unit);
    }
    let (Some(x), Some(scale)) = (arg.to_f64(), unit.to_f64()) else { return arg };
    let scaled = x * scale;
    if ((scaled - scaled.floor()) - 0.5).abs() <= CLOSE * scaled.abs().max(1.0) {
        return Cell::Undecided;
    }
    match whole(scaled.round()) {
        Cell::Exact(number) => Cell::Exact(number / unit),
        other => other,
    }
}

/// A double that is a whole number, exactly.
fn whole(value: f64) -> Cell {
    // 2^62 bounds what a row value may hold.
    if value.abs() < 4.0e18 {
        value.to_i128().map_or(Cell::Undefined, |value| Cell::Exact(Ratio::from_integer(value)))
    } else {
        Cell::Undefined
    }
}
