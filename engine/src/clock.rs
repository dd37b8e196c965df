//! The time of day, as text and as seconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds of a day.
pub const DAY_S: u64 = 86_400;

/// Seconds since 1970.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The day of a moment, such as `2026-11-28`.
#[must_use]
pub fn day(seconds: u64) -> String {
    hq_dsl::format_date(i64::try_from(seconds / DAY_S).unwrap_or(i64::MAX))
}

/// A moment in UTC, such as `2026-11-28T03:10:00Z`.
#[must_use]
pub fn text(seconds: u64) -> String {
    let within = seconds % DAY_S;
    format!("{}T{:02}:{:02}:{:02}Z", day(seconds), within / 3600, within / 60 % 60, within % 60)
}

/// Now, as text.
#[must_use]
pub fn now() -> String {
    text(now_s())
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_are_written_as_rfc_3339_does() {
        assert_eq!(
            [0, 59, 11_016, 20_000].map(|day| super::day(day * super::DAY_S)),
            ["1970-01-01", "1970-03-01", "2000-02-29", "2024-10-04"]
        );
        assert_eq!(super::text(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::text(1_795_823_999), "2026-11-27T23:59:59Z");
    }
}
