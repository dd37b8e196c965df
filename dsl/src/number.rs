//! Exact decimal numbers and calendar dates: reading, writing, rescaling.

/// `value / 10^decimals`, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The scaled integer.
    pub value: i128,
    /// Digits after the point.
    pub decimals: u8,
}

/// Most digits after the point that a number of the language may have.
pub(crate) const MAX_DECIMALS: u8 = 18;

/// `10^exponent`; `None` past 128 bits.
#[must_use]
pub(crate) fn power_of_ten(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

impl Decimal {
    /// A whole number.
    #[must_use]
    pub fn integer(value: impl Into<i128>) -> Self {
        Self { value: value.into(), decimals: 0 }
    }

    /// Reads `12`, `-0.5`, `25_000`; `None` for anything else or too many digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let has_point = digits.contains('.');
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        if whole.is_empty() || (has_point && fraction.is_empty()) || !plain(whole) || !plain(fraction) {
            return None;
        }
        let decimals = u8::try_from(fraction.len()).ok().filter(|&count| count <= MAX_DECIMALS)?;
        let mut value: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit) {
            value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        }
        Some(Self { value: if negative { -value } else { value }, decimals })
    }

    /// The same number with other decimals; `None` if it would not be exact.
    #[must_use]
    pub fn rescale(self, decimals: u8) -> Option<i128> {
        if decimals >= self.decimals {
            self.value.checked_mul(power_of_ten(decimals - self.decimals)?)
        } else {
            let unit = power_of_ten(self.decimals - decimals)?;
            (self.value % unit == 0).then_some(self.value / unit)
        }
    }

    /// Without trailing zeros after the point.
    #[must_use]
    pub fn normalized(self) -> Self {
        let mut number = self;
        while number.decimals > 0 && number.value % 10 == 0 {
            number = Self { value: number.value / 10, decimals: number.decimals - 1 };
        }
        number
    }

    /// Nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        // Parsing the decimal text rounds once; a division of two rounded numbers would round thrice.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The nearest number with that many decimals, half away from zero; `None` past 128 bits.
    #[must_use]
    pub fn rounded(self, decimals: u8) -> Option<Self> {
        if let Some(value) = self.rescale(decimals) {
            return Some(Self { value, decimals });
        }
        let unit = power_of_ten(self.decimals.checked_sub(decimals)?)?;
        let half = if self.value < 0 { -unit / 2 } else { unit / 2 };
        Some(Self { value: self.value.checked_add(half)? / unit, decimals })
    }

    /// The integer, if it is one.
    #[must_use]
    pub fn to_integer(self) -> Option<i128> {
        self.rescale(0)
    }

    fn common(self, other: Self) -> Option<(i128, i128, u8)> {
        let decimals = self.decimals.max(other.decimals);
        Some((self.rescale(decimals)?, other.rescale(decimals)?, decimals))
    }

    /// `self + other`; `None` past 128 bits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (left, right, decimals) = self.common(other)?;
        Some(Self { value: left.checked_add(right)?, decimals })
    }

    /// `self - other`; `None` past 128 bits.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(other.checked_neg()?)
    }

    /// `self * other`, decimals add up; `None` past 128 bits.
    #[must_use]
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        Some(Self {
            value: self.value.checked_mul(other.value)?,
            decimals: self.decimals.checked_add(other.decimals)?,
        })
    }

    /// `-self`; `None` past 128 bits.
    #[must_use]
    pub fn checked_neg(self) -> Option<Self> {
        Some(Self { value: self.value.checked_neg()?, decimals: self.decimals })
    }

    /// Order of the numbers; where a common scale leaves 128 bits, that of the nearest doubles.
    #[must_use]
    pub fn compare(self, other: Self) -> std::cmp::Ordering {
        match self.common(other) {
            Some((left, right, _)) => left.cmp(&right),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.decimals == 0 {
            return write!(f, "{}", self.value);
        }
        let digits =
            format!("{:0>width$}", self.value.unsigned_abs(), width = usize::from(self.decimals) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(self.decimals));
        write!(f, "{}{whole}.{fraction}", if self.value < 0 { "-" } else { "" })
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar; `None` if there is no such day.
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
#[must_use]
pub(crate) fn days_from_date(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_length(year, month)
    {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads `2009-01-31`.
#[must_use]
pub fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        parts
            .next()
            .filter(|digits| digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<i64>().ok())
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if parts.next().is_some() { None } else { days_from_date(year, month, day) }
}

/// Writes a day number as `2009-01-31`. Source as for [`days_from_date`], `civil_from_days`.
#[must_use]
pub fn format_date(days: i64) -> String {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn with_commas(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let number = Decimal::parse("-0.50").unwrap();
        assert_eq!((number.value, number.decimals), (-50, 2));
        assert_eq!(number.to_string(), "-0.50");
        assert_eq!(number.rescale(1), Some(-5));
        assert_eq!(Decimal::parse("29.95").unwrap().rescale(1), None);
        assert_eq!(Decimal::parse("25_000").unwrap().value, 25_000);
        assert!(Decimal::parse("1.").is_none() && Decimal::parse("").is_none());
    }

    #[test]
    fn dates_round_trip() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-02-30"), None);
        for days in (-200_000..200_000).step_by(97) {
            assert_eq!(parse_date(&format_date(days)), Some(days));
        }
    }

    #[test]
    fn thousands_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(with_commas), ["0", "999", "1,000", "1,234,567"]);
    }
}
