//! The form of a table: where the columns of a dataset stand, by its first line, and what can be wrong, told
//! to whoever has to mend it.

use std::fmt;

/// Column names that a message lists.
const LISTED_NAMES: usize = 24;

/// Letters of a name that a message shows.
const SHOWN_LETTERS: usize = 40;

/// Why a file is no table with the wanted columns.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    /// Nothing in it.
    #[error("the file is empty; a table begins with a line of column names")]
    Empty,
    /// Columns of the schema are not in the table.
    #[error("no column {missing}; the table has {present}. {hint}")]
    MissingColumns { missing: String, present: String, hint: Hint },
    /// A name that stands for two columns.
    #[error("two columns are named `{name}`; rename or remove one")]
    TwoColumns { name: String },
    /// Bytes that are no text.
    #[error("{place} is not UTF-8 text. Save the table as UTF-8")]
    NotUtf8 { place: String },
    /// A row with fewer cells than the header.
    #[error(
        "line {line}: the row has {cells} of the header's {header} cells. A cell is missing, or a quote is not \
         closed"
    )]
    ShortRow { line: u64, cells: u64, header: u64 },
    /// A row with more cells than the header.
    #[error(
        "line {line}: the row has {cells} cells, the header {header}. Put quotes around a cell that holds a comma"
    )]
    LongRow { line: u64, cells: u64, header: u64 },
    /// The file cannot be read.
    #[error(transparent)]
    Csv(csv::Error),
}

/// Why a column may not be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The header is one cell with such signs in it.
    Separator(&'static str),
    /// The names differ in letter case only.
    Case { wanted: String, present: String },
    /// No name begins with a letter.
    NoHeader,
    /// Nothing in particular.
    None,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Separator(sign) => {
                write!(f, "Its columns seem to be separated by {sign}; save it with commas")
            }
            Self::Case { wanted, present } => {
                write!(f, "`{present}` is not `{wanted}`: names are compared letter by letter")
            }
            Self::NoHeader => f.write_str("Its first line seems to be data; put the column names before it"),
            Self::None => f.write_str("Columns are found by the names in the first line"),
        }
    }
}

impl From<csv::Error> for Malformed {
    fn from(error: csv::Error) -> Self {
        let csv::ErrorKind::UnequalLengths { pos, expected_len: header, len: cells } = error.kind() else {
            return Self::Csv(error);
        };
        let line = pos.as_ref().map_or(0, csv::Position::line);
        let (cells, header) = (*cells, *header);
        if cells < header {
            Self::ShortRow { line, cells, header }
        } else {
            Self::LongRow { line, cells, header }
        }
    }
}

/// The names in a table's first line.
#[derive(Clone, Debug)]
pub(crate) struct Header(Vec<String>);

impl Header {
    /// Of the first record.
    pub(crate) fn of(record: &csv::ByteRecord) -> Result<Self, Malformed> {
        if record.is_empty() {
            return Err(Malformed::Empty);
        }
        // Spreadsheets write UTF-16 with a mark of byte order, and its letters with zeros between them.
        if record.as_slice().contains(&0) {
            return Err(Malformed::NotUtf8 { place: "the header".to_owned() });
        }
        Ok(Self(record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect()))
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Positions of wanted columns, in their order.
    pub(crate) fn positions(&self, wanted: &[&str]) -> Result<Vec<usize>, Malformed> {
        let mut positions = Vec::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for &name in wanted {
            let mut found = self.names().enumerate().filter(|(_, present)| *present == name);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => return Err(Malformed::TwoColumns { name: name.to_owned() }),
                (Some((index, _)), None) => positions.push(index),
                (None, _) => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(positions);
        }
        let hint = self.hint(&missing);
        let missing = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(Malformed::MissingColumns { missing, present: self.listed(), hint })
    }

    fn listed(&self) -> String {
        let shown = |name: &str| {
            let head: String = name.chars().take(SHOWN_LETTERS).flat_map(char::escape_debug).collect();
            if name.chars().nth(SHOWN_LETTERS).is_some() { head + "…" } else { head }
        };
        let mut listed = self.names().take(LISTED_NAMES).map(shown).collect::<Vec<_>>().join(", ");
        if self.0.len() > LISTED_NAMES {
            listed += &format!(" and {} more", self.0.len() - LISTED_NAMES);
        }
        listed
    }

    fn hint(&self, missing: &[&str]) -> Hint {
        if let [only] = self.0.as_slice() {
            let signs = [(';', "`;`"), ('\t', "tabs"), ('|', "`|`")];
            if let Some((_, sign)) = signs.into_iter().find(|&(sign, _)| only.contains(sign)) {
                return Hint::Separator(sign);
            }
        }
        let in_case = missing.iter().find_map(|wanted| {
            let present = self.names().find(|present| present.eq_ignore_ascii_case(wanted))?;
            Some(Hint::Case { wanted: (*wanted).to_owned(), present: present.to_owned() })
        });
        let nameless = !self.names().any(|name| name.starts_with(char::is_alphabetic));
        in_case.unwrap_or(if nameless { Hint::NoHeader } else { Hint::None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaint about a first line where `arm` and `age` are wanted.
    fn complaint(names: &[&str]) -> String {
        let found = Header::of(&csv::ByteRecord::from(names.to_vec()))
            .and_then(|header| header.positions(&["arm", "age"]));
        found.map_or_else(|error| error.to_string(), |positions| format!("{positions:?}"))
    }

    #[test]
    fn columns_are_found_or_the_likely_reason_is_told() {
        assert_eq!(complaint(&["id", "age", "arm"]), "[2, 1]");
        for (names, reason) in [
            (&[][..], "file is empty"),
            (
                &["id;age;arm"],
                "no column `arm`, `age`; the table has id;age;arm. Its columns seem to be separated by `;`",
            ),
            (&["age\tarm"], "has age\\tarm. Its columns seem to be separated by tabs"),
            (&["ARM", "age"], "no column `arm`; the table has ARM, age. `ARM` is not `arm`"),
            (&["1", "48", ""], "first line seems to be data"),
            (
                &["age"],
                "no column `arm`; the table has age. Columns are found by the names in the first line",
            ),
            (&["arm", "age", "arm"], "two columns are named `arm`"),
            (&["\0a\0r\0m"], "the header is not UTF-8 text"),
        ] {
            let complaint = complaint(names);
            assert!(complaint.contains(reason), "{names:?}: {complaint}");
        }
    }
}
