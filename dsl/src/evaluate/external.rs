//! Calls of functions that plugins supply. A function is computed for every value of its declared domains when a
//! query is compiled; over rows it is then a table as those of `log` are, on totals it is looked up in the clear.

use std::rc::Rc;

use num_rational::Ratio;

use super::cell::{Cell, exact};
use super::table::Table;
use super::value::{At, ClearKind, Kind, Value};
use super::{Evaluator, Place};
use crate::ast::{Expr, External, Function};
use crate::clear::{ClearId, ClearOp};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::function::{ExternFunction, FunctionFault, FunctionPart, FunctionTable};
use crate::number::{Decimal, power_of_ten};
use crate::source::Span;
use crate::suggest::nearest;

/// Faults of a plugin, whoever's it is.
const AUTHOR: &str = "This is a mistake of the plugin: tell its author.";

impl<'a> Evaluator<'a> {
    pub(super) fn external(
        &mut self,
        function: &'a Function,
        external: &'a External,
        arguments: &'a [Expr],
        span: Span,
    ) -> Value {
        // A declaration with mistakes was reported where it stands.
        let Some(Ok(declared)) = ExternFunction::of(function) else { return Value::Poison };
        if arguments.len() != declared.parameters.len() {
            return self.takes(function, arguments.len(), span);
        }
        let mut values = Vec::with_capacity(arguments.len());
        for ((argument, parameter), (_, domain)) in
            arguments.iter().zip(&function.parameters).zip(&declared.parameters)
        {
            let value = match domain {
                Domain::Levels(levels) => {
                    self.operand(argument, &Kind::Levels(Rc::new(levels.clone())), parameter.name.span)
                }
                _ => self.eval(argument),
            };
            values.push(At { value, span: argument.span });
        }
        if values.iter().any(|at| at.value.is_poison()) {
            return Value::Poison;
        }
        for (at, (name, domain)) in values.iter().zip(&declared.parameters) {
            if !self.is_argument(at, name, domain, &function.name.text) {
                return Value::Poison;
            }
        }
        let table = match self.loader.tabulate(&declared) {
            Ok(codes) => FunctionTable::new(declared.clone(), codes),
            Err(fault) => {
                self.plugin_fault(function, external, &declared, &fault, span);
                return Value::Poison;
            }
        };
        let Some(table) = table else {
            let message = format!("The values of `{}` are not complete.", function.name.text);
            return self.fail(Code::FunctionFailed, function.name.span, message, AUTHOR);
        };
        // The key of a group is one value per group, in the report.
        if self.place == Place::Report
            && values.iter().any(|at| matches!(at.value, Value::Row(_)))
            && values.iter().all(|at| self.clear_operand(at).is_some())
        {
            return self.external_clear(table, &values);
        }
        let is_row = |at: &&At| matches!(at.value, Value::Row(_) | Value::Table(_));
        let is_clear = |at: &&At| matches!(at.value, Value::Clear(..));
        match (values.iter().find(is_row), values.iter().find(is_clear)) {
            (Some(row), Some(clear)) => self.mixed(row, clear, span),
            (Some(_), None) => self.external_rows(&table, &values, span),
            (None, Some(_)) => self.external_clear(table, &values),
            (None, None) => self.external_constant(&table, &values, span),
        }
    }

    /// Whether a value may be an argument at all.
    fn is_argument(&mut self, at: &At, name: &str, domain: &Domain, function: &str) -> bool {
        let fits = match (&at.value, domain) {
            (Value::Row(row), Domain::Levels(levels)) => {
                matches!(&row.kind, Kind::Levels(own) if own.iter().any(|level| levels.contains(level)))
            }
            (Value::Row(row), Domain::Bool) => row.kind == Kind::Bool,
            (Value::Row(row), _) => matches!(row.kind, Kind::Number | Kind::Bool),
            (Value::Table(table), domain) => {
                if table.cells.iter().any(|cell| matches!(cell, Cell::Real(_))) {
                    self.inexact(at);
                    return false;
                }
                !matches!(domain, Domain::Levels(_) | Domain::Bool)
            }
            (Value::Clear(_, kind), Domain::Levels(_)) => *kind == ClearKind::Text,
            (Value::Clear(_, kind), Domain::Bool) => *kind == ClearKind::Bool,
            (Value::Clear(_, kind), _) => *kind != ClearKind::Text,
            (Value::Level(..), Domain::Levels(_)) | (Value::Bool(_), _) => {
                !matches!((&at.value, domain), (Value::Bool(_), Domain::Levels(_)))
            }
            (Value::Number(_), domain) => !matches!(domain, Domain::Levels(_) | Domain::Bool),
            _ => false,
        };
        if !fits {
            let text = self.text(at.span);
            let message =
                format!("`{text}` is {}; `{name}` of `{function}` is one of {domain}.", at.value.describe());
            let help = match &at.value {
                Value::Real(_) => "Round it: a function of a plugin takes exact numbers.",
                Value::List(_) => "Call it for each item, as in `[f(x) for x in …]`.",
                _ => "Pass a value of the kind that the function declares.",
            };
            self.fail(Code::TypeMismatch, at.span, message, help);
        }
        fits
    }

