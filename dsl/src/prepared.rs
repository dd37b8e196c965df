//! Prepared columns: what the owner's client computes of a row, in the clear, before it encrypts.

use crate::clear::{ClearId, ClearOp, Clears};
use crate::domain::Domain;
use crate::finish::{Leaf, Scalar, cell_scalar, evaluate};

/// The checked expression of a prepared column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its source on one line.
    pub text: String,
    /// The columns that it reads, by position in the dataset, with their domains.
    pub reads: Vec<(usize, Domain)>,
    pub(crate) clears: Clears,
    pub(crate) value: ClearId,
}

impl Prepared {
    /// Stands for an expression that was not checked yet.
    pub(crate) fn unchecked() -> Self {
        let mut clears = Clears::default();
        let value = clears.push(ClearOp::Bool(false));
        Self { text: String::new(), reads: Vec::new(), clears, value }
    }

    /// The code of the column whose domain is given, for a row; `cell` gives the code of a column of the row
    /// by position. `None` where a missing cell decides, or the expression has no value there.
    ///
    /// # Errors
    /// The value, in words, where it lies outside the domain.
    pub fn code(&self, domain: &Domain, cell: &dyn Fn(usize) -> Option<i64>) -> Result<Option<i64>, String> {
        let leaf = |leaf: Leaf| match leaf {
            Leaf::Cell(index) => {
                let column = self.reads.iter().find(|(position, _)| *position == index);
                match (cell(index), column) {
                    (Some(code), Some((_, domain))) => cell_scalar(domain, code),
                    _ => Scalar::Undefined,
                }
            }
            Leaf::Present(index) => Scalar::Bool(cell(index).is_some()),
            Leaf::Aggregate(_) | Leaf::Key(_) => Scalar::Undefined,
        };
        let mut scalars: Vec<Scalar> = Vec::with_capacity(self.clears.len());
        for (_, op) in self.clears.iter() {
            let scalar = evaluate(&leaf, &scalars, op);
            scalars.push(scalar);
        }
        let value = scalars.get(self.value.index()).unwrap_or(&Scalar::Undefined);
        match (domain, value) {
            (_, Scalar::Undefined | Scalar::Hidden) => Ok(None),
            (Domain::Bool, Scalar::Bool(value)) => Ok(Some(i64::from(*value))),
            (Domain::Levels(levels), Scalar::Text(text)) => {
                let level = levels.iter().position(|level| level == text);
                level.and_then(|at| i64::try_from(at).ok()).map(Some).ok_or_else(|| text.clone())
            }
            (Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. }, scalar) => {
                number_code(domain, scalar)
            }
            (Domain::Bool | Domain::Levels(_), scalar) => Err(scalar.to_f64().to_string()),
        }
    }
}

/// A number at the decimals of a domain: an exact one must have no more, a real one is rounded.
fn number_code(domain: &Domain, scalar: &Scalar) -> Result<Option<i64>, String> {
    let decimals = domain.decimals();
    let code = match scalar.number() {
        Some(number) => number.rounded(decimals).and_then(|number| i64::try_from(number.value).ok()),
        None => {
            let scaled = (scalar.to_f64() * 10_f64.powi(i32::from(decimals))).round();
            // Compared as doubles, so that what no integer holds is outside.
            #[expect(clippy::cast_possible_truncation, reason = "checked against 2^53 first")]
            (scaled.abs() < 9_007_199_254_740_992.0).then_some(scaled as i64)
        }
    };
    match code {
        Some(code) if domain.contains(code) => Ok(Some(code)),
        _ => Err(scalar.to_f64().to_string()),
    }
}
