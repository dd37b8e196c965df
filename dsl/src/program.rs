//! A program: a file with everything it uses, gathered by name.

use std::collections::{HashMap, HashSet};

use crate::ast::{ClauseKind, ExampleDecl, File, Function, Ident, ParamDecl, QueryDecl};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::lexis::{DECLARATIONS, scan};
use crate::recover::read;
use crate::resolve::check_function;
use crate::schema::{check_dataset, check_domain};
use crate::source::{Loader, Sources, Span};
use crate::stdlib::stdlib;
use crate::suggest::nearest;
use crate::typed::Dataset;

/// A public or secret parameter with its value.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) domain: Domain,
    /// `None` where none was given, which has been reported.
    pub(crate) value: Option<i64>,
    pub(crate) secret: bool,
    pub(crate) span: Span,
}

/// What is compiled of the file itself only.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) queries: Vec<QueryDecl>,
    pub(crate) examples: Vec<ExampleDecl>,
}

/// All declarations that a query may refer to.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) sources: Sources,
    pub(crate) functions: HashMap<String, Function>,
    pub(crate) datasets: HashMap<String, Dataset>,
    pub(crate) cohorts: HashMap<String, QueryDecl>,
    pub(crate) params: Vec<Param>,
    /// Names that were brought by `use`.
    pub(crate) modules: HashSet<String>,
    /// Names of `use` that were not found.
    pub(crate) missing_modules: HashSet<String>,
    /// Functions with mistakes that were reported; calls of them are silent.
    pub(crate) broken: HashSet<String>,
    /// Parts of texts that could not be read.
    pub(crate) damaged: Vec<Span>,
}

impl Program {
    /// Reads a file and what it uses. Returns the queries and examples of the file itself.
    pub(crate) fn load(
        file_name: &str,
        text: &str,
        params: &[(String, String)],
        loader: &dyn Loader,
    ) -> (Self, Own, Vec<Diagnostic>) {
        let mut program = Self::default();
        let mut diagnostics = Vec::new();
        let mut main = program.read(file_name, text, &mut diagnostics);
        let mut open: Vec<Ident> = main.uses.clone();
        let decls = std::mem::take(&mut main.params);
        let own =
            Own { queries: std::mem::take(&mut main.queries), examples: std::mem::take(&mut main.examples) };
        // What queries read tells what a misspelt `use` was meant to bring.
        let read: Vec<String> = own.queries.iter().chain(&main.cohorts).filter_map(source_of).collect();
        program.gather(main, &mut diagnostics);
        while let Some(module) = open.pop() {
            if !program.modules.insert(module.text.clone()) {
                continue;
            }
            let found = stdlib(&module.text)
                .map(|text| (format!("stdlib/{}.hq", module.text), text.to_owned()))
                .or_else(|| loader.load(&module.text));
            match found {
                Some((name, text)) => {
                    let tree = program.read(&name, &text, &mut diagnostics);
                    open.extend(tree.uses.iter().cloned());
                    program.gather(tree, &mut diagnostics);
                }
                None if program.datasets.contains_key(&module.text) => {}
                None => {
                    let names = crate::stdlib::MODULES.iter().copied().chain(read.iter().map(String::as_str));
                    let help = match nearest(&module.text, names) {
                        Some(near) => format!("Did you mean `{near}`?"),
                        None => format!("Put `{}.hq` beside the file, or name its folder.", module.text),
                    };
                    let message = format!("There is no dataset or module `{}`.", module.text);
                    diagnostics.push(Diagnostic::error(Code::UnknownModule, module.span, message, help));
                    program.missing_modules.insert(module.text.clone());
                }
            }
        }
        for function in program.functions.values() {
            let found = check_function(&program, function);
            if !found.is_empty() {
                program.broken.insert(function.name.text.clone());
                diagnostics.extend(found);
            }
        }
        program.set_params(&decls, params, &mut diagnostics);
        let mut names = HashSet::new();
        for query in &own.queries {
            if !names.insert(query.name.text.as_str()) {
                duplicate("query", &query.name, &mut diagnostics);
            }
        }
        (program, own, diagnostics)
    }

    fn read(&mut self, name: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) -> File {
        let id = self.sources.add(name, text);
        let (tree, found) = read(id, text);
        diagnostics.extend(found);
        self.damaged.extend(tree.damaged.iter().copied());
        tree
    }

    fn gather(&mut self, tree: File, diagnostics: &mut Vec<Diagnostic>) {
        for decl in &tree.datasets {
            let dataset = check_dataset(decl, &tree.damaged, &self.sources, diagnostics);
            if self.datasets.insert(dataset.name.clone(), dataset).is_some() {
                duplicate("dataset", &decl.name, diagnostics);
            }
        }
        for cohort in tree.cohorts {
            let name = cohort.name.clone();
            if self.cohorts.insert(name.text.clone(), cohort).is_some() {
                duplicate("cohort", &name, diagnostics);
            }
        }
        for function in tree.functions {
            let name = function.name.clone();
            if crate::evaluate::BUILTINS.contains(&name.text.as_str()) {
                let message = format!("`{}` is a function of the language.", name.text);
                diagnostics.push(Diagnostic::error(
                    Code::DuplicateName,
                    name.span,
                    message,
                    "Choose another name.",
                ));
            } else if self.functions.insert(name.text.clone(), function).is_some() {
                duplicate("function", &name, diagnostics);
            }
        }
    }

