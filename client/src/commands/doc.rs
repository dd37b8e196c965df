//! `hq doc`: what modules offer, from the comments and examples in their text.

use hq_dsl::{Block, FunctionManual, Manual, manual};

use crate::cli::{DocArgs, ManualFormat};
use crate::error::Result;
use crate::modules::{self, Module};
use crate::output;
use crate::program::draw;

/// Columns of text for reading.
const WIDTH: usize = 100;

/// Writes the manual of everything that was named; without names, a list of the modules.
pub(crate) fn doc(args: &DocArgs) -> Result<()> {
    let mut text = String::new();
    if args.targets.is_empty() {
        for module in modules::standard() {
            let manual = read(&module)?;
            text += &format!("{}\n", list(&module, &manual));
        }
        text += "`hq doc MODULE` shows a module, `hq doc MODULE.FUNCTION` one function.\n";
    }
    for target in &args.targets {
        let (module, function) = find(target)?;
        let manual = read(&module)?;
        if !text.is_empty() {
            text.push('\n');
        }
        match function {
            Some(name) => {
                let found = manual.functions.iter().find(|function| function.name == name);
                let names = manual.functions.iter().map(|function| function.name.as_str());
                let function = found.ok_or_else(|| modules::unknown(&name, names))?;
                text += &page(args.format, 1, function);
            }
            None => text += &whole(args.format, &module, &manual),
        }
    }
    output::out(&text);
    Ok(())
}

/// A module, with the function in it that a name with dots means.
fn find(target: &str) -> Result<(Module, Option<String>)> {
    match target.split_once('.') {
        Some((module, _)) => match modules::of_stdlib(module) {
            Some(module) => Ok((module, Some(target.to_owned()))),
            // A file has an ending, so a dot as well; what is neither is most likely a misspelt module.
            None if !std::path::Path::new(target).exists() && !target.ends_with(".hq") => {
                let functions: Vec<String> = modules::standard()
                    .filter_map(|module| read(&module).ok())
                    .flat_map(|manual| manual.functions.into_iter().map(|function| function.name))
                    .collect();
                Err(modules::unknown(target, functions.iter().map(String::as_str)))
            }
            None => Ok((modules::find(target)?, None)),
        },
        None => Ok((modules::find(target)?, None)),
    }
}

fn read(module: &Module) -> Result<Manual> {
    let (manual, diagnostics, sources) = manual(&module.path.display().to_string(), &module.text);
    draw(&module.path, &diagnostics, &sources)?;
    Ok(manual)
}

/// One line about a module, and the names of its functions.
fn list(module: &Module, manual: &Manual) -> String {
    let prefix = format!("{}.", module.name);
    let names: Vec<&str> = manual
        .functions
        .iter()
        .map(|function| function.name.strip_prefix(&prefix).unwrap_or(&function.name))
        .collect();
    let about = match manual.about.first() {
        Some(Block::Text(text)) => text.as_str(),
        Some(Block::Formula(_) | Block::Source(_)) | None => "",
    };
    format!("{}\n{}{}", module.name, wrap(about, "  "), wrap(&names.join(", "), "    "))
}

fn whole(format: ManualFormat, module: &Module, manual: &Manual) -> String {
    let mut text = match format {
        ManualFormat::Text => format!("{}\n\n{}", module.name, plain(&manual.about, "  ")),
        ManualFormat::Markdown => format!("# {}\n\n{}", module.name, markdown(&manual.about)),
    };
    for function in &manual.functions {
        if !text.ends_with("\n\n") {
            text.push('\n');
        }
        text += &page(format, 2, function);
    }
    text
}

/// One function: signature, comment, first example.
fn page(format: ManualFormat, depth: usize, function: &FunctionManual) -> String {
    let FunctionManual { signature, about, examples, .. } = function;
    let example = examples.first();
    match format {
        ManualFormat::Text => {
            let mut text = format!("{signature}\n\n{}", plain(about, "  "));
            if let Some(example) = example {
                text += "\n";
                text += &indented(example.text.lines(), "      ");
            }
            text
        }
        ManualFormat::Markdown => {
            let mut text = format!("{} `{signature}`\n\n{}", "#".repeat(depth), markdown(about));
            if let Some(example) = example {
                text += &format!("\n```hq\n{}\n```\n", example.text);
            }
            text
        }
    }
}

fn plain(blocks: &[Block], margin: &str) -> String {
    let blocks = blocks.iter().map(|block| match block {
        Block::Text(text) => wrap(text, margin),
        Block::Formula(lines) => indented(lines.iter().map(String::as_str), &format!("{margin}    ")),
        Block::Source(source) => wrap(&format!("Source: {source}"), margin),
    });
    blocks.collect::<Vec<_>>().join("\n")
}

fn markdown(blocks: &[Block]) -> String {
    let blocks = blocks.iter().map(|block| match block {
        Block::Text(text) => format!("{}\n", escaped(text)),
        Block::Formula(lines) => format!("```text\n{}\n```\n", lines.join("\n")),
        Block::Source(source) => format!("Source: {}\n", escaped(source)),
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// Marks that Markdown would take for its own, outside of code.
fn escaped(text: &str) -> String {
    let mut code = false;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        code ^= c == '`';
        if !code && matches!(c, '*' | '_' | '<' | '[' | '|') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn indented<'a>(lines: impl Iterator<Item = &'a str>, margin: &str) -> String {
    lines.map(|line| format!("{margin}{line}").trim_end().to_owned() + "\n").collect()
}

/// Words on lines of at most [`WIDTH`] columns.
fn wrap(words: &str, margin: &str) -> String {
    let (mut text, mut line) = (String::new(), margin.to_owned());
    for word in words.split_whitespace() {
        if line.len() > margin.len() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text += line.trim_end();
            text.push('\n');
            margin.clone_into(&mut line);
        }
        if line.len() > margin.len() {
            line.push(' ');
        }
        line += word;
    }
    text += line.trim_end();
    text.push('\n');
    text
}
