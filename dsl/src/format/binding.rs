//! The layout of `name = value` and `name: domain` lines, whose parts stand below each other.

use super::WIDTH;
use super::align::{Row, align};
use super::document::Doc;
use super::layout::Layout;
use super::tree::{Node, Part};
use crate::parse::Rule;

/// `name = value`, taken apart.
struct Binding<'a> {
    apart: bool,
    lead: Doc<'a>,
    name: Doc<'a>,
    equals: Doc<'a>,
    value: Doc<'a>,
}

impl<'a> Binding<'a> {
    /// On one line.
    fn width(&self) -> usize {
        self.name.width + " = ".len() + self.value.width
    }

    /// With so many spaces more behind the name.
    fn set(self, pad: usize) -> (bool, Doc<'a>) {
        let parts = vec![self.lead, self.name, Doc::spaces(pad + 1), self.equals, Doc::space(), self.value];
        (self.apart, Doc::concat(parts))
    }
}

/// A column of a schema, taken apart.
struct Column<'a> {
    apart: bool,
    lead: Doc<'a>,
    /// With its `:`.
    name: Doc<'a>,
    /// With its `?`.
    domain: Doc<'a>,
    /// Description, value, description, as written; and whether it is the value.
    rest: Vec<(Doc<'a>, bool)>,
}

impl<'a> Layout<'a> {
    /// Bindings on lines of their own; what stands without an empty line between has its `=` aligned.
    pub(super) fn bindings(&mut self, parts: &[Part], indent: usize) -> Vec<(bool, Doc<'a>)> {
        let mut lines = Vec::new();
        let mut rest = parts;
        while !rest.is_empty() {
            let more = rest.iter().skip(1).position(|part| self.is_apart(part));
            let (section, after) = rest.split_at(more.map_or(rest.len(), |at| at + 1));
            let taken: Vec<Binding<'a>> = section.iter().map(|part| self.binding(part)).collect();
            let widest = taken.iter().map(|binding| binding.name.width).max().unwrap_or(0);
            let rows: Vec<Row> = section
                .iter()
                .zip(&taken)
                .map(|(part, binding)| {
                    let broken = binding.value.hard || binding.equals.commented;
                    Row::of(&self.leaves, part, if broken { None } else { Some(binding.value.width) })
                })
                .collect();
            align(&mut self.leaves, &rows, indent + widest + " = ".len());
            lines.extend(taken.into_iter().map(|binding| {
                let pad = widest - binding.name.width;
                binding.set(pad)
            }));
            rest = after;
        }
        lines
    }

