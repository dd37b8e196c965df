//! The standard library's texts.

/// Names of the modules of the standard library.
pub const MODULES: &[&str] = &["stats", "epi", "survival", "scores", "quality"];

/// The text of a module of the standard library, if there is one of that name.
#[must_use]
pub fn stdlib(name: &str) -> Option<&'static str> {
    Some(match name {
        "stats" => include_str!("../../stdlib/stats.hq"),
        "epi" => include_str!("../../stdlib/epi.hq"),
        "survival" => include_str!("../../stdlib/survival.hq"),
        "scores" => include_str!("../../stdlib/scores.hq"),
        "quality" => include_str!("../../stdlib/quality.hq"),
        _ => return None,
    })
}
