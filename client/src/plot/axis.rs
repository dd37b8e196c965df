//! Marks of an axis: round numbers that cover a range, and how they are written.

use hq_dsl::with_commas;

/// An axis from its first to its last mark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) marks: Vec<f64>,
    decimals: usize,
}

impl Axis {
    /// Round marks, about `count` of them, that cover `low..high`.
    pub(super) fn covering(low: f64, high: f64, count: u32) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        let rough = (high - low) / f64::from(count.max(1));
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * power);
        let step = step.into_iter().find(|&step| step >= rough * 0.999).unwrap_or(rough);
        // A hair of rounding must not make another mark.
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let mut marks = Vec::new();
        let mut at = first;
        while at <= last && marks.len() < 100 {
            marks.push(at * step);
            at += 1.0;
        }
        Self::of(marks)
    }

    /// Given marks.
    pub(super) fn of(marks: Vec<f64>) -> Self {
        let exact = |decimals: &usize| {
            let text = |mark: f64| format!("{mark:.decimals$}").parse::<f64>().unwrap_or(f64::NAN);
            let room = marks.iter().fold(0.0_f64, |most, mark| most.max(mark.abs())) * 1e-9;
            marks.iter().all(|&mark| (text(mark) - mark).abs() <= room)
        };
        let decimals = (0..9).find(exact).unwrap_or(3);
        Self { marks, decimals }
    }

    pub(super) fn low(&self) -> f64 {
        self.marks.first().copied().unwrap_or(0.0)
    }

    pub(super) fn high(&self) -> f64 {
        self.marks.last().copied().unwrap_or(1.0)
    }

    /// A mark as text.
    pub(super) fn text(&self, mark: f64) -> String {
        number(mark, self.decimals)
    }
}

/// A number with thousands apart and so many decimals.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse::<u128>().map_or_else(|_| whole.to_owned(), with_commas);
    let negative = value < 0.0 && text.contains(|c: char| ('1'..='9').contains(&c));
    let sign = if negative { "−" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A number with four significant digits, for words.
pub(super) fn short(value: f64) -> String {
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    let decimals = match value.abs() {
        _ if whole => 0,
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 1.0 => 3,
        _ => 4,
    };
    number(value, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_cover() {
        let axis = Axis::covering(0.0, 0.3402, 5);
        let texts: Vec<String> = axis.marks.iter().map(|&mark| axis.text(mark)).collect();
        assert_eq!(texts, ["0.0", "0.1", "0.2", "0.3", "0.4"]);
        let axis = Axis::covering(-17.0, 54.4, 5);
        assert_eq!((axis.low(), axis.high(), axis.text(axis.low())), (-20.0, 60.0, "−20".to_owned()));
        let axis = Axis::covering(0.0, 25_000.0, 5);
        assert_eq!(axis.text(axis.high()), "25,000");
        assert!(Axis::covering(3.0, 3.0, 5).marks.len() > 1);
        assert_eq!(
            (short(1.23456), short(0.0), short(-1234.0)),
            ("1.235".into(), "0".into(), "−1,234".into())
        );
    }
}
