//! What a name at a place refers to, and where that was declared.

use super::Insight;
use super::scene::{Declaration, Path, Scene};
use crate::ast::Function;
use crate::domain::Domain;
use crate::evaluate::BUILTINS;
use crate::source::{FileId, Span};
use crate::typed::{Column, Dataset};

/// What a name refers to.
pub(super) enum Symbol<'a> {
    Dataset(&'a Dataset),
    Cohort(String),
    /// A module or a dataset's file, by name.
    Module(String),
    Function(&'a Function),
    Builtin(String),
    Column(&'a Dataset, &'a Column),
    /// A level of a column.
    Level(&'a Column, String),
    /// A parameter.
    Param(String),
    /// A name of the declaration it stands in, with the place where it is given.
    Local {
        name: String,
        given: Span,
        argument_of: Option<String>,
    },
    /// A word of the language.
    Word(String),
}

impl Insight {
    /// The name at a byte, with its place.
    pub(super) fn symbol_at(&self, offset: usize) -> Option<(Span, Symbol<'_>)> {
        let text = self.text();
        if super::scene::in_comment(text, offset) {
            return None;
        }
        let scene = Scene::of(text);
        let path = scene.path_at(offset)?;
        let span = Span::new(FileId::default(), path.start, path.end);
        Some((span, self.symbol(&scene, &path)?))
    }

    fn symbol(&self, scene: &Scene<'_>, path: &Path<'_>) -> Option<Symbol<'_>> {
        let declaration = scene.declaration(path.first);
        let head = *path.words.first()?;
        let before = scene.before(path.first);
        match before {
            "use" => return Some(self.module(head)),
            "from" => return self.source(head),
            _ => {}
        }
        if let Some(symbol) = self.function_symbol(scene, path, declaration) {
            return Some(symbol);
        }
        if path.words.len() == 1 && (crate::lexis::RESERVED.contains(&head)) {
            return Some(Symbol::Word(head.to_owned()));
        }
        let Some(declaration) = declaration else { return word(head) };
        match declaration.word {
            "query" | "cohort" => self.query_symbol(scene, path, declaration).or_else(|| word(head)),
            "fn" => local(scene, path, declaration).or_else(|| word(head)),
            "dataset" => self.dataset_symbol(scene, path, declaration).or_else(|| word(head)),
            "param" if before == "param" => Some(Symbol::Param(head.to_owned())),
            _ => word(head),
        }
    }

    /// A module's file; a dataset that is declared here, or has the name of its file.
    fn module(&self, name: &str) -> Symbol<'_> {
        match self.program.datasets.get(name) {
            Some(dataset) => Symbol::Dataset(dataset),
            None => Symbol::Module(name.to_owned()),
        }
    }

    fn source(&self, name: &str) -> Option<Symbol<'_>> {
        if let Some(dataset) = self.program.datasets.get(name) {
            return Some(Symbol::Dataset(dataset));
        }
        self.program.cohorts.contains_key(name).then(|| Symbol::Cohort(name.to_owned()))
    }

    /// What is called, or the name behind `fn`.
    fn function_symbol(
        &self,
        scene: &Scene<'_>,
        path: &Path<'_>,
        declaration: Option<Declaration<'_>>,
    ) -> Option<Symbol<'_>> {
        let called = scene.word(path.last + 1) == "(";
        let name = path.words.join(".");
        if called && BUILTINS.contains(&name.as_str()) {
            return Some(Symbol::Builtin(name));
        }
        // Inside a module its functions may be called by their last word.
        let own = declaration.filter(|declaration| declaration.word == "fn").map(|declaration| {
            let at = declaration.start + if scene.word(declaration.start) == "extern" { 2 } else { 1 };
            scene.word(at)
        });
        let qualified = own.map(|module| format!("{module}.{name}"));
        let functions = &self.program.functions;
        let found = functions.get(&name).or_else(|| functions.get(&qualified?));
        if let Some(function) = found.filter(|_| called || path.words.len() > 1) {
            return Some(Symbol::Function(function));
        }
        // The module before the dot.
        let module = format!("{name}.");
        let dotted =
            scene.word(path.last + 1) == "." && functions.keys().any(|name| name.starts_with(&module));
        dotted.then_some(Symbol::Module(name))
    }

    /// The dataset that a query or cohort reads in the end.
    pub(super) fn dataset_of(&self, scene: &Scene<'_>, declaration: Declaration<'_>) -> Option<&Dataset> {
        let mut source = scene.source(declaration)?.to_owned();
        for _ in 0..16 {
            if let Some(dataset) = self.program.datasets.get(&source) {
                return Some(dataset);
            }
            source = self.cohort_source(&source)?;
        }
        None
    }

    /// What a cohort reads.
    pub(super) fn cohort_source(&self, name: &str) -> Option<String> {
        let cohort = self.program.cohorts.get(name)?;
        cohort.clauses.iter().find_map(|clause| match &clause.kind {
            crate::ast::ClauseKind::From(source) => Some(source.text.clone()),
            crate::ast::ClauseKind::Where(_)
            | crate::ast::ClauseKind::Derive(_)
            | crate::ast::ClauseKind::By(_)
            | crate::ast::ClauseKind::Report(_)
            | crate::ast::ClauseKind::Sort(_)
            | crate::ast::ClauseKind::Take(..) => None,
        })
    }

    /// Names that a query has from the cohorts it reads, with their places.
    pub(super) fn inherited(&self, scene: &Scene<'_>, declaration: Declaration<'_>) -> Vec<(String, Span)> {
        let mut names = Vec::new();
        let mut source = scene.source(declaration).map(str::to_owned);
        for _ in 0..16 {
            let Some(cohort) = source.as_ref().and_then(|name| self.program.cohorts.get(name)) else { break };
            for clause in &cohort.clauses {
                if let crate::ast::ClauseKind::Derive(bindings) = &clause.kind {
                    names.extend(
                        bindings.iter().map(|binding| (binding.name.text.clone(), binding.name.span)),
                    );
                }
            }
            source = source.as_ref().and_then(|name| self.cohort_source(name));
        }
        names
    }

    fn query_symbol(
        &self,
        scene: &Scene<'_>,
        path: &Path<'_>,
        declaration: Declaration<'_>,
    ) -> Option<Symbol<'_>> {
        let dataset = self.dataset_of(scene, declaration);
        let head = *path.words.first()?;
        let column = |dataset, name: &str| self.column(dataset, name);
        if let (Some(dataset), [first, second]) = (dataset, path.words.as_slice())
            && *first == dataset.name
        {
            return column(dataset, second);
        }
        if path.words.len() > 1 {
            return None;
        }
        // Beside a value with levels a bare word is a level first.
        if let Some(level) = dataset.and_then(|dataset| level(scene, path, dataset)) {
            return Some(level);
        }
        if let Some(found) = local(scene, path, declaration) {
            return Some(found);
        }
        if let Some(found) = dataset.and_then(|dataset| column(dataset, head)) {
            return Some(found);
        }
        if let Some((name, given)) =
            self.inherited(scene, declaration).into_iter().find(|(name, _)| name == head)
        {
            return Some(Symbol::Local { name, given, argument_of: None });
        }
        let param = self.program.params.iter().any(|param| param.name == head);
        param.then(|| Symbol::Param(head.to_owned()))
    }

    fn column<'a>(&'a self, dataset: &'a Dataset, name: &str) -> Option<Symbol<'a>> {
        let column = dataset.columns.iter().find(|column| column.name == name)?;
        Some(Symbol::Column(dataset, column))
    }

    fn dataset_symbol(
        &self,
        scene: &Scene<'_>,
        path: &Path<'_>,
        declaration: Declaration<'_>,
    ) -> Option<Symbol<'_>> {
        let name = scene.word(declaration.start + 1);
        let dataset = self.program.datasets.get(name)?;
        if path.first == declaration.start + 1 {
            return Some(Symbol::Dataset(dataset));
        }
        path.words.first().and_then(|head| self.column(dataset, head))
    }

    /// Where a symbol was declared.
    pub(super) fn declared(&self, symbol: &Symbol<'_>) -> Option<Span> {
        match symbol {
            Symbol::Dataset(dataset) => Some(dataset.span),
            Symbol::Cohort(name) => self.program.cohorts.get(name).map(|cohort| cohort.name.span),
            Symbol::Module(name) => self.module_start(name),
            Symbol::Function(function) => Some(function.name.span),
            Symbol::Column(_, column) | Symbol::Level(column, _) => Some(column.span),
            Symbol::Param(name) => {
                self.program.params.iter().find(|param| param.name == *name).map(|param| param.span)
            }
            Symbol::Local { given, .. } => Some(*given),
            Symbol::Builtin(_) | Symbol::Word(_) => None,
        }
    }

    fn module_start(&self, name: &str) -> Option<Span> {
        let wanted = format!("{name}.hq");
        let files = (1_u32..).map(FileId).take_while(|file| !self.program.sources.name(*file).is_empty());
        let is_module = |file: &FileId| {
            self.program.sources.name(*file).rsplit(['/', '\\']).next() == Some(wanted.as_str())
        };
        files.into_iter().find(is_module).map(|file| Span::new(file, 0, 0))
    }
}

