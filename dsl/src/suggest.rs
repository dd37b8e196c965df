//! Suggestions for misspelt names, by edit distance.

/// The candidate nearest to `name`, if it is near: differences of case count little, and about one
/// letter in three may be wrong.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| {
            // Two names without a letter in common are not near, however short.
            let letters = name.chars().count().max(candidate.chars().count());
            distance <= allowed && distance < letters && candidate != name
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("spb", ["sbp", "dbp", "age"]), Some("sbp"));
        assert_eq!(nearest("Female", ["female", "male"]), Some("female"));
        assert_eq!(nearest("zzz", ["female", "male"]), None);
        assert_eq!(nearest("p", ["n", "pp"]), Some("pp"));
    }
}
