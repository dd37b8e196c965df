//! Functions that plugins supply, between the language and the plugin: domains of a declaration against those that
//! the function takes, codes against what crosses the ABI.

use std::sync::Arc;
use std::time::Duration;

use hq_dsl::{Decimal, Domain, ExternFunction, FunctionFault, FunctionPart};
use hq_plugin_sdk::abi::Scalar;
use hq_plugin_sdk::function::{self, Signature};
use hq_plugin_sdk::host::{Callable, TabulationError};

/// The codes of all values of a function, as [`FunctionTable`](hq_dsl::FunctionTable) holds them. It takes no longer
/// than `limit` and a moment, also where the plugin hangs.
///
/// # Errors
/// See [`FunctionFault`]: all but `NoPlugin`.
pub fn tabulate(
    plugin: impl Callable,
    declared: &ExternFunction,
    limit: Duration,
) -> Result<Arc<[i64]>, FunctionFault> {
    let found = plugin.functions().iter().position(|function| function.name == declared.name);
    let Some((at, signature)) = found.and_then(|at| Some((at, plugin.functions().get(at)?.clone()))) else {
        return Err(FunctionFault::NoFunction { known: plugin.functions().iter().map(written).collect() });
    };
    if let Some(part) = difference(declared, &signature) {
        return Err(FunctionFault::OtherDomains { part, signature: written(&signature) });
    }
    let axes: Vec<Vec<i64>> =
        declared.parameters.iter().map(|(_, domain)| domain.codes().collect()).collect();
    let scalars = axes
        .iter()
        .zip(&declared.parameters)
        .zip(&signature.parameters)
        .map(|((codes, (_, domain)), (_, takes))| {
            codes.iter().map(|&code| scalar(code, domain, takes)).collect::<Option<Vec<Scalar>>>()
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| FunctionFault::OtherDomains {
            part: FunctionPart::Arguments,
            signature: written(&signature),
        })?;
    let place = |at: &[usize]| -> Vec<i64> {
        axes.iter().zip(at).map(|(codes, &at)| codes.get(at).copied().unwrap_or_default()).collect()
    };
    let word = |scalar: Scalar| words(scalar, &signature.gives);
    let values = hq_plugin_sdk::host::tabulate(plugin, at, scalars, limit).map_err(|error| match error {
        TabulationError::Failed { at, source } => {
            FunctionFault::Failed { at: place(&at), reason: source.message }
        }
        TabulationError::Differs { at, first, second } => {
            FunctionFault::Differs { at: place(&at), first: word(first), second: word(second) }
        }
        TabulationError::TimedOut { at } => {
            FunctionFault::TimedOut { at: place(&at), seconds: limit.as_secs() }
        }
        TabulationError::NoThread(error) => {
            FunctionFault::Unusable(format!("this machine gives no thread for it ({error})."))
        }
    })?;
    let mut codes = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let code = code(value, &declared.result, &signature.gives);
        codes.push(code.ok_or_else(|| FunctionFault::Outside {
            at: place(&places(index, &axes)),
            value: word(value),
        })?);
    }
    Ok(codes.into())
}

/// The arguments of a call, as codes, by how many were begun before it: all are called in order, and then again in reverse.
pub(crate) fn arguments(declared: &ExternFunction, calls: u64) -> Option<Vec<i64>> {
    let entries = declared.values();
    let entry = if calls < entries { calls } else { (2 * entries).checked_sub(calls + 1)? };
    let axes: Vec<Vec<i64>> =
        declared.parameters.iter().map(|(_, domain)| domain.codes().collect()).collect();
    let places = places(usize::try_from(entry).ok()?, &axes);
    axes.iter().zip(places).map(|(codes, at)| codes.get(at).copied()).collect()
}

/// A function as it may be declared.
fn written(signature: &Signature) -> String {
    let parameters: Vec<String> =
        signature.parameters.iter().map(|(name, domain)| format!("{name}: {domain}")).collect();
    format!("`{}({}) -> {}`", signature.name, parameters.join(", "), signature.gives)
}

