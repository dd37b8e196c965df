//! The time of day as text.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;

/// Now in UTC, such as `2026-11-28T03:10:00Z`.
pub(crate) fn now() -> String {
    text(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

fn text(seconds: u64) -> String {
    let (day, within) = (i64::try_from(seconds / DAY_S).unwrap_or(i64::MAX), seconds % DAY_S);
    let (hours, minutes) = (within / 3600, within / 60 % 60);
    format!("{}T{hours:02}:{minutes:02}:{:02}Z", hq_dsl::format_date(day), within % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_are_written_as_rfc_3339_does() {
        assert_eq!(super::text(1_795_823_999), "2026-11-27T23:59:59Z");
    }
}
