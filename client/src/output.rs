//! Everything that reaches the terminal: results on standard output, all else on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use hq_dsl::{Diagnostic, Sources};
use hq_engine::run::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::ClientError;

/// Writes to standard output. A reader that went away is no error.
pub(crate) fn out(text: &str) {
    let mut stream = io::stdout().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Writes a line to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a warning that must not be overlooked.
pub(crate) fn warn(text: &str) {
    note(&paint(text, "1;33", "warning"));
}

/// Reports why a command failed.
pub(crate) fn error(error: &ClientError) {
    note(&paint(&error.to_string(), "1;31", "error"));
}

/// Draws diagnostics on standard error.
pub(crate) fn diagnostics(diagnostics: &[Diagnostic], sources: &Sources) {
    for diagnostic in diagnostics {
        note(hq_dsl::render(diagnostic, sources, color()).trim_end());
    }
}

/// A text from elsewhere, without signs that steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || !c.is_control()).collect()
}

fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn paint(text: &str, style: &str, word: &str) -> String {
    if color() { format!("\x1b[{style}m{word}:\x1b[0m {text}") } else { format!("{word}: {text}") }
}

/// A progress bar over blocks, drawn only on a terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    begun: bool,
}

impl Bar {
    /// A bar with a few words before it.
    pub(crate) fn new(words: &str) -> Self {
        Self::of(words, "blocks")
    }

    /// A bar over other things than blocks.
    pub(crate) fn of(words: &str, things: &str) -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let template = format!("{{msg:12}} {{bar:32}} {{pos}}/{{len}} {things}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_message(words.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, begun: false }
    }

    /// How far it is. What was done at first says nothing of how fast it goes on.
    pub(crate) fn set(&mut self, progress: Progress) {
        self.bar.set_length(progress.blocks);
        self.bar.set_position(progress.done);
        if !self.begun {
            self.begun = true;
            self.bar.reset_eta();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
