//! The layout of expressions and domains. Lines break before operators and inside brackets.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule without a layout of its own has its parts in a row"
)]

use super::document::Doc;
use super::layout::{Brackets, Layout};
use super::tree::{Node, Part};
use crate::parse::Rule;

const TIGHT: Brackets = Brackets { spaced: false, keeps_break: false };
const RECORD: Brackets = Brackets { spaced: true, keeps_break: true };

impl<'a> Layout<'a> {
    /// Any part of an expression.
    pub(super) fn part(&mut self, part: &Part) -> Doc<'a> {
        match part {
            Part::Leaf(id) => self.token(*id),
            Part::Node(node) => self.node(node),
        }
    }

    /// An expression whose further lines are indented: behind a `=`, a word or a bracket.
    pub(super) fn value(&mut self, part: &Part) -> Doc<'a> {
        let chained = part.rule().is_some_and(is_chain);
        let doc = self.part(part);
        if chained { doc.indent() } else { doc }
    }

    fn node(&mut self, node: &Node) -> Doc<'a> {
        let parts = node.parts.as_slice();
        match node.rule {
            Rule::expr | Rule::conjunction | Rule::sum | Rule::product | Rule::power | Rule::coalesce => {
                self.chain(parts)
            }
            Rule::comparison | Rule::comparison_tail | Rule::negation => self.comparison(parts),
            Rule::range | Rule::bounds => self.range(parts),
            Rule::signed | Rule::exponent | Rule::fallback | Rule::bound | Rule::cell | Rule::postfix => {
                self.joined(parts)
            }
            Rule::index | Rule::field | Rule::call => self.joined(parts),
            Rule::group | Rule::subscript => self.enclosed(parts),
            Rule::arguments | Rule::set | Rule::levels | Rule::cells => self.bracketed(parts, TIGHT),
            Rule::list => self.list(parts),
            Rule::record => self.bracketed(parts, RECORD),
            Rule::entry | Rule::parameter => self.entry(parts),
            Rule::case_expr => self.case(parts),
            _ => self.row(parts),
        }
    }

    /// `a op b op c`: on one line, or with a break before each operator.
    fn chain(&mut self, parts: &[Part]) -> Doc<'a> {
        let mut docs = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            if index % 2 == 1 {
                docs.push(Doc::line());
            } else if index > 0 {
                docs.push(Doc::space());
            }
            docs.push(self.value(part));
        }
        Doc::concat(docs).group()
    }

    /// Operands and words that stay together.
    fn comparison(&mut self, parts: &[Part]) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in parts {
            if !docs.is_empty() {
                docs.push(Doc::space());
            }
            docs.push(self.value(part));
        }
        Doc::concat(docs)
    }

    /// `lo..hi step s`
    fn range(&mut self, parts: &[Part]) -> Doc<'a> {
        let mut docs = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 2 {
                docs.push(Doc::space());
            }
            docs.push(self.part(part));
        }
        Doc::concat(docs)
    }

    /// One expression in brackets.
    fn enclosed(&mut self, parts: &[Part]) -> Doc<'a> {
        let [open, inner, close] = parts else { return self.row(parts) };
        let open = self.part(open);
        let lead = self.lead(inner);
        let inner = self.part(inner);
        self.closed(open, Doc::concat(vec![Doc::soft(), lead, inner]), close, Doc::soft(), false)
    }

    /// `[a, b]`, or `[body for k in over]`.
    fn list(&mut self, parts: &[Part]) -> Doc<'a> {
        let [open, body, over, close] = parts else { return self.bracketed(parts, TIGHT) };
        if over.rule() != Some(Rule::over) {
            return self.bracketed(parts, TIGHT);
        }
        let open = self.part(open);
        let lead = self.lead(body);
        let body = self.value(body);
        let over = self.value(over);
        let inner = Doc::concat(vec![Doc::soft(), lead, body, Doc::line(), over]);
        self.closed(open, inner, close, Doc::soft(), false)
    }

    /// `name: value`
    pub(super) fn entry(&mut self, parts: &[Part]) -> Doc<'a> {
        let [name, colon, value] = parts else { return self.row(parts) };
        let name = self.part(name);
        let colon = self.part(colon);
        let value = self.value(value);
        Doc::concat(vec![name, colon, Doc::space(), value])
    }

    /// `case { condition -> value … else -> value }`: on one line, or with a line for each arm.
    fn case(&mut self, parts: &[Part]) -> Doc<'a> {
        let [word, open, arms @ .., close] = parts else { return self.row(parts) };
        let kept = arms.first().is_some_and(|arm| self.is_on_new_line(arm));
        let word = self.part(word);
        let open = self.part(open);
        let head = Doc::concat(vec![word, Doc::space(), open]);
        // The last arm, `else`, is no node of its own.
        let last = arms.iter().position(|part| part.rule() != Some(Rule::case_arm)).unwrap_or(arms.len());
        let (arms, otherwise) = arms.split_at(last);
        let mut docs = Vec::new();
        for arm in arms {
            docs.push(if self.could_continue(arm) { Doc::hard() } else { Doc::line() });
            let apart = self.is_apart(arm) && docs.len() > 1;
            docs.push(if apart { Doc::blank() } else { Doc::nothing() });
            docs.push(self.lead(arm));
            docs.push(match arm {
                Part::Node(arm) => self.arm(&arm.parts),
                Part::Leaf(id) => self.token(*id),
            });
        }
        if let Some(first) = otherwise.first() {
            docs.push(Doc::line());
            let apart = self.is_apart(first) && docs.len() > 1;
            docs.push(if apart { Doc::blank() } else { Doc::nothing() });
            docs.push(self.lead(first));
            docs.push(self.arm(otherwise));
        }
        let edge = if docs.is_empty() { Doc::soft() } else { Doc::line() };
        self.closed(head, Doc::concat(docs), close, edge, kept)
    }

    fn arm(&mut self, parts: &[Part]) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in parts {
            if !docs.is_empty() && self.word(Some(part)) != "," {
                docs.push(Doc::space());
            }
            docs.push(self.value(part));
        }
        Doc::concat(docs)
    }

    /// A bracket at the start of an arm would be an index or a call on the line of the arm before.
    fn could_continue(&self, arm: &Part) -> bool {
        let first = arm.first().and_then(|id| self.leaf(id));
        first.is_some_and(|leaf| matches!(leaf.text, "(" | "["))
    }
}

/// Expressions that may break before an operator.
fn is_chain(rule: Rule) -> bool {
    matches!(rule, Rule::expr | Rule::conjunction | Rule::sum | Rule::product | Rule::power | Rule::coalesce)
}