    fn external_rows(&mut self, table: &FunctionTable, arguments: &[At], span: Span) -> Value {
        let result = &table.function().result;
        let domains: Vec<&Domain> = table.function().parameters.iter().map(|(_, domain)| domain).collect();
        let levels: Vec<Option<Vec<Option<i64>>>> =
            arguments.iter().zip(&domains).map(|(at, domain)| level_codes(&at.value, domain)).collect();
        let lookup = |cells: &[Cell]| {
            let code = |((cell, domain), levels): ((&Cell, &&Domain), &Option<Vec<Option<i64>>>)| {
                let code = code_of(*cell, domain)?;
                match levels {
                    Some(levels) => *levels.get(usize::try_from(code).ok()?)?,
                    None => Some(code),
                }
            };
            if cells.contains(&Cell::Undecided) {
                return Cell::Undecided;
            }
            let codes: Option<Vec<i64>> = cells.iter().zip(&domains).zip(&levels).map(code).collect();
            codes.and_then(|codes| table.value(&codes)).map_or(Cell::Undefined, |code| cell_of(result, code))
        };
        let operands: Vec<&At> = arguments.iter().collect();
        let Value::Table(found) = self.table_of_any(&operands, lookup, |this| this.too_many_cases(span))
        else {
            return Value::Poison;
        };
        if found.cells.iter().all(|cell| *cell == Cell::Undefined) {
            return self.never_inside(table.function(), span);
        }
        let kind = match result {
            Domain::Bool => Kind::Bool,
            Domain::Levels(levels) => Kind::Levels(Rc::new(levels.clone())),
            Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => {
                let decimals = Some(result.decimals());
                return Value::Table(Rc::new(Table { decimals, ..Table::clone(&found) }));
            }
        };
        match self.settle(&found, 0, span) {
            Some(id) => Self::row_value(id, kind),
            None => Value::Poison,
        }
    }

    fn external_clear(&mut self, table: FunctionTable, arguments: &[At]) -> Value {
        let kind = match table.function().result {
            Domain::Bool => ClearKind::Bool,
            Domain::Levels(_) => ClearKind::Text,
            Domain::Int { .. } | Domain::Fixed { .. } | Domain::Date { .. } => ClearKind::Number,
        };
        let ids: Option<Vec<ClearId>> =
            arguments.iter().map(|at| self.clear_operand(at).map(|(id, _)| id)).collect();
        let Some(ids) = ids else { return Value::Poison };
        self.clear(ClearOp::Function(table, ids), kind)
    }

    fn external_constant(&mut self, table: &FunctionTable, arguments: &[At], span: Span) -> Value {
        let function = table.function();
        let mut codes = Vec::with_capacity(arguments.len());
        for (at, (_, domain)) in arguments.iter().zip(&function.parameters) {
            let code = match &at.value {
                Value::Level(levels, code) => level_of(levels, *code, domain),
                value => value.number().and_then(|number| code_of(exact(number), domain)),
            };
            let Some(code) = code else { return self.never_inside(function, at.span) };
            codes.push(code);
        }
        let Some(code) = table.value(&codes) else { return self.never_inside(function, span) };
        match &function.result {
            Domain::Bool => Value::Bool(code != 0),
            Domain::Levels(levels) => Value::Level(Rc::new(levels.clone()), code),
            domain => Value::Number(Decimal { value: code.into(), decimals: domain.decimals() }),
        }
    }

    fn never_inside(&mut self, function: &ExternFunction, span: Span) -> Value {
        let text = self.text(span);
        let domains: Vec<String> =
            function.parameters.iter().map(|(name, domain)| format!("`{name}`: {domain}")).collect();
        let message = format!("`{text}`: no value is one for which `{}` is declared.", function.name);
        let help =
            format!("It takes {}; pass values of these, or declare wider domains.", domains.join(", "));
        self.fail(Code::OutsideDomain, span, message, help)
    }

    fn too_many_cases(&mut self, span: Span) -> Value {
        let message = format!("The arguments of `{}` have too many combinations.", self.text(span));
        let help =
            "Leave values out with `where`, pass coarser ones, or ask the owner for a prepared column.";
        self.fail(Code::FunctionTooLarge, span, message, help)
    }