    fn set_params(
        &mut self,
        decls: &[ParamDecl],
        given: &[(String, String)],
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for decl in decls {
            let name = decl.name.text.clone();
            let Some(domain) = check_domain(&decl.domain, diagnostics) else { continue };
            if self.params.iter().any(|param| param.name == name) {
                duplicate("parameter", &decl.name, diagnostics);
                continue;
            }
            let (text, span) = match (given.iter().find(|(other, _)| *other == name), &decl.default) {
                (Some((_, text)), _) => (Some(text.as_str()), decl.name.span),
                (None, Some(default)) => (Some(default.text.as_str()), default.span),
                (None, None) => (None, decl.name.span),
            };
            let value = text.and_then(|text| domain.parse_parameter(text));
            match text {
                Some(text) if value.is_none() => {
                    let message = format!("`{name} = {text}` is not in {domain}.");
                    let help = "Give a value inside the parameter's domain.";
                    diagnostics.push(Diagnostic::error(Code::ParamOutside, span, message, help));
                }
                None if !decl.secret => {
                    let message = format!("The parameter `{name}` has no value.");
                    let help = format!("Give one with `--param {name}=…`, or write a default after `=`.");
                    diagnostics.push(Diagnostic::error(Code::ParamUnknown, span, message, help));
                }
                _ => {}
            }
            self.params.push(Param { name, domain, value, secret: decl.secret, span: decl.name.span });
        }
        for (name, _) in given {
            if !self.params.iter().any(|param| param.name == *name) {
                let names = self.params.iter().map(|param| param.name.as_str());
                let help = match nearest(name, names.clone()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None if self.params.is_empty() => "The program has no parameters.".to_owned(),
                    None => format!("Its parameters are {}.", names.collect::<Vec<_>>().join(", ")),
                };
                let message = format!("The program has no parameter `{name}`.");
                diagnostics.push(Diagnostic::error(Code::ParamUnknown, Span::default(), message, help));
            }
        }
    }

    /// Names and values of the public parameters.
    pub(crate) fn public_params(&self) -> Vec<(String, String)> {
        let public = self.params.iter().filter(|param| !param.secret);
        public.filter_map(|param| Some((param.name.clone(), param.domain.label(param.value?)))).collect()
    }

    /// Whether a part of the query could not be read.
    pub(crate) fn damages(&self, decl: &QueryDecl) -> bool {
        let here = decl.span;
        self.damaged.iter().filter(|damaged| damaged.file == here.file).any(|damaged| {
            let inside = damaged.start <= here.end && here.start <= damaged.end;
            // What follows belongs to the query unless a declaration begins there or between.
            let text = self.sources.text(here.file);
            let between =
                text.get(here.end_index()..damaged.start_index().max(here.end_index())).unwrap_or("");
            let after = self.sources.slice(self.clip(*damaged));
            let first = scan(after).first().is_some_and(|token| DECLARATIONS.contains(&token.text));
            let declares =
                scan(between).iter().any(|token| token.first && DECLARATIONS.contains(&token.text));
            inside || (damaged.start > here.end && !first && !declares)
        })
    }

    /// Whether a name may have been declared in a part that could not be read.
    pub(crate) fn is_damaged(&self, name: &str, span: Span) -> bool {
        let head = name.split('.').next().unwrap_or(name);
        self.damaged.iter().filter(|damaged| damaged.file == span.file).any(|damaged| {
            scan(self.sources.slice(self.clip(*damaged))).iter().any(|token| token.text == head)
        })
    }

    fn clip(&self, span: Span) -> Span {
        let end = self.sources.text(span.file).len();
        Span::new(span.file, span.start_index(), span.end_index().min(end))
    }
}

/// The name behind `from`.
fn source_of(decl: &QueryDecl) -> Option<String> {
    decl.clauses.iter().find_map(|clause| match &clause.kind {
        ClauseKind::From(source) => Some(source.text.clone()),
        ClauseKind::Where(_)
        | ClauseKind::Derive(_)
        | ClauseKind::By(_)
        | ClauseKind::Report(_)
        | ClauseKind::Sort(_)
        | ClauseKind::Take(..) => None,
    })
}

fn duplicate(what: &str, name: &Ident, diagnostics: &mut Vec<Diagnostic>) {
    let message = format!("The {what} `{}` is declared twice.", name.text);
    diagnostics.push(Diagnostic::error(Code::DuplicateName, name.span, message, "Give one another name."));
}
