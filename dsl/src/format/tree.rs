//! The concrete tree: what the grammar finds, with every token kept and every comment beside the token it
//! belongs to.

use pest::iterators::Pair;

use crate::lexis::scan;
use crate::parse::{Rule, pairs};

/// A comment on lines of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Comment<'a> {
    pub(super) text: &'a str,
    /// An empty line stands above it.
    pub(super) blank: bool,
    /// Characters before it on its line.
    pub(super) column: usize,
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Leaf<'a> {
    pub(super) text: &'a str,
    /// Comments above it.
    pub(super) leading: Vec<Comment<'a>>,
    /// The comment behind it on its line.
    pub(super) trailing: Option<&'a str>,
    /// It does not stand on the line of the token before.
    pub(super) newline: bool,
    /// An empty line stands right above it.
    pub(super) blank: bool,
    /// Spaces before it on its line.
    pub(super) spaces: usize,
    /// Spaces to be added before it, so that it stands below its like.
    pub(super) pad: usize,
}

/// Index of a leaf in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeafId(pub(super) usize);

/// What a node is made of.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Leaf(LeafId),
    Node(Node),
}

/// What a rule of the grammar has matched. Rules that matched one other rule are left out.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) rule: Rule,
    pub(super) parts: Vec<Part>,
}

impl Part {
    /// Its first token.
    pub(super) fn first(&self) -> Option<LeafId> {
        match self {
            Self::Leaf(leaf) => Some(*leaf),
            Self::Node(node) => node.first(),
        }
    }

    /// Its last token.
    pub(super) fn last(&self) -> Option<LeafId> {
        match self {
            Self::Leaf(leaf) => Some(*leaf),
            Self::Node(node) => node.parts.last().and_then(Self::last),
        }
    }

    /// The rule, if it is a node.
    pub(super) fn rule(&self) -> Option<Rule> {
        match self {
            Self::Leaf(_) => None,
            Self::Node(node) => Some(node.rule),
        }
    }
}

impl Node {
    /// Its first token.
    pub(super) fn first(&self) -> Option<LeafId> {
        self.parts.first().and_then(Part::first)
    }

    /// The tokens in order.
    pub(super) fn leaves(&self) -> Vec<LeafId> {
        let mut leaves = Vec::new();
        for part in &self.parts {
            match part {
                Part::Leaf(leaf) => leaves.push(*leaf),
                Part::Node(node) => leaves.extend(node.leaves()),
            }
        }
        leaves
    }
}

/// A text as declarations and tokens.
pub(super) struct Tree<'a> {
    pub(super) leaves: Vec<Leaf<'a>>,
    /// The declarations; an empty token stands for the end.
    pub(super) parts: Vec<Part>,
}

impl<'a> Tree<'a> {
    /// The tree of a text that parses.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut builder = Builder { text, leaves: Vec::new(), end: 0, carried: Vec::new() };
        let mut parts = Vec::new();
        for file in pairs(text)? {
            for pair in file.into_inner() {
                parts.push(builder.part(pair));
            }
        }
        Some(Self { leaves: builder.leaves, parts })
    }
}

struct Builder<'a> {
    text: &'a str,
    leaves: Vec<Leaf<'a>>,
    /// One past the last token.
    end: usize,
    /// Comments above a comma; they go to what follows it.
    carried: Vec<Comment<'a>>,
}

impl<'a> Builder<'a> {
    fn part(&mut self, pair: Pair<'a, Rule>) -> Part {
        let (rule, span) = (pair.as_rule(), pair.as_span());
        let mut parts = Vec::new();
        let (mut at, mut composite) = (span.start(), false);
        for inner in pair.into_inner() {
            composite = true;
            self.marks(at, inner.as_span().start(), &mut parts);
            at = inner.as_span().end();
            parts.push(self.part(inner));
        }
        if composite || may_be_empty(rule) {
            self.marks(at, span.end(), &mut parts);
        } else {
            let word = span.as_str().trim_end();
            return Part::Leaf(self.leaf(word, span.start()));
        }
        match (parts.pop(), parts.is_empty()) {
            (Some(Part::Node(only)), true) if is_passed_through(rule) => Part::Node(only),
            (Some(Part::Leaf(only)), true) if is_passed_through(rule) => Part::Leaf(only),
            (last, _) => {
                parts.extend(last);
                Part::Node(Node { rule, parts })
            }
        }
    }

