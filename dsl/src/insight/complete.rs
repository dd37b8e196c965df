//! What may be written at a place. An editor keeps what fits the letters that are there already.

use std::collections::BTreeSet;

use super::Insight;
use super::scene::{Declaration, Scene, in_comment};
use super::symbol::beside;
use super::words;
use crate::domain::{Domain, quote_level};
use crate::evaluate::{BUILTINS, short_domain};
use crate::lexis::{CLAUSES, DECLARATIONS, TokenKind};
use crate::remedy::expects_value;
use crate::source::FileId;
use crate::stdlib::MODULES;
use crate::typed::{Column, Dataset};

/// Most levels of a column that are offered.
const MAX_LEVELS: usize = 500;

/// What a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompletionKind {
    /// A level of a column.
    Level,
    /// A column of the dataset.
    Column,
    /// A derived value, result, argument or variable.
    Name,
    /// A parameter.
    Param,
    /// A function of a module or of the program.
    Function,
    /// A function of the language.
    Builtin,
    /// A dataset.
    Dataset,
    /// A cohort.
    Cohort,
    /// A module.
    Module,
    /// A word of the language.
    Keyword,
}

/// Something that may be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Completion {
    /// What it is.
    pub kind: CompletionKind,
    /// What is written.
    pub text: String,
    /// A few words beside it; may be empty.
    pub detail: String,
    /// Markdown; may be empty.
    pub documentation: String,
}

impl Completion {
    fn new(kind: CompletionKind, text: &str, detail: impl Into<String>) -> Self {
        Self { kind, text: text.to_owned(), detail: detail.into(), documentation: String::new() }
    }

    fn keyword(word: &str) -> Self {
        Self::new(CompletionKind::Keyword, word, words::keyword(word).unwrap_or_default())
    }
}

impl Insight {
    /// What may be written at a byte; `modules` are names of files that `use` would find.
    #[must_use]
    pub fn completions(&self, offset: usize, modules: &[String]) -> Vec<Completion> {
        let text = self.text();
        if in_comment(text, offset) {
            return Vec::new();
        }
        let scene = Scene::of(text);
        let in_text = |kind| matches!(kind, TokenKind::Text | TokenKind::OpenText);
        if scene
            .tokens
            .iter()
            .any(|token| in_text(token.kind) && token.start < offset && offset < token.end())
        {
            return Vec::new();
        }
        let index = scene.index_at(offset);
        let mut found = self.at(&scene, index, offset, modules);
        found.sort();
        found.dedup_by(|a, b| a.text == b.text && a.kind == b.kind);
        found
    }

    fn at(&self, scene: &Scene<'_>, index: usize, offset: usize, modules: &[String]) -> Vec<Completion> {
        let before = scene.before(index);
        let declaration = index.checked_sub(1).and_then(|before| scene.declaration(before));
        let line = self.text().get(..offset).and_then(|text| text.rsplit('\n').next()).unwrap_or("");
        let at_margin = line.chars().all(|c| c.is_alphanumeric() || c == '_');
        match before {
            "use" => return self.modules(modules),
            "from" if declaration.is_none_or(|declaration| declaration.word != "fn") => {
                return self.readable();
            }
            "." => return self.dotted(scene, index, declaration),
            _ => {}
        }
        let Some(declaration) = declaration.filter(|_| !at_margin || before == "=") else {
            return DECLARATIONS.iter().map(|word| Completion::keyword(word)).collect();
        };
        match declaration.word {
            "query" | "cohort" => self.in_query(scene, index, declaration),
            "fn" => self.in_function(scene, index, declaration),
            "dataset" => self.in_dataset(scene, index, declaration),
            _ if before == ":" => vec![Completion::keyword("bool")],
            _ => Vec::new(),
        }
    }

    fn modules(&self, files: &[String]) -> Vec<Completion> {
        let library =
            MODULES.iter().map(|name| Completion::new(CompletionKind::Module, name, "standard library"));
        let files = files.iter().filter(|name| !MODULES.contains(&name.as_str()));
        library.chain(files.map(|name| Completion::new(CompletionKind::Module, name, "file"))).collect()
    }

    fn readable(&self) -> Vec<Completion> {
        let datasets =
            self.program.datasets.values().map(|dataset| {
                Completion::new(CompletionKind::Dataset, &dataset.name, dataset.title.clone())
            });
        let cohorts =
            self.program.cohorts.values().map(|cohort| {
                Completion::new(CompletionKind::Cohort, &cohort.name.text, cohort.purpose.clone())
            });
        datasets.chain(cohorts).collect()
    }