fn word<'a>(head: &str) -> Option<Symbol<'a>> {
    super::words::keyword(head).map(|_| Symbol::Word(head.to_owned()))
}

/// A name given in the same declaration: the last before it, or the one it is.
fn local<'a>(scene: &Scene<'_>, path: &Path<'_>, declaration: Declaration<'_>) -> Option<Symbol<'a>> {
    let head = *path.words.first()?;
    let named: Vec<usize> =
        scene.names(declaration).into_iter().filter(|&at| scene.word(at) == head).collect();
    // The variable of a comprehension stands behind its uses.
    let at = named.iter().rev().find(|&&at| at <= path.first).or_else(|| named.first())?;
    let token = scene.tokens.get(*at)?;
    let in_head = declaration.word == "fn" && scene.word(*at + 1) != "=" && scene.before(*at) != "for";
    Some(Symbol::Local {
        name: head.to_owned(),
        given: Span::new(FileId::default(), token.start, token.end()),
        argument_of: in_head.then(|| function_name(scene, declaration)),
    })
}

fn function_name(scene: &Scene<'_>, declaration: Declaration<'_>) -> String {
    let names = (declaration.start + 1..declaration.end).take_while(|&at| scene.word(at) != "(");
    names.map(|at| scene.word(at)).filter(|word| *word != "fn").collect()
}

