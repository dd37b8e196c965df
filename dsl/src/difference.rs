//! What changed between two versions of a dataset's schema, in one sentence for whoever holds the older one.

use crate::domain::{Domain, quote_level};
use crate::number::with_commas;
use crate::typed::{Column, Dataset};

/// The first difference that matters, or `None` where the schemas say the same.
#[must_use]
pub fn difference(old: &Dataset, new: &Dataset) -> Option<String> {
    if old.name != new.name {
        return Some(format!("it is `{}`, not `{}`", new.name, old.name));
    }
    for column in &old.columns {
        match new.columns.iter().find(|other| other.name == column.name) {
            None => return Some(format!("`{}` is gone", column.name)),
            Some(other) => {
                if let Some(change) = column_difference(column, other) {
                    return Some(format!("`{}` {change}", column.name));
                }
            }
        }
    }
    if let Some(column) =
        new.columns.iter().find(|column| !old.columns.iter().any(|other| other.name == column.name))
    {
        return Some(format!("`{}` is new", column.name));
    }
    if old.rows != new.rows {
        let [old, new] = [old.rows, new.rows].map(|rows| with_commas(rows.into()));
        return Some(format!("`rows <=` is {new}, was {old}"));
    }
    if old.release != new.release {
        return Some("its release rules are others".to_owned());
    }
    if old.title != new.title {
        return Some("its title is another".to_owned());
    }
    (old.to_string() != new.to_string()).then(|| "its columns stand in another order".to_owned())
}

fn column_difference(old: &Column, new: &Column) -> Option<String> {
    if let (Domain::Levels(before), Domain::Levels(after)) = (&old.domain, &new.domain) {
        let lacks = |levels: &[String], level: &&String| !levels.contains(level);
        if let Some(level) = after.iter().find(|level| lacks(before, level)) {
            return Some(format!("has a new level `{}`", quote_level(level)));
        }
        if let Some(level) = before.iter().find(|level| lacks(after, level)) {
            return Some(format!("has no level `{}` any more", quote_level(level)));
        }
    }
    if old.domain != new.domain {
        return Some(format!("is {}, was {}", new.domain, old.domain));
    }
    match (old.optional, new.optional) {
        (false, true) => return Some("may be missing now".to_owned()),
        (true, false) => return Some("may not be missing any more".to_owned()),
        (true, true) | (false, false) => {}
    }
    let text = |column: &Column| column.prepared.as_ref().map(|prepared| prepared.text.clone());
    if text(old) != text(new) {
        return Some("is prepared otherwise".to_owned());
    }
    (old.description != new.description).then(|| "is described otherwise".to_owned())
}
