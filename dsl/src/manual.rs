//! What a module offers, from its text: signatures, the comments above functions, and examples.
//!
//! The lines of `#` straight before a `fn` are its comment. Lines indented by two or more spaces behind the `#`
//! and one space are a formula; from `Source:` on it says where the formula comes from; a line of `#` alone ends
//! a paragraph. The comment that opens the file is the module's own.

use crate::ast::{DomainKind, Function};
use crate::diagnostic::Diagnostic;
use crate::recover::read;
use crate::schema::one_line;
use crate::source::{Sources, Span};

/// A piece of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Lines that stand as they are.
    Formula(Vec<String>),
    /// Where it comes from.
    Source(String),
}

/// What a module offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manual {
    /// The comment that opens the file.
    pub about: Vec<Block>,
    /// Its functions in order.
    pub functions: Vec<FunctionManual>,
}

/// A function as its author describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionManual {
    /// Its path.
    pub name: String,
    /// Name and arguments, as in `stats.mean(x)`.
    pub signature: String,
    /// The comment above it.
    pub about: Vec<Block>,
    /// Its examples, in order.
    pub examples: Vec<ExampleManual>,
}

/// An example's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleManual {
    /// What it shows; may be empty.
    pub purpose: String,
    /// The declaration as written.
    pub text: String,
}

/// Reads a module without compiling it.
#[must_use]
pub fn manual(file_name: &str, text: &str) -> (Manual, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let id = sources.add(file_name, text);
    let (tree, diagnostics) = read(id, text);
    let functions = tree
        .functions
        .iter()
        .map(|function| {
            let examples = tree.examples.iter().filter(|example| example.name.text == function.name.text);
            FunctionManual {
                name: function.name.text.clone(),
                signature: signature(&sources, function),
                about: blocks(&comment_above(text, function.span)),
                examples: examples
                    .map(|example| ExampleManual {
                        purpose: example.purpose.clone(),
                        text: sources.slice(example.span).to_owned(),
                    })
                    .collect(),
            }
        })
        .collect();
    (Manual { about: blocks(&opening(text)), functions }, diagnostics, sources)
}

fn signature(sources: &Sources, function: &Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|parameter| match &parameter.domain {
            Some(domain) if domain.kind == DomainKind::Bool => format!("{}: bool", parameter.name.text),
            Some(domain) => format!("{}: {}", parameter.name.text, one_line(sources.slice(domain.span))),
            None => parameter.name.text.clone(),
        })
        .collect();
    format!("{}({})", function.name.text, parameters.join(", "))
}

/// What stands behind the `#` of a comment line.
fn comment(line: &str) -> Option<&str> {
    let rest = line.trim_end().strip_prefix('#')?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// The comment lines straight before a declaration that begins its line.
fn comment_above(text: &str, span: Span) -> Vec<&str> {
    let before = text.get(..span.start_index()).unwrap_or("");
    let mut lines: Vec<&str> = before.lines().rev().map_while(comment).collect();
    lines.reverse();
    lines
}

/// The comment at the top of a file, if a blank line parts it from what follows.
fn opening(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map_while(comment).collect();
    let parted = text.lines().nth(lines.len()).is_none_or(|line| line.trim().is_empty());
    if parted { lines } else { Vec::new() }
}

fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in lines {
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        let words = line.trim();
        match (blocks.last_mut(), words.strip_prefix("Source:")) {
            (_, Some(source)) => blocks.push(Block::Source(source.trim().to_owned())),
            // The source is the last of a comment.
            (Some(Block::Source(source)), None) => *source += &format!(" {words}"),
            (Some(Block::Formula(formula)), None) if line.starts_with("  ") => {
                formula.push((*line).strip_prefix("  ").unwrap_or(words).to_owned());
            }
            (_, None) if line.starts_with("  ") => {
                blocks.push(Block::Formula(vec![(*line).strip_prefix("  ").unwrap_or(words).to_owned()]));
            }
            (Some(Block::Text(text)), None) if open => *text += &format!(" {words}"),
            (_, None) => blocks.push(Block::Text(words.to_owned())),
        }
        open = true;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::{Block, manual};

    #[test]
    fn comments_become_blocks() {
        let text = "# A module.\n# Two lines.\n\n# Mean of x:\n# present ones.\n#   sum(x) / n\n#\n# More.\n\
                    # Source: Altman,\n# page 3.\nfn m.mean(x, g: {a, b}) = sum(x) / count()\n\n\
                    fn m.n() = count()\n\nexample m.n \"rows\"\n  data { x: 0..1 = [1] }\n  expect m.n() == 1\n";
        let (manual, diagnostics, _) = manual("m.hq", text);
        assert!(diagnostics.is_empty());
        assert_eq!(manual.about, [Block::Text("A module. Two lines.".into())]);
        let [mean, n] = manual.functions.as_slice() else { unreachable!() };
        assert_eq!(mean.signature, "m.mean(x, g: {a, b})");
        assert_eq!(
            mean.about,
            [
                Block::Text("Mean of x: present ones.".into()),
                Block::Formula(vec!["sum(x) / n".into()]),
                Block::Text("More.".into()),
                Block::Source("Altman, page 3.".into()),
            ]
        );
        assert!(n.about.is_empty());
        let example =
            n.examples.first().map(|example| (example.purpose.as_str(), example.text.lines().count()));
        assert_eq!(example, Some(("rows", 3)));
    }
}
