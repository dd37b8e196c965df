//! From document to lines.

use super::WIDTH;
use super::document::{Doc, Kind};
use super::tree::Leaf;

/// Spaces of one step of indentation.
const STEP: usize = 2;

/// A finished line: code, and the comment behind it.
#[derive(Default)]
struct Line<'a> {
    code: String,
    comment: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Work<'d, 'a> {
    Doc(&'d Doc<'a>),
    /// Between the parts of a `Fill`: a space or a break, as the next part needs it.
    Gap(&'d Doc<'a>),
}

#[derive(Clone, Copy)]
struct Command<'d, 'a> {
    work: Work<'d, 'a>,
    indent: usize,
    flat: bool,
}

struct Printer<'a> {
    /// Further spaces before each token.
    pads: Vec<usize>,
    lines: Vec<Line<'a>>,
    current: Line<'a>,
    /// Characters of `current`.
    column: usize,
    /// Spaces that are written only if more follows on the line.
    spaces: usize,
    /// Indentation of a line that has begun.
    indent: usize,
}

/// Prints a document. Comments behind neighbouring lines stand below each other.
pub(super) fn print(doc: &Doc<'_>, leaves: &[Leaf<'_>]) -> String {
    let pads = leaves.iter().map(|leaf| leaf.pad).collect();
    let mut printer =
        Printer { pads, lines: Vec::new(), current: Line::default(), column: 0, spaces: 0, indent: 0 };
    printer.run(doc);
    printer.newline(0);
    let mut text = String::new();
    for run in printer.lines.chunk_by(|a, b| has_both(a) == has_both(b)) {
        let widest = run.iter().map(|line| line.code.chars().count()).max().unwrap_or(0);
        for line in run {
            text.push_str(&line.code);
            if let Some(comment) = line.comment {
                if !line.code.is_empty() {
                    let gap = widest + 2 - line.code.chars().count();
                    text.push_str(&" ".repeat(gap));
                }
                text.push_str(comment);
            }
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn has_both(line: &Line<'_>) -> bool {
    line.comment.is_some() && !line.code.is_empty()
}

impl<'a> Printer<'a> {
    fn newline(&mut self, indent: usize) {
        self.lines.push(std::mem::take(&mut self.current));
        (self.column, self.spaces, self.indent) = (0, 0, indent);
    }

    fn text(&mut self, text: &str, indent: usize) {
        if text.is_empty() {
            return;
        }
        // A comment goes to the end of the line, so that it may pass a comma and nothing else.
        if self.current.comment.is_some() && text != "," {
            self.newline(indent);
        }
        if self.current.code.is_empty() {
            self.spaces = self.indent;
        }
        self.current.code.push_str(&" ".repeat(self.spaces));
        self.current.code.push_str(text);
        self.column += self.spaces + text.chars().count();
        self.spaces = 0;
    }

    fn blank(&mut self, indent: usize) {
        self.fresh(indent);
        let opened = self.lines.last().is_none_or(|line| {
            line.code.ends_with(['(', '[', '{']) || (line.code.is_empty() && line.comment.is_none())
        });
        if !opened {
            self.newline(indent);
        }
    }

    fn run(&mut self, doc: &Doc<'a>) {
        let mut stack = vec![Command { work: Work::Doc(doc), indent: 0, flat: false }];
        while let Some(Command { work, indent, flat }) = stack.pop() {
            let doc = match work {
                Work::Doc(doc) => doc,
                Work::Gap(next) => {
                    self.gap(next, indent);
                    continue;
                }
            };
            match &doc.kind {
                Kind::Text(text) => self.text(text, indent),
                Kind::Space(count) => self.spaces += count,
                Kind::Pad(leaf) => self.spaces += self.pads.get(*leaf).copied().unwrap_or(0),
                Kind::Line if flat => self.spaces += 1,
                Kind::Soft if flat => {}
                Kind::Line | Kind::Soft | Kind::Hard => self.fresh(indent),
                Kind::Blank => self.blank(indent),
                Kind::Comment(text) => self.comment(text, indent),
                Kind::Concat(parts) => {
                    let works = parts.iter().rev().map(Work::Doc);
                    stack.extend(works.map(|work| Command { work, indent, flat }));
                }
                Kind::Indent(inner) => {
                    stack.push(Command { work: Work::Doc(inner), indent: indent + STEP, flat });
                }
                Kind::Group(inner) => {
                    let flat = flat || (!doc.hard && self.fits(inner, &stack));
                    stack.push(Command { work: Work::Doc(inner), indent, flat });
                }
                Kind::Fill(parts) => {
                    let works = parts.iter().enumerate().rev().flat_map(|(index, part)| {
                        [Some(Work::Doc(part)), (index > 0).then_some(Work::Gap(part))]
                    });
                    stack.extend(works.flatten().map(|work| Command { work, indent, flat }));
                }
            }
        }
    }

    /// Begins a line, unless one begins here.
    fn fresh(&mut self, indent: usize) {
        if self.current.code.is_empty() && self.current.comment.is_none() {
            (self.spaces, self.indent) = (0, indent);
        } else {
            self.newline(indent);
        }
    }

    fn comment(&mut self, text: &'a str, indent: usize) {
        if self.current.comment.is_some() {
            self.newline(indent);
        }
        if self.current.code.is_empty() {
            self.text(text, indent);
            self.newline(indent);
        } else {
            self.current.comment = Some(text);
        }
    }

    fn gap(&mut self, next: &Doc<'a>, indent: usize) {
        let full = self.column + 1 + next.width > WIDTH;
        if full || next.hard || self.current.comment.is_some() {
            self.fresh(indent);
        } else {
            self.spaces += 1;
        }
    }

    /// Whether a document fits on the rest of the line, with what follows up to the next possible break.
    fn fits(&self, doc: &Doc<'a>, stack: &[Command<'_, 'a>]) -> bool {
        let start = if self.current.code.is_empty() { self.indent } else { self.column + self.spaces };
        let mut width = start + doc.width;
        let mut rest: Vec<(&Doc<'a>, bool)> = Vec::new();
        let mut outer = stack.iter().rev();
        while width <= WIDTH {
            let (doc, flat) = match rest.pop() {
                Some(next) => next,
                None => match outer.next() {
                    Some(Command { work: Work::Doc(doc), flat, .. }) => (*doc, *flat),
                    Some(Command { work: Work::Gap(_), .. }) | None => return true,
                },
            };
            match &doc.kind {
                Kind::Line | Kind::Soft if !flat => return true,
                Kind::Hard | Kind::Blank | Kind::Comment(_) => return true,
                Kind::Concat(parts) => rest.extend(parts.iter().rev().map(|part| (part, flat))),
                Kind::Indent(inner) | Kind::Group(inner) => rest.push((inner, flat)),
                Kind::Fill(parts) => {
                    let shown = if flat { doc.width } else { parts.first().map_or(0, |part| part.width) };
                    width += shown;
                    if !flat && parts.len() > 1 {
                        return width <= WIDTH;
                    }
                }
                Kind::Text(_) | Kind::Space(_) | Kind::Pad(_) | Kind::Line | Kind::Soft => width += doc.width,
            }
        }
        false
    }
}
