//! The layout of declarations and clauses.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule without a layout of its own has its parts in a row"
)]

use super::document::Doc;
use super::layout::{Brackets, Layout};
use super::printer::print;
use super::tree::{Comment, Node, Part, Tree};
use crate::parse::Rule;

/// Indentation of clauses, and of what stands in a block.
const CLAUSE: usize = 2;

const ARGUMENTS: Brackets = Brackets { spaced: false, keeps_break: false };
const RULES: Brackets = Brackets { spaced: true, keeps_break: true };

/// Lays a file out.
pub(super) fn file(tree: Tree<'_>) -> String {
    let mut layout = Layout { leaves: tree.leaves };
    let mut lines = Vec::new();
    for (index, part) in tree.parts.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).and_then(|before| tree.parts.get(before)) {
            lines.extend(layout.clauses_commented_out(before, part));
        }
        let apart = layout.is_apart(part);
        let lead = layout.lead(part);
        let doc = layout.declaration(part);
        lines.push((apart, Doc::concat(vec![lead, doc])));
    }
    let doc = layout.lines(lines);
    print(&doc, &layout.leaves)
}

impl<'a> Layout<'a> {
    /// Comments behind a query that are indented belong to it, though its end is marked by nothing.
    fn clauses_commented_out(&mut self, before: &Part, after: &Part) -> Option<(bool, Doc<'a>)> {
        let open = matches!(before.rule(), Some(Rule::query_decl | Rule::cohort_decl | Rule::example_decl));
        let leaf = after.first().filter(|_| open).and_then(|id| self.leaves.get_mut(id.0))?;
        let inside = leaf.leading.iter().take_while(|comment| comment.column > 0).count();
        let comments: Vec<Comment<'a>> = leaf.leading.drain(..inside).collect();
        let apart = comments.first()?.blank;
        let mut docs = Vec::new();
        for (index, comment) in comments.iter().enumerate() {
            if index > 0 && comment.blank {
                docs.push(Doc::blank());
            }
            let line = Doc::concat(vec![Doc::hard(), Doc::text(comment.text), Doc::hard()]).indent();
            docs.push(if comment.column >= 2 * CLAUSE { line.indent() } else { line });
        }
        Some((apart, Doc::concat(docs)))
    }

