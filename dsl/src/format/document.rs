//! Documents: text with places where lines may break, in the manner of Wadler ("A prettier printer",
//! 2003). Own code rather than a crate, because comments behind a token wait for the end of its line.

/// What a document is.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    Text(&'a str),
    /// So many spaces; swallowed where a line ends.
    Space(usize),
    /// The spaces before a token that stands below its like; known when all is laid out.
    Pad(usize),
    /// A space, or a line break where the group is broken. No break makes an empty line.
    Line,
    /// Nothing, or a line break where the group is broken.
    Soft,
    /// A line break.
    Hard,
    /// An empty line, unless a bracket was opened in the line above.
    Blank,
    /// Waits for the end of the line.
    Comment(&'a str),
    Concat(Vec<Doc<'a>>),
    Indent(Box<Doc<'a>>),
    /// All its lines break or none.
    Group(Box<Doc<'a>>),
    /// As many of these as fit into each line.
    Fill(Vec<Doc<'a>>),
}

/// A document, with what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Doc<'a> {
    pub(super) kind: Kind<'a>,
    /// It cannot stand on one line.
    pub(super) hard: bool,
    /// It ends with a comment.
    pub(super) commented: bool,
    /// Characters on one line.
    pub(super) width: usize,
}

impl<'a> Doc<'a> {
    fn atom(kind: Kind<'a>, width: usize) -> Self {
        Self { kind, hard: false, commented: false, width }
    }

    pub(super) fn text(text: &'a str) -> Self {
        Self::atom(Kind::Text(text), text.chars().count())
    }

    pub(super) fn space() -> Self {
        Self::spaces(1)
    }

    pub(super) fn spaces(count: usize) -> Self {
        Self::atom(Kind::Space(count), count)
    }

    pub(super) fn pad(leaf: usize) -> Self {
        Self::atom(Kind::Pad(leaf), 0)
    }

    pub(super) fn line() -> Self {
        Self::atom(Kind::Line, 1)
    }

    pub(super) fn soft() -> Self {
        Self::atom(Kind::Soft, 0)
    }

    pub(super) fn hard() -> Self {
        Self { hard: true, ..Self::atom(Kind::Hard, 0) }
    }

    pub(super) fn blank() -> Self {
        Self { hard: true, ..Self::atom(Kind::Blank, 0) }
    }

    pub(super) fn comment(text: &'a str) -> Self {
        Self { commented: true, ..Self::atom(Kind::Comment(text), 0) }
    }

    pub(super) fn nothing() -> Self {
        Self::concat(Vec::new())
    }

    pub(super) fn concat(parts: Vec<Self>) -> Self {
        let kept = Self::summary(&parts);
        Self { kind: Kind::Concat(parts), ..kept }
    }

    pub(super) fn fill(parts: Vec<Self>) -> Self {
        let kept = Self::summary(&parts);
        let width = kept.width + parts.len().saturating_sub(1);
        Self { kind: Kind::Fill(parts), width, ..kept }
    }

    /// What holds of documents in a row: a comment inside breaks it, one at its end does not.
    fn summary(parts: &[Self]) -> Self {
        let mut all = Self::atom(Kind::Soft, 0);
        for part in parts {
            let visible = part.width > 0 || part.hard;
            all.hard |= part.hard || (all.commented && visible);
            all.commented = part.commented || (all.commented && !visible);
            all.width += part.width;
        }
        all
    }

    pub(super) fn indent(self) -> Self {
        Self {
            hard: self.hard,
            commented: self.commented,
            width: self.width,
            kind: Kind::Indent(Box::new(self)),
        }
    }

    pub(super) fn group(self) -> Self {
        Self {
            hard: self.hard,
            commented: self.commented,
            width: self.width,
            kind: Kind::Group(Box::new(self)),
        }
    }

    /// The same, broken at all of its lines.
    pub(super) fn broken(self, broken: bool) -> Self {
        Self { hard: self.hard || broken, ..self }
    }
}
