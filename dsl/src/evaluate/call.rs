//! Calls: built-in functions, and functions of the language, which are inlined.

use super::value::{At, Kind, Value};
use super::{Call, Evaluator, MAX_CALLS};
use crate::ast::{ArithmeticOp, DomainKind, Expr, Function, Ident, Parameter};
use crate::clear::{Binary, Unary};
use crate::diagnostic::Code;
use crate::distribution::Distribution;
use crate::source::Span;
use crate::suggest::nearest;

/// Names of the built-in functions.
pub(crate) const BUILTINS: &[&str] = &[
    "count",
    "sum",
    "known",
    "cut",
    "cross",
    "levels",
    "domain",
    "min",
    "max",
    "abs",
    "sqrt",
    "log",
    "log10",
    "exp",
    "floor",
    "round",
    "total",
    "cumsum",
    "cumprod",
    "length",
    "first",
    "solve",
    "append",
    "normal_cdf",
    "normal_quantile",
    "t_cdf",
    "t_quantile",
    "chi2_tail",
    "f_tail",
];

impl<'a> Evaluator<'a> {
    pub(super) fn call(&mut self, path: &'a [Ident], arguments: &'a [Expr], span: Span) -> Value {
        let name = path.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(".");
        match name.as_str() {
            "count" => return self.count(arguments, span),
            "sum" => return self.sum(arguments, span),
            _ => {}
        }
        let builtin = BUILTINS.contains(&name.as_str());
        let function = if builtin { None } else { self.function(&name) };
        if !builtin && function.is_none() {
            return self.unknown_function(&name, path, span);
        }
        if let Some((function, external)) = function.and_then(|found| Some((found, found.external.as_ref()?)))
        {
            return self.external(function, external, arguments, span);
        }
        let arguments: Vec<At> = arguments.iter().map(|argument| self.at(argument)).collect();
        if arguments.iter().any(|argument| argument.value.is_poison()) {
            return Value::Poison;
        }
        match function {
            Some(function) => self.inline(function, arguments, span),
            None => self.builtin(&name, &arguments, span),
        }
    }