    fn declaration(&mut self, part: &Part) -> Doc<'a> {
        let Part::Node(node) = part else { return self.part(part) };
        match node.rule {
            Rule::query_decl | Rule::cohort_decl | Rule::example_decl => self.query(&node.parts),
            Rule::dataset_decl => self.dataset(&node.parts, false),
            Rule::fn_decl | Rule::extern_decl => self.function(&node.parts),
            Rule::param_decl | Rule::secret_decl => self.parameter(&node.parts),
            _ => self.row(&node.parts),
        }
    }

    /// A head, and clauses on lines of their own.
    fn query(&mut self, parts: &[Part]) -> Doc<'a> {
        let head = parts.iter().position(|part| part.rule().is_some_and(is_clause)).unwrap_or(parts.len());
        let (head, clauses) = parts.split_at(head);
        let head = self.row(head);
        let mut lines = Vec::new();
        for (index, part) in clauses.iter().enumerate() {
            let apart = index > 0 && self.is_apart(part);
            let lead = self.lead(part);
            let clause = match part {
                Part::Node(node) => self.clause(node),
                Part::Leaf(id) => self.token(*id),
            };
            lines.push((apart, Doc::concat(vec![lead, clause])));
        }
        let body = self.lines(lines).indent();
        Doc::concat(vec![head, body])
    }

    /// A clause of a query, a cohort, or whatever else holds clauses.
    fn clause(&mut self, node: &Node) -> Doc<'a> {
        match node.rule {
            Rule::derive_clause | Rule::report_clause => self.binding_clause(&node.parts, CLAUSE),
            Rule::by_clause | Rule::sort_clause => self.listed(&node.parts),
            Rule::data_block => self.dataset(&node.parts, true),
            _ => {
                let [word, rest @ ..] = node.parts.as_slice() else { return Doc::nothing() };
                let word = self.part(word);
                let mut docs = vec![word];
                for part in rest {
                    docs.push(Doc::space());
                    docs.push(self.value(part));
                }
                Doc::concat(docs)
            }
        }
    }

    /// A word, and items with commas between.
    fn listed(&mut self, parts: &[Part]) -> Doc<'a> {
        let [word, items @ ..] = parts else { return Doc::nothing() };
        let word = self.part(word);
        let mut docs = vec![Doc::space()];
        for (index, part) in items.iter().enumerate() {
            if self.word(Some(part)) == "," {
                docs.push(self.part(part));
                continue;
            }
            if index > 0 {
                docs.push(Doc::line());
            }
            docs.push(if part.rule() == Some(Rule::binding) {
                self.single_binding(part)
            } else {
                self.value(part)
            });
        }
        Doc::concat(vec![word, Doc::concat(docs).indent().group()])
    }

    fn parameter(&mut self, parts: &[Part]) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in parts {
            if !docs.is_empty() && self.word(Some(part)) != ":" {
                docs.push(Doc::space());
            }
            docs.push(self.part(part));
        }
        Doc::concat(docs)
    }

    /// `fn path(parameters)`, and an expression, a block or the plugin that has it.
    fn function(&mut self, parts: &[Part]) -> Doc<'a> {
        let find = |text: &str| parts.iter().position(|part| self.word(Some(part)) == text);
        let (Some(open), Some(close)) = (find("("), find(")")) else { return self.row(parts) };
        let head = self.row(parts.get(..open).unwrap_or(&[]));
        let parameters = self.bracketed(parts.get(open..=close).unwrap_or(&[]), ARGUMENTS);
        let mut docs = vec![head, parameters, Doc::space()];
        let rest = parts.get(close + 1..).unwrap_or(&[]);
        match rest {
            [Part::Node(block)] if block.rule == Rule::fn_block => docs.push(self.block(&block.parts)),
            [equals, value] if self.word(Some(equals)) == "=" => {
                docs.push(self.part(equals));
                let lead = self.lead(value);
                let value = Doc::concat(vec![Doc::line(), lead, self.part(value)]);
                docs.push(value.indent().group());
            }
            _ => docs.push(self.row(rest)),
        }
        Doc::concat(docs)
    }

    /// Names and a value in braces, each on its line: a bracket at the start of the value would otherwise
    /// belong to the line before.
    fn block(&mut self, parts: &[Part]) -> Doc<'a> {
        let [open, bindings @ .., value, close] = parts else { return self.row(parts) };
        let open = self.part(open);
        let mut lines = self.bindings(bindings, CLAUSE);
        let apart = self.is_apart(value);
        let lead = self.lead(value);
        let value = self.value(value);
        lines.push((apart, Doc::concat(vec![lead, value])));
        let body = Doc::concat(vec![Doc::hard(), self.lines(lines)]);
        self.closed(open, body, close, Doc::hard(), true)
    }

    /// Columns in braces, each on its line; in an example with its cells.
    fn dataset(&mut self, parts: &[Part], with_values: bool) -> Doc<'a> {
        let open = parts.iter().position(|part| self.word(Some(part)) == "{").unwrap_or(0);
        let (head, body) = parts.split_at(open);
        let [open, items @ .., close] = body else { return self.row(parts) };
        let head = Doc::concat(vec![self.row(head), Doc::space(), self.part(open)]);
        let lines = self.columns(items, with_values);
        let body = Doc::concat(vec![Doc::hard(), self.lines(lines)]);
        self.closed(head, body, close, Doc::hard(), true)
    }

    /// What stands in a dataset beside columns.
    pub(super) fn dataset_item(&mut self, part: &Part) -> Doc<'a> {
        let Part::Node(node) = part else { return self.part(part) };
        match (node.rule, node.parts.as_slice()) {
            (Rule::release_item, [word, rules @ ..]) => {
                let word = self.part(word);
                let rules = self.release(rules);
                Doc::concat(vec![word, Doc::space(), rules])
            }
            (_, parts) => {
                let mut docs = Vec::new();
                for part in parts {
                    if !docs.is_empty() && self.word(Some(part)) != "," {
                        docs.push(Doc::space());
                    }
                    docs.push(self.part(part));
                }
                Doc::concat(docs)
            }
        }
    }

    /// `{ rule number encrypted … }`: on one line, or on a line each with the numbers below each other.
    fn release(&mut self, parts: &[Part]) -> Doc<'a> {
        let [open, rules @ .., close] = parts else { return self.row(parts) };
        if !rules.first().is_some_and(|rule| self.is_on_new_line(rule)) {
            return self.bracketed(parts, RULES);
        }
        let open = self.part(open);
        let width = |layout: &Self, rule: &Part| {
            rule.first().and_then(|id| layout.leaf(id)).map_or(0, |leaf| leaf.text.chars().count())
        };
        let widest = rules.iter().map(|rule| width(self, rule)).max().unwrap_or(0);
        let mut lines = Vec::new();
        for rule in rules {
            let pad = widest - width(self, rule) + 1;
            let apart = self.is_apart(rule);
            let lead = self.lead(rule);
            let doc = match rule {
                Part::Node(Node { parts, .. }) => match parts.as_slice() {
                    [name, value @ ..] => {
                        let name = self.part(name);
                        Doc::concat(vec![name, Doc::spaces(pad), self.row(value)])
                    }
                    _ => self.row(parts),
                },
                Part::Leaf(id) => self.token(*id),
            };
            lines.push((apart, Doc::concat(vec![lead, doc])));
        }
        let body = Doc::concat(vec![Doc::hard(), self.lines(lines)]);
        self.closed(open, body, close, Doc::hard(), true)
    }
}

/// What a query, a cohort, or whatever else holds clauses is made of behind its head.
fn is_clause(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::from_clause
            | Rule::where_clause
            | Rule::derive_clause
            | Rule::by_clause
            | Rule::report_clause
            | Rule::sort_clause
            | Rule::take_clause
            | Rule::data_block
            | Rule::expect_clause
    )
}
