//! What all parts of a layout share: tokens with their comments, things in a row, things in brackets.

use super::document::Doc;
use super::tree::{Comment, Leaf, LeafId, Part};
use crate::parse::Rule;

/// Turns a tree into a document.
pub(super) struct Layout<'a> {
    pub(super) leaves: Vec<Leaf<'a>>,
}

/// How the items between brackets are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Brackets {
    /// A space inside the brackets where they stand on one line.
    pub(super) spaced: bool,
    /// A break behind the opening bracket is kept.
    pub(super) keeps_break: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn leaf(&self, id: LeafId) -> Option<&Leaf<'a>> {
        self.leaves.get(id.0)
    }

    /// A token with its comments.
    pub(super) fn token(&mut self, id: LeafId) -> Doc<'a> {
        let leading = self.leaves.get_mut(id.0).map(|leaf| std::mem::take(&mut leaf.leading));
        let above = above(&leading.unwrap_or_default());
        let Some(leaf) = self.leaf(id) else { return above };
        let mut parts = vec![above, Doc::pad(id.0), Doc::text(leaf.text)];
        parts.extend(leaf.trailing.map(Doc::comment));
        Doc::concat(parts)
    }

    /// The comments above a part. They are laid out here and not again with the part.
    pub(super) fn lead(&mut self, part: &Part) -> Doc<'a> {
        let leaf = part.first().and_then(|id| self.leaves.get_mut(id.0));
        let Some(leaf) = leaf.filter(|leaf| !leaf.leading.is_empty()) else { return Doc::nothing() };
        let comments = above(&std::mem::take(&mut leaf.leading));
        let gap = if leaf.blank { Doc::blank() } else { Doc::nothing() };
        Doc::concat(vec![comments, gap])
    }

    /// Whether an empty line stands above a part and its comments.
    pub(super) fn is_apart(&self, part: &Part) -> bool {
        part.first().and_then(|id| self.leaf(id)).is_some_and(|leaf| match leaf.leading.first() {
            Some(comment) => comment.blank,
            None => leaf.blank,
        })
    }

    /// Whether a part begins on another line than what is before it.
    pub(super) fn is_on_new_line(&self, part: &Part) -> bool {
        part.first().and_then(|id| self.leaf(id)).is_some_and(|leaf| leaf.newline)
    }

    /// Text of a part that is one token.
    pub(super) fn word(&self, part: Option<&Part>) -> &'a str {
        match part {
            Some(Part::Leaf(id)) => self.leaf(*id).map_or("", |leaf| leaf.text),
            Some(Part::Node(_)) | None => "",
        }
    }

    /// Parts with a space between them.
    pub(super) fn row(&mut self, parts: &[Part]) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in parts {
            if !docs.is_empty() {
                docs.push(Doc::space());
            }
            docs.push(self.part(part));
        }
        Doc::concat(docs)
    }

    /// Parts with nothing between them.
    pub(super) fn joined(&mut self, parts: &[Part]) -> Doc<'a> {
        Doc::concat(parts.iter().map(|part| self.part(part)).collect())
    }

    /// Parts on lines of their own, with the empty lines that stand above them.
    pub(super) fn lines(&self, items: Vec<(bool, Doc<'a>)>) -> Doc<'a> {
        let mut docs = Vec::new();
        for (index, (apart, item)) in items.into_iter().enumerate() {
            docs.push(Doc::hard());
            if apart && index > 0 {
                docs.push(Doc::blank());
            }
            docs.push(item);
        }
        Doc::concat(docs)
    }

    /// An opening bracket, items with commas between them, a closing bracket.
    pub(super) fn bracketed(&mut self, parts: &[Part], style: Brackets) -> Doc<'a> {
        let [open, items @ .., close] = parts else { return self.row(parts) };
        if let [only] = items
            && only.rule().is_some_and(is_bracketed)
            && !self.is_commented_above(only)
            && !self.is_commented_above(close)
        {
            return self.joined(parts);
        }
        let first_breaks = items.first().is_some_and(|part| self.is_on_new_line(part));
        let atoms = items.iter().all(|part| self.is_atom(part));
        let open = self.part(open);
        let mut docs: Vec<Doc<'a>> = Vec::new();
        for part in items {
            let doc = if self.word(Some(part)) == "," {
                self.part(part)
            } else {
                let lead = self.lead(part);
                let value = self.value(part);
                Doc::concat(vec![lead, value])
            };
            match docs.last_mut() {
                Some(last) if self.word(Some(part)) == "," => {
                    *last = Doc::concat(vec![std::mem::replace(last, Doc::nothing()), doc]);
                }
                _ => docs.push(doc),
            }
        }
        let edge = |spaced: bool| if spaced { Doc::line() } else { Doc::soft() };
        let inner = if docs.is_empty() {
            Doc::nothing()
        } else if atoms {
            Doc::concat(vec![edge(style.spaced), Doc::fill(docs)])
        } else {
            let spread = docs.into_iter().enumerate();
            let spread = spread
                .flat_map(|(index, doc)| [if index == 0 { edge(style.spaced) } else { Doc::line() }, doc]);
            Doc::concat(spread.collect())
        };
        let kept = style.keeps_break && first_breaks;
        self.closed(open, inner, close, edge(style.spaced && !items.is_empty()), kept)
    }

    /// Brackets around something that indents itself by a step; comments above the closing bracket stay
    /// inside.
    pub(super) fn closed(
        &mut self,
        open: Doc<'a>,
        inner: Doc<'a>,
        close: &Part,
        edge: Doc<'a>,
        broken: bool,
    ) -> Doc<'a> {
        let last = self.lead(close);
        let close = self.part(close);
        let body = Doc::concat(vec![inner, last]).indent();
        Doc::concat(vec![open, body, edge, close]).group().broken(broken)
    }

    fn is_commented_above(&self, part: &Part) -> bool {
        part.first().and_then(|id| self.leaf(id)).is_some_and(|leaf| !leaf.leading.is_empty())
    }

    /// A plain constant or name, of which several stand on a line.
    fn is_atom(&self, part: &Part) -> bool {
        match part {
            Part::Leaf(_) => true,
            Part::Node(node) => {
                matches!(node.rule, Rule::signed | Rule::level | Rule::bound | Rule::cell)
                    && node.parts.iter().all(|part| matches!(part, Part::Leaf(_)))
            }
        }
    }
}

/// What stands in brackets of its own needs no further step of indentation.
fn is_bracketed(rule: Rule) -> bool {
    matches!(rule, Rule::list | Rule::cells | Rule::record | Rule::set | Rule::case_expr)
}

/// Comments on lines of their own.
fn above<'a>(comments: &[Comment<'a>]) -> Doc<'a> {
    let mut docs = Vec::new();
    for comment in comments {
        docs.push(Doc::hard());
        if comment.blank {
            docs.push(Doc::blank());
        }
        docs.extend([Doc::text(comment.text), Doc::hard()]);
    }
    Doc::concat(docs)
}