    /// A function by its name, or by its last word inside its own module.
    fn function(&self, name: &str) -> Option<&'a Function> {
        let program = self.program;
        program.functions.get(name).or_else(|| {
            let (module, _) = self.calls.last()?.name.rsplit_once('.')?;
            program.functions.get(&format!("{module}.{name}"))
        })
    }

    fn unknown_function(&mut self, name: &str, path: &[Ident], span: Span) -> Value {
        let place = path
            .first()
            .map_or(span, |first| path.last().map_or(first.span, |last| first.span.to(last.span)));
        let module = name.split_once('.').map(|(module, _)| module);
        // A module that was not found has been reported; its functions are unknown for that.
        let lost = |module: &str| {
            let missing = &self.program.missing_modules;
            missing.contains(module) || nearest(module, missing.iter().map(String::as_str)).is_some()
        };
        if self.program.is_damaged(name, span) || module.is_some_and(lost) {
            return Value::Poison;
        }
        let names = self.program.functions.keys().map(String::as_str).chain(BUILTINS.iter().copied());
        let help = match (name.to_ascii_lowercase().as_str(), nearest(name, names), module) {
            ("mean" | "avg" | "average", ..) => {
                "Write `use stats` and `stats.mean(x)`, or `sum(x) / count()`.".to_owned()
            }
            ("sd" | "std" | "stdev" | "stddev" | "var" | "variance" | "se", ..) => {
                "Write `use stats`; it has stats.var, stats.sd and stats.se.".to_owned()
            }
            ("coalesce" | "ifnull" | "nvl", ..) => "Write `x ?? value`.".to_owned(),
            ("isnull" | "is_null" | "isna" | "is.na", ..) => "Write `not known(x)`.".to_owned(),
            ("if" | "iif" | "ifelse" | "when", ..) => {
                "Write `case { condition -> value else -> value }`.".to_owned()
            }
            ("ln", ..) => "Write `log(x)`, the natural logarithm.".to_owned(),
            (_, _, None) if self.in_module(name).is_some() => {
                format!("Did you mean `{}`?", self.in_module(name).unwrap_or_default())
            }
            (_, Some(near), _) => format!("Did you mean `{near}`?"),
            (_, None, None) if self.glued(name).is_some() => {
                format!("Did you mean `{}`?", self.glued(name).unwrap_or_default())
            }
            (_, None, Some(module)) if !self.program.modules.contains(module) => {
                format!("Write `use {module}` to use the functions of that module.")
            }
            (_, None, Some(module)) => {
                let mut names: Vec<&str> = self
                    .program
                    .functions
                    .keys()
                    .filter(|other| other.split_once('.').is_some_and(|(other, _)| other == module))
                    .map(String::as_str)
                    .collect();
                names.sort_unstable();
                format!("`{module}` has {}.", names.join(", "))
            }
            _ => format!("The built-in functions are {}.", BUILTINS.join(", ")),
        };
        self.fail(Code::UnknownFunction, place, format!("There is no function `{name}`."), help)
    }

    /// A function of a module by its last word.
    fn in_module(&self, word: &str) -> Option<&'a str> {
        let program = self.program;
        let last = |name: &&str| name.rsplit_once('.').is_some_and(|(_, last)| last == word);
        program.functions.keys().map(String::as_str).filter(last).min()
    }

    pub(super) fn argument_count(&mut self, name: &str, takes: &str, given: usize, span: Span) -> Value {
        let message = format!("`{name}` takes {takes}; here it has {given}.");
        self.fail(Code::ArgumentCount, span, message, "Write as many arguments as the function takes.")
    }

    /// A function with another number of arguments than it takes: HQ023.
    pub(super) fn takes(&mut self, function: &Function, given: usize, span: Span) -> Value {
        let names: Vec<&str> =
            function.parameters.iter().map(|parameter| parameter.name.text.as_str()).collect();
        let takes = match names.as_slice() {
            [] => "no argument".to_owned(),
            [one] => format!("one argument ({one})"),
            names => format!("{} arguments ({})", names.len(), names.join(", ")),
        };
        self.argument_count(&function.name.text, &takes, given, span)
    }

    fn builtin(&mut self, name: &str, arguments: &[At], span: Span) -> Value {
        match (name, arguments) {
            ("known", [x]) => self.is_known(x, span),
            ("levels" | "domain", [x]) => self.values_of(x, name),
            ("sqrt", [x]) => self.unary(Unary::Sqrt, name, x, span),
            ("log", [x]) => self.unary(Unary::Log, name, x, span),
            ("log10", [x]) => self.unary(Unary::Log10, name, x, span),
            ("exp", [x]) => self.unary(Unary::Exp, name, x, span),
            ("floor", [x]) => self.unary(Unary::Floor, name, x, span),
            ("round", [x]) => self.round(x, None, span),
            ("round", [x, digits]) => self.round(x, Some(digits), span),
            ("abs", [x]) => self.unary(Unary::Abs, name, x, span),
            ("total", [x]) => self.total(x, span),
            ("cumsum", [x]) => self.running(ArithmeticOp::Add, x, name, span),
            ("cumprod", [x]) => self.running(ArithmeticOp::Mul, x, name, span),
            ("length", [x]) => self.length(x),
            ("min", [x]) => self.extreme_of(Binary::Min, name, x, span),
            ("max", [x]) => self.extreme_of(Binary::Max, name, x, span),
            ("min" | "max", [first, rest @ ..]) => {
                let op = if name == "min" { Binary::Min } else { Binary::Max };
                let mut best = first.clone();
                for next in rest {
                    best.value = self.extreme(op, &best, next, span);
                }
                best.value
            }
            ("cut", [x, points]) => self.cut(x, points, span),
            ("cross", [a, b]) => self.cross(a, b, span),
            ("first", [values, conditions]) => self.first(values, conditions, span),
            ("solve", [rows, right]) => self.solve(rows, right, span),
            ("append", [_, ..]) => self.append(arguments, span),
            _ => {
                if let Some(function) = Distribution::named(name) {
                    return self.distribution(function, arguments, span);
                }
                let takes = match name {
                    "cut" => "a value and a list of cut points",
                    "cross" => "two arguments",
                    "first" => "a list of values and a list of conditions",
                    "solve" => "the rows of a matrix and a list",
                    "append" => "lists or values",
                    "round" => "a number and, if not 0, how many decimals to keep",
                    "min" | "max" => "one list, or several values",
                    _ => "one argument",
                };
                self.argument_count(name, takes, arguments.len(), span)
            }
        }
    }

    fn inline(&mut self, function: &'a Function, arguments: Vec<At>, span: Span) -> Value {
        let name = function.name.text.as_str();
        if self.program.broken.contains(name) {
            return Value::Poison;
        }
        if arguments.len() != function.parameters.len() {
            return self.takes(function, arguments.len(), span);
        }
        if self.calls.iter().any(|call| call.name == name) || self.calls.len() >= MAX_CALLS {
            let message = format!("`{name}` calls itself.");
            return self.fail(
                Code::Recursion,
                span,
                message,
                "Functions are unrolled, so none may lead back to itself.",
            );
        }
        for (parameter, argument) in function.parameters.iter().zip(&arguments) {
            if !self.fits(parameter, argument) {
                let message = format!(
                    "`{}` is {}; `{}` of `{name}` is not.",
                    self.text(argument.span),
                    argument.value.describe(),
                    parameter.name.text
                );
                let help = "Pass a value of the kind that the function names.";
                return self.fail(Code::TypeMismatch, argument.span, message, help);
            }
        }
        let parameters = function.parameters.iter().map(|parameter| parameter.name.text.clone());
        let locals = parameters.zip(arguments.into_iter().map(|argument| argument.value)).collect();
        let outside = std::mem::replace(&mut self.locals, locals);
        self.calls.push(Call { name: name.to_owned(), span });
        for binding in &function.bindings {
            let value = self.eval(&binding.value);
            self.locals.push((binding.name.text.clone(), value));
        }
        let value = self.eval(&function.value);
        self.calls.pop();
        self.locals = outside;
        value
    }

    fn fits(&self, parameter: &Parameter, argument: &At) -> bool {
        let Some(domain) = &parameter.domain else { return true };
        match (&domain.kind, &argument.value) {
            (DomainKind::Bool, Value::Row(row)) => row.kind == Kind::Bool,
            (DomainKind::Bool, value) => matches!(value, Value::Bool(_) | Value::Clear(..)),
            (DomainKind::Levels(levels), Value::Row(row)) => {
                matches!(&row.kind, Kind::Levels(others) if others.iter().eq(levels.iter().map(|level| &level.text)))
            }
            (DomainKind::Bounds { .. }, Value::Row(row)) => matches!(row.kind, Kind::Number | Kind::Date),
            (DomainKind::Bounds { .. } | DomainKind::Levels(_), _) => true,
        }
    }
}