/// The level that a word is, beside a column with levels.
fn level<'a>(scene: &Scene<'_>, path: &Path<'_>, dataset: &'a Dataset) -> Option<Symbol<'a>> {
    let head = *path.words.first()?;
    let column = beside(scene, path.first, dataset).or_else(|| {
        // `female == sex`
        let other = matches!(scene.word(path.last + 1), "==" | "!=").then(|| scene.word(path.last + 2))?;
        dataset.columns.iter().find(|column| column.name == other)
    })?;
    let has_level =
        matches!(&column.domain, Domain::Levels(levels) if levels.iter().any(|level| level == head));
    has_level.then(|| Symbol::Level(column, head.to_owned()))
}

/// The column that a token is compared with: `column == token`, `column in {…, token`, `column ?? token`.
pub(super) fn beside<'a>(scene: &Scene<'_>, index: usize, dataset: &'a Dataset) -> Option<&'a Column> {
    let compared = match scene.before(index) {
        "==" | "!=" | "??" => index.checked_sub(1)?,
        "{" | "[" | "," => {
            let open = scene.bracket(index)?;
            let before = open.checked_sub(1).filter(|&at| scene.word(at) == "in")?;
            if scene.before(before) == "not" { before.checked_sub(1)? } else { before }
        }
        _ => return None,
    };
    let path = scene.path_before(compared)?;
    let name = match path.words.as_slice() {
        [name] => name,
        [first, name] if *first == dataset.name => name,
        _ => return None,
    };
    dataset.columns.iter().find(|column| column.name == **name)
}