    /// Tokens that the grammar does not name.
    fn marks(&mut self, start: usize, end: usize, parts: &mut Vec<Part>) {
        for token in scan(self.text.get(start..end).unwrap_or("")) {
            parts.push(Part::Leaf(self.leaf(token.text, start + token.start)));
        }
    }

    fn leaf(&mut self, word: &'a str, start: usize) -> LeafId {
        let gap = self.text.get(self.end..start).unwrap_or("");
        let mut leaf = Leaf {
            text: word,
            leading: std::mem::take(&mut self.carried),
            trailing: None,
            newline: gap.contains('\n'),
            blank: false,
            spaces: 0,
            pad: 0,
        };
        let mut empty = 0;
        for (index, line) in gap.split('\n').enumerate() {
            let first = index == 0 && !self.leaves.is_empty();
            let comment = line.find('#').map(|at| (at, line.get(at..).unwrap_or("").trim_end()));
            match (comment, first) {
                // Behind a comma that comments stand above, it keeps its place among them.
                (Some((column, text)), true) if !leaf.leading.is_empty() => {
                    leaf.leading.push(Comment { text, blank: false, column });
                }
                (Some((_, text)), true) => {
                    if let Some(before) = self.leaves.last_mut() {
                        before.trailing = Some(text);
                    }
                }
                (Some((column, text)), false) => {
                    leaf.leading.push(Comment { text, blank: empty > 0, column });
                    empty = 0;
                }
                (None, true) => {}
                (None, false) => empty += 1,
            }
            leaf.spaces = line.chars().count();
        }
        // The last line of the gap is the token's own.
        leaf.blank = empty > 1;
        self.end = start + word.len();
        if word == "," {
            self.carried = std::mem::take(&mut leaf.leading);
        }
        self.leaves.push(leaf);
        LeafId(self.leaves.len() - 1)
    }
}

/// Rules that may hold nothing but tokens without a name.
fn may_be_empty(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::arguments
            | Rule::list
            | Rule::cells
            | Rule::levels
            | Rule::case_expr
            | Rule::release_item
            | Rule::optional
            | Rule::star
    )
}

/// Rules that mean nothing of their own where they hold one other rule.
fn is_passed_through(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::expr
            | Rule::conjunction
            | Rule::negation
            | Rule::comparison
            | Rule::range
            | Rule::sum
            | Rule::product
            | Rule::signed
            | Rule::power
            | Rule::exponent
            | Rule::coalesce
            | Rule::fallback
            | Rule::postfix
            | Rule::primary
            | Rule::membership
            | Rule::optional
            | Rule::star
            | Rule::level
            | Rule::bound
            | Rule::by_item
            | Rule::cell
    )
}

/// What formatting must keep: the rules with their tokens in order, and the comments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<(Rule, String)>, Vec<String>);

/// The fingerprint of a text that parses.
pub(super) fn fingerprint(text: &str) -> Option<Fingerprint> {
    let mut rules = Vec::new();
    for pair in pairs(text)?.flatten() {
        let (rule, mut inner) = (pair.as_rule(), pair.clone().into_inner());
        let tokens = if inner.next().is_some() { Vec::new() } else { scan(pair.as_str()) };
        rules.push((rule, tokens.iter().map(|token| token.text).collect::<Vec<_>>().join(" ")));
    }
    let (mut comments, mut at) = (Vec::new(), 0);
    let ends = scan(text).into_iter().map(|token| (token.start, token.end()));
    for (start, end) in ends.chain([(text.len(), text.len())]) {
        let gap = text.get(at..start).unwrap_or("");
        comments
            .extend(gap.lines().filter_map(|line| line.find('#').and_then(|at| line.get(at..))).map(owned));
        at = end;
    }
    let all: Vec<String> = scan(text).iter().map(|token| token.text.to_owned()).collect();
    rules.push((Rule::file, all.join(" ")));
    Some(Fingerprint(rules, comments))
}

fn owned(comment: &str) -> String {
    comment.trim_end().to_owned()
}