    fn binding(&mut self, part: &Part) -> Binding<'a> {
        let (apart, lead) = (self.is_apart(part), self.lead(part));
        let (name, equals, value) = match part {
            Part::Node(Node { parts, .. }) => match parts.as_slice() {
                [name, equals, value] => (self.part(name), self.part(equals), self.value(value)),
                _ => (self.row(parts), Doc::nothing(), Doc::nothing()),
            },
            Part::Leaf(id) => (self.token(*id), Doc::nothing(), Doc::nothing()),
        };
        // Behind a comment the value stands on a line of its own.
        let value = if equals.commented { value.indent() } else { value };
        Binding { apart, lead, name, equals, value }
    }

    /// `name = value` by itself.
    pub(super) fn single_binding(&mut self, part: &Part) -> Doc<'a> {
        self.binding(part).set(0).1
    }

    /// `derive` or `report`: on the line of the word if the author wrote it so and it fits, else a block.
    pub(super) fn binding_clause(&mut self, parts: &[Part], indent: usize) -> Doc<'a> {
        let [word, bindings @ ..] = parts else { return Doc::nothing() };
        let word = self.part(word);
        let below = bindings.iter().any(|part| self.is_on_new_line(part));
        let commented = self.has_comments(bindings);
        if !below && !commented {
            let taken: Vec<Binding<'a>> = bindings.iter().map(|part| self.binding(part)).collect();
            let width: usize = taken.iter().map(|binding| binding.width() + 2).sum();
            let broken = taken.iter().any(|binding| binding.value.hard);
            if !broken && (indent + word.width + width).saturating_sub(1) <= WIDTH {
                let mut docs = vec![word];
                for (index, binding) in taken.into_iter().enumerate() {
                    docs.push(Doc::spaces(if index == 0 { 1 } else { 2 }));
                    docs.push(binding.set(0).1);
                }
                return Doc::concat(docs);
            }
        }
        let lines = self.bindings(bindings, indent + 2);
        let block = self.lines(lines);
        Doc::concat(vec![word, Doc::concat(vec![Doc::hard(), block]).indent()])
    }

    /// Whether comments stand in some parts; one at their very end does not count.
    fn has_comments(&self, parts: &[Part]) -> bool {
        let first = parts.first().and_then(Part::first);
        let last = parts.last().and_then(Part::last);
        let (Some(first), Some(last)) = (first, last) else { return false };
        let inside = self.leaves.get(first.0..=last.0).unwrap_or(&[]);
        inside.iter().any(|leaf| !leaf.leading.is_empty())
            || inside.iter().rev().skip(1).any(|leaf| leaf.trailing.is_some())
    }

    /// What a dataset is made of. Types and descriptions of columns without an empty line between are
    /// aligned; so are values, if the columns hold data.
    pub(super) fn columns(&mut self, items: &[Part], with_values: bool) -> Vec<(bool, Doc<'a>)> {
        let mut lines = Vec::new();
        let mut section: Vec<Column<'a>> = Vec::new();
        for item in items {
            match item {
                Part::Node(node) if matches!(node.rule, Rule::column | Rule::data_column) => {
                    if self.is_apart(item) {
                        set_columns(&mut section, with_values, &mut lines);
                    }
                    let column = self.column(item, node);
                    section.push(column);
                }
                Part::Node(_) | Part::Leaf(_) => {
                    set_columns(&mut section, with_values, &mut lines);
                    let apart = self.is_apart(item);
                    let lead = self.lead(item);
                    let doc = self.dataset_item(item);
                    lines.push((apart, Doc::concat(vec![lead, doc])));
                }
            }
        }
        set_columns(&mut section, with_values, &mut lines);
        lines
    }

    fn column(&mut self, item: &Part, node: &Node) -> Column<'a> {
        let apart = self.is_apart(item);
        let lead = self.lead(item);
        let (head, tail) = node.parts.split_at(node.parts.len().min(2));
        let name = self.joined(head);
        let optional = tail.get(1).is_some_and(|part| self.word(Some(part)) == "?");
        let (domain, tail) = tail.split_at(tail.len().min(if optional { 2 } else { 1 }));
        let domain = self.row(domain);
        let mut rest = Vec::new();
        let mut tail = tail.iter();
        while let Some(part) = tail.next() {
            if self.word(Some(part)) == "=" {
                let equals = self.part(part);
                let value = tail.next().map(|value| self.value(value)).unwrap_or_else(Doc::nothing);
                rest.push((Doc::concat(vec![equals, Doc::space(), value]), true));
            } else {
                rest.push((self.part(part), false));
            }
        }
        Column { apart, lead, name, domain, rest }
    }
}

/// Ends a section of columns.
fn set_columns<'a>(section: &mut Vec<Column<'a>>, with_values: bool, lines: &mut Vec<(bool, Doc<'a>)>) {
    // A column of several lines stands for itself.
    let is_short = |column: &Column<'a>, name: usize| {
        let rest: usize = column.rest.iter().map(|(doc, _)| doc.width + 2).sum();
        let hard = column.domain.hard || column.rest.iter().any(|(doc, _)| doc.hard);
        !hard && 2 + name.max(column.name.width) + 1 + column.domain.width + rest <= WIDTH
    };
    let short = section.iter().filter(|column| is_short(column, 0));
    let name = short.map(|column| column.name.width).max().unwrap_or(0);
    let aligned = |column: &Column<'a>| column.rest.first().is_some_and(|(_, value)| *value == with_values);
    let short = section.iter().filter(|column| is_short(column, name) && aligned(column));
    let domain = short.map(|column| column.domain.width).max().unwrap_or(0);
    for column in section.drain(..) {
        let short = is_short(&column, name);
        let first_gap = if aligned(&column) && short { domain - column.domain.width + 2 } else { 1 };
        let name_gap = if short { name - column.name.width + 1 } else { 1 };
        let mut docs = vec![column.lead, column.name, Doc::spaces(name_gap), column.domain];
        for (index, (doc, value)) in column.rest.into_iter().enumerate() {
            let plain = if value || !short { 1 } else { 2 };
            docs.push(Doc::spaces(if index == 0 { first_gap.max(plain) } else { plain }));
            docs.push(doc);
        }
        lines.push((column.apart, Doc::concat(docs)));
    }
}
