//! Numbers for the eye: thousands apart, decimals the same down a column.

use hq_dsl::{Value, with_commas};

/// Most decimals at which numbers of a column are taken as exact and shown in full.
const EXACT_DECIMALS: usize = 3;

/// Decimals for a column of numbers.
pub(super) fn decimals<'a>(column: impl Iterator<Item = &'a Value>) -> usize {
    let numbers =
        column.filter_map(|value| if let Value::Number(number) = value { Some(*number) } else { None });
    let (mut written, mut largest) = (0, 0.0_f64);
    for number in numbers {
        let text = format!("{number}");
        written = written.max(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
        largest = largest.max(number.abs());
    }
    if written <= EXACT_DECIMALS {
        return written;
    }
    // Four significant decimals of a rate; fewer where the whole part is long.
    match largest {
        large if large >= 10_000.0 => 1,
        large if large >= 100.0 => 2,
        large if large >= 10.0 => 3,
        small if small < 0.01 => 6,
        _ => 4,
    }
}

/// A value at a column's decimals.
pub(super) fn show(value: &Value, decimals: usize) -> String {
    match value {
        Value::Integer(number) => {
            let sign = if *number < 0 { "-" } else { "" };
            format!("{sign}{}", with_commas(number.unsigned_abs()))
        }
        Value::Number(number) => real(*number, decimals),
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::Text(text) => text.clone(),
        Value::List(items) => items.iter().map(|item| show(item, decimals)).collect::<Vec<_>>().join(", "),
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", show(value, decimals)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::Hidden => "hidden".to_owned(),
        Value::Undefined => "–".to_owned(),
    }
}

fn real(number: f64, decimals: usize) -> String {
    let places = i32::try_from(decimals).unwrap_or(i32::MAX);
    // Too small for the column: what is not zero must not look like it.
    if number != 0.0 && number.abs() < 0.5 * 10_f64.powi(-places) || number.abs() >= 1e15 {
        return format!("{number:.3e}");
    }
    let text = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse::<u128>().map_or_else(|_| whole.to_owned(), with_commas);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{whole}{point}{fraction}", if number < 0.0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let rates = [Value::Number(1.0 / 3.0), Value::Number(0.5), Value::Undefined];
        assert_eq!(decimals(rates.iter()), 4);
        assert_eq!(rates.each_ref().map(|rate| show(rate, 4)), ["0.3333", "0.5000", "–"]);
        let totals = [Value::Number(160_701.3), Value::Number(1.0)];
        assert_eq!(decimals(totals.iter()), 1);
        assert_eq!(totals.each_ref().map(|total| show(total, 1)), ["160,701.3", "1.0"]);
        assert_eq!(show(&Value::Integer(-1_234_567), 0), "-1,234,567");
        assert_eq!(show(&Value::Number(1.5e-9), 4), "1.500e-9");
        assert_eq!(show(&Value::Number(-12.34), 1), "-12.3");
    }
}