    /// Reports why a plugin gives no values, at the declaration.
    fn plugin_fault(
        &mut self,
        function: &Function,
        external: &External,
        declared: &ExternFunction,
        fault: &FunctionFault,
        call: Span,
    ) {
        let (name, plugin) = (&function.name, &declared.plugin);
        let place = |at: &[i64]| declared.place(at);
        let mut notes = Vec::new();
        let (code, span, message, help) = match fault {
            FunctionFault::NoPlugin { installed, searched } => {
                if !searched.is_empty() {
                    notes.push(format!("It was looked for in {}.", searched.join(", ")));
                }
                let help = match (nearest(plugin, installed.iter().map(String::as_str)), installed.as_slice())
                {
                    (Some(near), _) => format!("Did you mean \"{near}\"?"),
                    (None, []) => {
                        "No plugin with functions is installed; docs/plugins/functions.md says how."
                            .to_owned()
                    }
                    (None, installed) => format!("There are {}.", installed.join(", ")),
                };
                let message = format!("There is no plugin \"{plugin}\" with functions.");
                (Code::NoPlugin, external.plugin.span, message, help)
            }
            FunctionFault::Unusable(reason) => {
                let message = format!("The plugin \"{plugin}\" cannot be used: {reason}");
                (
                    Code::NoPlugin,
                    external.plugin.span,
                    message,
                    "Install the plugin that the program was written for.".to_owned(),
                )
            }
            FunctionFault::NoFunction { known } => {
                let first = |known: &String| known.split('(').next().unwrap_or(known).to_owned();
                let names: Vec<String> = known.iter().map(first).collect();
                let help = match nearest(&declared.name, names.iter().map(String::as_str)) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("It has {}.", known.join("; ")),
                };
                let message = format!("The plugin \"{plugin}\" has no function `{}`.", declared.name);
                (Code::NoPluginFunction, name.span, message, help)
            }
            FunctionFault::OtherDomains { part, signature } => {
                let written = |at: usize| function.parameters.get(at)?.domain.as_ref();
                let span = match part {
                    FunctionPart::Argument(at) => written(*at).map_or(name.span, |domain| domain.span),
                    FunctionPart::Arguments => name.span,
                    FunctionPart::Result => external.result.span,
                };
                let message = format!("The plugin \"{plugin}\" supplies {signature}.");
                let help = "Declare the function so, with domains inside these.".to_owned();
                (Code::OtherDomain, span, message, help)
            }
            FunctionFault::Failed { at, reason } => {
                let message = format!("`{}` has no value for {}: {reason}.", name.text, place(at));
                let help = "Declare domains without such values, or tell the plugin's author.".to_owned();
                (Code::FunctionFailed, name.span, message, help)
            }
            FunctionFault::Outside { at, value } => {
                let message = format!(
                    "`{}` is {value} for {}, which {} does not hold.",
                    name.text,
                    place(at),
                    declared.result
                );
                let help = "Declare a wider domain of its values, or more decimals.".to_owned();
                (Code::FunctionOutside, external.result.span, message, help)
            }
            FunctionFault::Differs { at, first, second } => {
                let message = format!("`{}` is {first} and then {second} for {}.", name.text, place(at));
                (Code::FunctionUnstable, name.span, message, AUTHOR.to_owned())
            }
            FunctionFault::TimedOut { at, seconds } => {
                let message = format!(
                    "`{}` was not computed for its {} values in {seconds} seconds; it was at {}.",
                    name.text,
                    crate::number::with_commas(declared.values().into()),
                    place(at)
                );
                let help = "Declare narrower domains, or tell the plugin's author.".to_owned();
                (Code::FunctionTimeout, name.span, message, help)
            }
        };
        let mut diagnostic = Diagnostic::error(code, span, message, help).with_label(call, "called here");
        diagnostic.notes = notes;
        self.emit(diagnostic);
    }
}

/// The code of an exact cell in a domain.
fn code_of(cell: Cell, domain: &Domain) -> Option<i64> {
    let number = cell.to_exact()?;
    let unit = power_of_ten(domain.decimals())?;
    let scaled = num_traits::CheckedMul::checked_mul(&number, &Ratio::from_integer(unit))?;
    scaled.is_integer().then(|| i64::try_from(scaled.to_integer()).ok()).flatten()
}

fn cell_of(domain: &Domain, code: i64) -> Cell {
    match domain {
        Domain::Bool => Cell::Bool(code != 0),
        domain => exact(Decimal { value: code.into(), decimals: domain.decimals() }),
    }
}

/// The code in a domain of each level of a row value.
fn level_codes(value: &Value, domain: &Domain) -> Option<Vec<Option<i64>>> {
    let levels = match value {
        Value::Row(row) => {
            if let Kind::Levels(levels) = &row.kind {
                levels
            } else {
                return None;
            }
        }
        Value::Level(levels, _) => levels,
        _ => return None,
    };
    Some((0_i64..).zip(levels.iter()).map(|(code, _)| level_of(levels, code, domain)).collect())
}

fn level_of(levels: &[String], code: i64, domain: &Domain) -> Option<i64> {
    let level = levels.get(usize::try_from(code).ok()?)?;
    let Domain::Levels(own) = domain else { return None };
    i64::try_from(own.iter().position(|other| other == level)?).ok()
}