    /// Behind `stats.` or `actg175.`
    fn dotted(
        &self,
        scene: &Scene<'_>,
        index: usize,
        declaration: Option<Declaration<'_>>,
    ) -> Vec<Completion> {
        let Some(head) = index.checked_sub(2).map(|at| scene.word(at)) else { return Vec::new() };
        let prefix = format!("{head}.");
        let mut found: Vec<Completion> = Vec::new();
        for function in self.program.functions.values() {
            if let Some(rest) = function.name.text.strip_prefix(&prefix) {
                let mut item = Completion::new(CompletionKind::Function, rest, self.signature(function));
                item.documentation = self.doc(function.name.span);
                found.push(item);
            }
        }
        let dataset = declaration.and_then(|declaration| self.dataset_of(scene, declaration));
        if let Some(dataset) = dataset.filter(|dataset| dataset.name == head) {
            found.extend(columns(dataset));
        }
        found
    }

    fn in_query(&self, scene: &Scene<'_>, index: usize, declaration: Declaration<'_>) -> Vec<Completion> {
        let before = scene.before(index);
        let dataset = self.dataset_of(scene, declaration);
        let clause = scene.clause(declaration, index);
        let mut found = Vec::new();
        let Some((_, clause)) = clause else { return vec![Completion::keyword("from")] };
        if let Some(column) = dataset.and_then(|dataset| beside(scene, index, dataset)) {
            found.extend(levels(column));
        }
        if expects_value(before) || CLAUSES.contains(&before) || scene.bracket(index).is_some() {
            match clause {
                "take" => return Vec::new(),
                // A name is to be invented.
                "report" | "derive" if matches!(before, "report" | "derive") => return Vec::new(),
                "sort" => return self.names(scene, index, declaration, true),
                _ => {}
            }
            found.extend(dataset.into_iter().flat_map(columns));
            found.extend(self.names(scene, index, declaration, false));
            found.extend(self.params());
            found.extend(self.functions());
            found.extend(["not", "case", "true", "false"].map(Completion::keyword));
        }
        if !expects_value(before) {
            found.extend(follows(clause, declaration.word).into_iter().map(Completion::keyword));
            let inside =
                if clause == "sort" { &["asc", "desc"][..] } else { &["and", "or", "in", "not"][..] };
            found.extend(inside.iter().map(|word| Completion::keyword(word)));
        }
        found
    }

    /// Names of the declaration that are given before a token, and what a query has from cohorts.
    fn names(
        &self,
        scene: &Scene<'_>,
        index: usize,
        declaration: Declaration<'_>,
        results: bool,
    ) -> Vec<Completion> {
        let own = scene.names(declaration).into_iter().filter(|&at| at < index || scene.before(at) == "for");
        let of_results = |at: &usize| {
            !results
                || scene.clause(declaration, *at).is_some_and(|(_, clause)| matches!(clause, "by" | "report"))
        };
        let own = own
            .filter(of_results)
            .map(|at| Completion::new(CompletionKind::Name, scene.word(at), self.stage_words(scene, at)));
        let inherited = self.inherited(scene, declaration);
        let inherited = inherited.iter().filter(|_| !results);
        let inherited =
            inherited.map(|(name, _)| Completion::new(CompletionKind::Name, name, "of the cohort"));
        let keys = self.plain_keys(scene, declaration).into_iter().filter(|_| results);
        own.chain(inherited).chain(keys).collect()
    }

    /// Keys of `by` that have no name of their own.
    fn plain_keys(&self, scene: &Scene<'_>, declaration: Declaration<'_>) -> Vec<Completion> {
        let Some(dataset) = self.dataset_of(scene, declaration) else { return Vec::new() };
        let mentioned: BTreeSet<&str> = (declaration.start..declaration.end)
            .filter(|&at| scene.clause(declaration, at).is_some_and(|(_, clause)| clause == "by"))
            .map(|at| scene.word(at))
            .collect();
        columns(dataset).into_iter().filter(|column| mentioned.contains(column.text.as_str())).collect()
    }

    /// What is known of a name from the value behind its `=`.
    fn stage_words(&self, scene: &Scene<'_>, at: usize) -> String {
        let Some(value) = scene.tokens.get(at + 2).filter(|_| scene.word(at + 1) == "=") else {
            return String::new();
        };
        let starts_here =
            |span: &crate::source::Span| span.file == FileId(0) && span.start_index() == value.start;
        let longest =
            self.facts.iter().filter(|(span, _)| starts_here(span)).max_by_key(|(span, _)| span.end);
        longest.map_or_else(String::new, |(_, fact)| fact.about.replace('`', ""))
    }

