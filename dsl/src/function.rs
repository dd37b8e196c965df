//! Functions that plugins supply: what the compiler asks of whoever has the plugins, and what it may be told.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ast::{Function, Parameter};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::number::with_commas;
use crate::schema::check_domain;

/// Most values of a function over its domains.
const MAX_VALUES: u64 = 1 << 20;

/// `extern fn name(x: domain, …) -> domain from "plugin"`, checked. No domain is one of dates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExternFunction {
    /// Its name in the plugin: the last word of that in the program.
    pub name: String,
    /// The plugin's name.
    pub plugin: String,
    /// Names and domains of what it takes.
    pub parameters: Vec<(String, Domain)>,
    /// The domain of its values.
    pub result: Domain,
}

/// The values of a function, for every combination of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTable {
    function: ExternFunction,
    /// Codes of the result, the last argument running fastest.
    codes: Arc<[i64]>,
}

impl Hash for FunctionTable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

/// A part of a function's declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionPart {
    /// The argument at a position.
    Argument(usize),
    /// How many arguments there are.
    Arguments,
    /// The result.
    Result,
}

/// Why there are no values of a function; places are codes of its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionFault {
    /// There is no plugin of that name.
    NoPlugin {
        /// Those that there are.
        installed: Vec<String>,
        /// Folders that were searched.
        searched: Vec<String>,
    },
    /// The plugin cannot be used, in a sentence that ends with a full stop.
    Unusable(String),
    /// The plugin has no function of that name.
    NoFunction {
        /// Those that it has, as they are declared.
        known: Vec<String>,
    },
    /// The plugin's function takes or gives something else.
    OtherDomains {
        /// What differs.
        part: FunctionPart,
        /// The function as it may be declared.
        signature: String,
    },
    /// The function has no value, or failed.
    Failed {
        /// Its arguments.
        at: Vec<i64>,
        /// What the plugin says.
        reason: String,
    },
    /// The value is not in the result's domain.
    Outside {
        /// Its arguments.
        at: Vec<i64>,
        /// The value.
        value: String,
    },
    /// Two calls with the same arguments gave two values.
    Differs {
        /// The arguments.
        at: Vec<i64>,
        /// First value.
        first: String,
        /// Second value.
        second: String,
    },
    /// The values were not there in time.
    TimedOut {
        /// The arguments of the call that was under way.
        at: Vec<i64>,
        /// The time it had.
        seconds: u64,
    },
}

impl ExternFunction {
    /// Checks a declaration; a function of the language is `None`.
    pub(crate) fn of(function: &Function) -> Option<Result<Self, Vec<Diagnostic>>> {
        let external = function.external.as_ref()?;
        let mut found = Vec::new();
        let name = function.name.text.as_str();
        let (plugin, span) = (&external.plugin.text, external.plugin.span);
        if plugin.is_empty() || !plugin.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            let message = format!("`{plugin}` is not the name of a plugin.");
            let help = "A plugin has lower-case letters, digits and `_` in its name.";
            found.push(Diagnostic::error(Code::NoPlugin, span, message, help));
        }
        if function.parameters.is_empty() {
            let message = format!("`{name}` takes nothing.");
            let help = "A function of a plugin has one argument or more; a constant is written as it is.";
            found.push(Diagnostic::error(Code::ArgumentCount, function.name.span, message, help));
        }
        let mut parameters = Vec::with_capacity(function.parameters.len());
        for Parameter { name: parameter, domain } in &function.parameters {
            let Some(written) = domain else {
                let message = format!("`{}` of `{name}` has no domain.", parameter.text);
                let help = "Write it, as in `extern fn f(x: 0..9) -> 0..3 from \"plugin\"`: the function is called for \
                            each value of it.";
                found.push(Diagnostic::error(Code::BadDomain, parameter.span, message, help));
                continue;
            };
            let Some(domain) = check_domain(written, &mut found) else { continue };
            found.extend(no_date(&domain, written.span));
            parameters.push((parameter.text.clone(), domain));
        }
        let result = check_domain(&external.result, &mut found);
        found.extend(result.as_ref().and_then(|result| no_date(result, external.result.span)));
        let values =
            parameters.iter().fold(1_u64, |product, (_, domain)| product.saturating_mul(domain.size()));
        if values > MAX_VALUES {
            let sizes: Vec<String> =
                parameters.iter().map(|(_, domain)| with_commas(domain.size().into())).collect();
            let message = format!(
                "`{name}` would be computed {} times: {}; a table has at most {}.",
                with_commas(values.into()),
                sizes.join(" x "),
                with_commas(MAX_VALUES.into())
            );
            let help = "Declare narrower domains, or fewer decimals.";
            found.push(Diagnostic::error(Code::FunctionTooLarge, function.name.span, message, help));
        }
        let name = name.rsplit('.').next().unwrap_or(name).to_owned();
        Some(match result {
            Some(result) if found.is_empty() => Ok(Self { name, plugin: plugin.clone(), parameters, result }),
            _ => Err(found),
        })
    }

    /// Number of combinations of its arguments.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.parameters.iter().fold(1, |product, (_, domain)| product.saturating_mul(domain.size()))
    }

    /// Arguments in words: "`age` = 18, `sex` = female".
    pub(crate) fn place(&self, at: &[i64]) -> String {
        let words = self.parameters.iter().zip(at);
        let words = words.map(|((name, domain), &code)| format!("`{name}` = {}", domain.label(code)));
        words.collect::<Vec<_>>().join(", ")
    }
}

fn no_date(domain: &Domain, span: crate::source::Span) -> Option<Diagnostic> {
    matches!(domain, Domain::Date { .. }).then(|| {
        let help = "Pass a number of days, as in `0..3_650`: a difference of two dates.";
        Diagnostic::error(Code::OtherDomain, span, "Functions of plugins know no dates.", help)
    })
}

impl FunctionTable {
    /// `None` unless there is one code of the result's domain for each combination of arguments.
    #[must_use]
    pub fn new(function: ExternFunction, codes: Arc<[i64]>) -> Option<Self> {
        let complete = u64::try_from(codes.len()).is_ok_and(|length| length == function.values());
        (complete && codes.iter().all(|&code| function.result.contains(code)))
            .then_some(Self { function, codes })
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> &ExternFunction {
        &self.function
    }

    /// The code of the value for codes of the arguments; `None` outside their domains.
    #[must_use]
    pub fn value(&self, arguments: &[i64]) -> Option<i64> {
        if arguments.len() != self.function.parameters.len() {
            return None;
        }
        let mut at = 0_usize;
        for ((_, domain), &code) in self.function.parameters.iter().zip(arguments) {
            if !domain.contains(code) {
                return None;
            }
            let step = if let Domain::Int { step, .. } = domain { step.unsigned_abs().max(1) } else { 1 };
            let place = usize::try_from(code.abs_diff(domain.range().0) / step).ok()?;
            at = at.checked_mul(usize::try_from(domain.size()).ok()?)?.checked_add(place)?;
        }
        self.codes.get(at).copied()
    }
}
