//! More forms for columns that are encrypted already: what is held stays as it is, what is asked for stands beside it.

use std::mem::discriminant;

use crate::encoding::{Encoding, Form};
use crate::forms::Forms;

/// A form that cannot stand beside what a column is held in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The column.
    pub column: String,
    /// The form that it keeps.
    pub held: Form,
    /// The form that was asked for.
    pub wanted: Form,
}

impl Forms {
    /// These forms with those of `more`, which are of the same dataset. Digits and limbs have the same names whatever
    /// their sizes, so others than those held are left out and given back.
    #[must_use]
    pub fn widened(&self, more: &Self) -> (Self, Vec<LeftOut>) {
        let mut widened = self.clone();
        widened.max_bytes_per_row = self.max_bytes_per_row.max(more.max_bytes_per_row);
        let mut left_out = Vec::new();
        for (column, asked) in &more.columns {
            let Some(encoding) = widened.columns.get_mut(column) else { continue };
            for wanted in &asked.forms {
                if let Some(held) = add(encoding, wanted) {
                    left_out.push(LeftOut { column: column.clone(), held, wanted: wanted.clone() });
                }
            }
        }
        (widened, left_out)
    }
}

/// Adds a form, or gives back the one that is in its way.
fn add(encoding: &mut Encoding, wanted: &Form) -> Option<Form> {
    let held = encoding.forms.iter_mut().find(|held| discriminant(*held) == discriminant(wanted));
    let Some(held) = held else {
        encoding.forms.push(wanted.clone());
        return None;
    };
    match (held, wanted) {
        // Flags at cut points are each on their own.
        (Form::Cuts { at }, Form::Cuts { at: more }) => {
            at.extend(more);
            at.sort_unstable();
            at.dedup();
            None
        }
        (held, wanted) => (held != wanted).then(|| held.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    fn forms(forms: &[Form]) -> Forms {
        let encoding = Encoding { lo: 0, hi: 99, optional: true, forms: forms.to_vec() };
        Forms {
            version: crate::forms::VERSION,
            dataset: "d".to_owned(),
            max_bytes_per_row: 100,
            columns: [("x".to_owned(), encoding)].into(),
        }
    }

    fn names(forms: &Forms) -> Vec<String> {
        forms.columns["x"].parts("x").into_iter().map(|part| part.input.name).collect()
    }

    #[test]
    fn what_is_held_stays_and_what_is_new_stands_beside_it() {
        let digits = |bases: &[u32]| Form::OneHot { bases: bases.to_vec() };
        let cuts = |at: &[i64]| Form::Cuts { at: at.to_vec() };
        let held = forms(&[digits(&[10, 10]), cuts(&[20, 60])]);
        let more = Forms { max_bytes_per_row: 300, ..forms(&[cuts(&[5, 60, 80]), Form::Word]) };
        let (widened, left_out) = held.widened(&more);
        assert_eq!(widened.columns["x"].forms, [digits(&[10, 10]), cuts(&[5, 20, 60, 80]), Form::Word]);
        assert_eq!((widened.max_bytes_per_row, left_out.len()), (300, 0));
        widened.columns["x"].check().unwrap();
        let all = names(&widened);
        assert!(names(&held).iter().all(|name| all.contains(name)));
        // Once more adds nothing.
        assert_eq!(widened.widened(&more), (widened.clone(), Vec::new()));

        let (same, left_out) = held.widened(&forms(&[digits(&[16, 7])]));
        assert_eq!(same, held);
        let [LeftOut { column, held, wanted }] = left_out.as_slice() else { unreachable!("one is left out") };
        assert_eq!((column.as_str(), held, wanted), ("x", &digits(&[10, 10]), &digits(&[16, 7])));
    }
}
