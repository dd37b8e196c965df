//! A first look at functions, whether or not a query calls them: the names in their bodies must be their
//! own, and the functions they call must exist.

use crate::ast::{CompareOp, DomainKind, Expr, ExprKind, Function, Ident};
use crate::diagnostic::{Code, Diagnostic};
use crate::evaluate::BUILTINS;
use crate::function::ExternFunction;
use crate::program::Program;
use crate::source::Span;
use crate::suggest::nearest;

/// Checks a function; empty if its names are in order.
pub(crate) fn check_function(program: &Program, function: &Function) -> Vec<Diagnostic> {
    if let Some(declared) = ExternFunction::of(function) {
        return declared.err().unwrap_or_default();
    }
    let names = function.parameters.iter().map(|parameter| parameter.name.text.clone()).collect();
    let mut walk = Walk { program, function, names, diagnostics: Vec::new() };
    for binding in &function.bindings {
        walk.expr(&binding.value);
        walk.names.push(binding.name.text.clone());
    }
    walk.expr(&function.value);
    walk.diagnostics
}

struct Walk<'a> {
    program: &'a Program,
    function: &'a Function,
    names: Vec<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name(path) => {
                let Some(first) = path.first() else { return };
                if self.names.contains(&first.text) || self.program.is_damaged(&first.text, first.span) {
                    return;
                }
                let glued = BUILTINS.iter().find_map(|function| {
                    let rest = first.text.strip_prefix(function)?;
                    self.names.iter().any(|name| name == rest).then(|| format!("{function}({rest})"))
                });
                let near = || nearest(&first.text, self.names.iter().map(String::as_str)).map(str::to_owned);
                let help = match glued.or_else(near) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => "A function sees its arguments and its own names only; pass it as an argument."
                        .to_owned(),
                };
                let message =
                    format!("The function `{}` knows no `{}`.", self.function.name.text, first.text);
                self.diagnostics.push(Diagnostic::error(Code::UnknownName, first.span, message, help));
            }
            ExprKind::Call { name, arguments, .. } => self.call(name, arguments, expr.span),
            ExprKind::List(items) | ExprKind::Set(items) | ExprKind::And(items) | ExprKind::Or(items) => {
                self.all(items)
            }
            ExprKind::Comprehension { body, variable, over } => {
                self.expr(over);
                self.names.push(variable.text.clone());
                self.expr(body);
                self.names.pop();
            }
            ExprKind::Record(fields) => fields.iter().for_each(|(_, value)| self.expr(value)),
            ExprKind::Range { lo, hi, step } => {
                self.expr(lo);
                self.expr(hi);
                if let Some(step) = step {
                    self.expr(step);
                }
            }
            ExprKind::Case { arms, otherwise } => {
                for (condition, value) in arms {
                    self.expr(condition);
                    self.expr(value);
                }
                if let Some(otherwise) = otherwise {
                    self.expr(otherwise);
                }
            }
            ExprKind::Index(left, right) | ExprKind::Power(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Field(arg, _) | ExprKind::Negate(arg) | ExprKind::Not(arg) => self.expr(arg),
            ExprKind::Arithmetic { first, rest } => {
                self.expr(first);
                rest.iter().for_each(|(_, operand)| self.expr(operand));
            }
            ExprKind::Coalesce { first, rest } => {
                self.expr(first);
                rest.iter().for_each(|operand| self.beside(operand));
            }
            // A bare word beside a level is a level, which only a call can tell.
            ExprKind::Compare { left, op: CompareOp::Equal | CompareOp::NotEqual, right } => {
                self.beside(left);
                self.beside(right);
            }
            ExprKind::Compare { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::In { value, set, .. } => {
                self.expr(value);
                if let ExprKind::List(items) | ExprKind::Set(items) = &set.kind {
                    items.iter().for_each(|item| self.beside(item));
                } else {
                    self.expr(set);
                }
            }
            ExprKind::Number(_)
            | ExprKind::Date(_)
            | ExprKind::Text(_)
            | ExprKind::Bool(_)
            | ExprKind::Missing
            | ExprKind::Poison => {}
        }
    }

    fn call(&mut self, name: &[Ident], arguments: &[Expr], span: Span) {
        let path = name.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(".");
        let module = self.function.name.text.rsplit_once('.').map(|(module, _)| format!("{module}.{path}"));
        let functions = &self.program.functions;
        let function = functions.get(&path).or_else(|| functions.get(&module?));
        let known = BUILTINS.contains(&path.as_str()) || function.is_some();
        if !known && !self.program.is_damaged(&path, span) {
            let functions = self.program.functions.keys().map(String::as_str);
            let help = match nearest(&path, functions.chain(BUILTINS.iter().copied())) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Define it, or bring its module with `use`.".to_owned(),
            };
            let message = format!("There is no function `{path}`.");
            self.diagnostics.push(Diagnostic::error(Code::UnknownFunction, span, message, help));
        }
        let external = function.filter(|function| function.external.is_some());
        let parameters = external.map_or(&[][..], |function| &function.parameters);
        for (index, argument) in arguments.iter().enumerate() {
            let domain = parameters.get(index).and_then(|parameter| parameter.domain.as_ref());
            // Levels that a plugin's function takes are written as bare words.
            match domain.map(|domain| &domain.kind) {
                Some(DomainKind::Levels(_)) => self.beside(argument),
                Some(DomainKind::Bool | DomainKind::Bounds { .. }) | None => self.expr(argument),
            }
        }
    }

    fn all(&mut self, items: &[Expr]) {
        items.iter().for_each(|item| self.expr(item));
    }

    fn beside(&mut self, expr: &Expr) {
        if !matches!(&expr.kind, ExprKind::Name(path) if path.len() == 1) {
            self.expr(expr);
        }
    }
}