/// What of a declaration the plugin's function does not take or give.
fn difference(declared: &ExternFunction, signature: &Signature) -> Option<FunctionPart> {
    if declared.parameters.len() != signature.parameters.len() {
        return Some(FunctionPart::Arguments);
    }
    let mut both = declared.parameters.iter().zip(&signature.parameters);
    if let Some(at) = both.position(|((_, domain), (_, takes))| !is_taken(domain, takes)) {
        return Some(FunctionPart::Argument(at));
    }
    let given = matches!(
        (&declared.result, &signature.gives),
        (Domain::Bool, function::Domain::Flag)
            | (Domain::Int { .. } | Domain::Fixed { .. }, function::Domain::Number { .. })
            | (Domain::Levels(_), function::Domain::Levels(_))
    );
    (!given).then_some(FunctionPart::Result)
}

/// Whether a function takes every value of a domain.
fn is_taken(domain: &Domain, takes: &function::Domain) -> bool {
    match (domain, takes) {
        (Domain::Bool, function::Domain::Flag) => true,
        (Domain::Int { .. } | Domain::Fixed { .. }, function::Domain::Number { lo, hi }) => {
            let (first, last) = domain.range();
            let at = |code: i64| Decimal { value: code.into(), decimals: domain.decimals() };
            at(first).compare(Decimal::integer(*lo)).is_ge()
                && at(last).compare(Decimal::integer(*hi)).is_le()
        }
        (Domain::Levels(levels), function::Domain::Levels(known)) => {
            levels.iter().all(|level| known.contains(level))
        }
        (
            Domain::Bool
            | Domain::Int { .. }
            | Domain::Fixed { .. }
            | Domain::Levels(_)
            | Domain::Date { .. },
            _,
        ) => false,
    }
}

/// A code as the plugin takes it.
fn scalar(code: i64, domain: &Domain, takes: &function::Domain) -> Option<Scalar> {
    Some(match (domain, takes) {
        (Domain::Levels(levels), function::Domain::Levels(known)) => {
            let level = levels.get(usize::try_from(code).ok()?)?;
            let at = known.iter().position(|other| other == level)?;
            Scalar { value: i64::try_from(at).ok()?, decimals: 0, kind: Scalar::LEVEL }
        }
        (Domain::Bool, _) => Scalar { value: code, decimals: 0, kind: Scalar::FLAG },
        (domain, _) => Scalar { value: code, decimals: domain.decimals().into(), kind: Scalar::NUMBER },
    })
}

/// The code of a value in the declared domain; `None` outside.
fn code(value: Scalar, domain: &Domain, gives: &function::Domain) -> Option<i64> {
    let code = match (domain, gives) {
        (Domain::Levels(levels), function::Domain::Levels(known)) => {
            let level = known.get(usize::try_from(value.value).ok()?)?;
            i64::try_from(levels.iter().position(|other| other == level)?).ok()?
        }
        (Domain::Bool, _) => value.value,
        (domain, _) => i64::try_from(number(value)?.rescale(domain.decimals())?).ok()?,
    };
    domain.contains(code).then_some(code)
}

fn number(value: Scalar) -> Option<Decimal> {
    Some(Decimal { value: value.value.into(), decimals: u8::try_from(value.decimals).ok()? })
}

/// A value of a plugin in words.
fn words(value: Scalar, gives: &function::Domain) -> String {
    match gives {
        function::Domain::Flag => (value.value != 0).to_string(),
        function::Domain::Number { .. } => {
            number(value).map_or_else(String::new, |number| number.to_string())
        }
        function::Domain::Levels(levels) => {
            let level = usize::try_from(value.value).ok().and_then(|at| levels.get(at));
            level.cloned().unwrap_or_default()
        }
    }
}

/// The place on each axis of an entry.
fn places(entry: usize, axes: &[Vec<i64>]) -> Vec<usize> {
    let mut rest = entry;
    let mut at: Vec<usize> = axes
        .iter()
        .rev()
        .map(|axis| {
            let size = axis.len().max(1);
            let place = rest % size;
            rest /= size;
            place
        })
        .collect();
    at.reverse();
    at
}