    fn params(&self) -> Vec<Completion> {
        let params = self.program.params.iter();
        params
            .map(|param| Completion::new(CompletionKind::Param, &param.name, short_domain(&param.domain)))
            .collect()
    }

    fn functions(&self) -> Vec<Completion> {
        let own = self.program.functions.values().map(|function| {
            let mut item =
                Completion::new(CompletionKind::Function, &function.name.text, self.signature(function));
            item.documentation = self.doc(function.name.span);
            item
        });
        let builtin = BUILTINS.iter().map(|name| {
            let (call, sentence) = words::builtin(name).unwrap_or((name, ""));
            let mut item = Completion::new(CompletionKind::Builtin, name, call);
            sentence.clone_into(&mut item.documentation);
            item
        });
        own.chain(builtin).collect()
    }

    fn in_function(&self, scene: &Scene<'_>, index: usize, declaration: Declaration<'_>) -> Vec<Completion> {
        if scene.before(index) == ":" {
            return vec![Completion::keyword("bool")];
        }
        // In the head names are invented.
        let body = (declaration.start..declaration.end).find(|&at| matches!(scene.word(at), "=" | "{"));
        if body.is_none_or(|body| index <= body) {
            return Vec::new();
        }
        let mut found = self.names(scene, index, declaration, false);
        found.extend(self.functions());
        found.extend(["case", "not", "and", "or", "in", "for", "true", "false"].map(Completion::keyword));
        found
    }

    fn in_dataset(&self, scene: &Scene<'_>, index: usize, declaration: Declaration<'_>) -> Vec<Completion> {
        let before = scene.before(index);
        let bracket = scene.bracket(index);
        if bracket.is_some_and(|open| scene.before(open) == "release") {
            return ["min_cell", "max_cells", "per_day", "encrypted"].map(Completion::keyword).into();
        }
        match before {
            ":" => return vec![Completion::keyword("bool")],
            "{" => return ["rows", "release"].map(Completion::keyword).into(),
            _ => {}
        }
        let column = (declaration.start..index).rev().find(|&at| scene.word(at + 1) == ":");
        let prepared = column.is_some_and(|column| (column..index).any(|at| scene.word(at) == "="));
        if !prepared {
            return ["rows", "release", "step"].map(Completion::keyword).into();
        }
        let dataset = self.program.datasets.get(scene.word(declaration.start + 1));
        let mut found: Vec<Completion> = dataset.into_iter().flat_map(columns).collect();
        found.extend(self.functions());
        found.extend(["case", "not", "and", "or", "in"].map(Completion::keyword));
        found
    }
}

/// Clauses that may follow a clause.
fn follows(clause: &str, declaration: &str) -> Vec<&'static str> {
    let rank = |word: &str| match word {
        "from" => 0,
        "where" | "derive" => 1,
        "by" => 2,
        "report" => 3,
        "sort" => 4,
        _ => 5,
    };
    // What orders the result comes after it.
    let last = match (declaration, clause) {
        ("cohort", _) => 1,
        (_, "report" | "sort" | "take") => 5,
        _ => 3,
    };
    let repeats = |word: &str| matches!(word, "where" | "derive");
    let may =
        |word: &&str| rank(word) <= last && (rank(word) > rank(clause) || (repeats(word) && repeats(clause)));
    CLAUSES.iter().copied().filter(may).collect()
}

fn columns(dataset: &Dataset) -> Vec<Completion> {
    let describe = |column: &Column| {
        let optional = if column.optional { " ?" } else { "" };
        let mut item = Completion::new(
            CompletionKind::Column,
            &column.name,
            format!("{}{optional}", short_domain(&column.domain)),
        );
        item.documentation.clone_from(&column.description);
        item
    };
    dataset.columns.iter().map(describe).collect()
}

fn levels(column: &Column) -> Vec<Completion> {
    match &column.domain {
        Domain::Levels(levels) => levels
            .iter()
            .take(MAX_LEVELS)
            .map(|level| {
                Completion::new(
                    CompletionKind::Level,
                    &quote_level(level),
                    format!("level of {}", column.name),
                )
            })
            .collect(),
        Domain::Bool => ["true", "false"].map(Completion::keyword).into(),
        Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => Vec::new(),
    }
}
