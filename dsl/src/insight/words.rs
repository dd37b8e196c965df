//! A sentence for each word of the language and each built-in function.

/// What a reserved or contextual word does.
pub(super) fn keyword(word: &str) -> Option<&'static str> {
    Some(match word {
        "use" => "Brings a dataset's schema, or a module of functions.",
        "param" => "A public constant, set with `--param name=value`.",
        "secret" => "Marks a parameter that the researcher encrypts.",
        "dataset" => "A schema: the columns that an owner publishes, with the rules of release.",
        "rows" => "`rows <= n` bounds the number of rows; proofs that sums fit rest on it.",
        "release" => "The rules of release: `min_cell`, `max_cells`, `per_day`.",
        "min_cell" => "Counts from 1 to this number minus one are hidden.",
        "encrypted" => {
            "Behind `min_cell`: small counts stay encrypted, so that who holds the key does not learn them either."
        }
        "max_cells" => "Most numbers that one query may decrypt.",
        "per_day" => "Most queries per researcher and day.",
        "cohort" => "A selection of rows that `from` may name.",
        "query" => "A query; the text behind its name is its purpose.",
        "fn" => {
            "A function. It sees its arguments and its own names only, and is inlined where it is called."
        }
        "extern" => "A function that a plugin supplies.",
        "from" => "The dataset or cohort that is read.",
        "where" => "Rows that take part. Computed per row, encrypted.",
        "derive" => "Names for values per row. Computed encrypted.",
        "by" => "Groups: one for each value of each key's domain.",
        "report" => {
            "The results. `count` and `sum` are computed encrypted; what stands outside of their \
                     parentheses is computed after decryption."
        }
        "sort" => "Order of the decrypted groups.",
        "take" => "How many of the decrypted groups are shown.",
        "asc" => "Smallest first.",
        "desc" => "Largest first.",
        "and" => "Both conditions hold.",
        "or" => "At least one of the conditions holds.",
        "not" => "The condition does not hold.",
        "in" => "Membership in a range `18..79`, a list `[a, b]` or a set `{a, b}`.",
        "for" => {
            "`[expr for k in 1..5]`: a list with an item for each value, unrolled when the query is compiled."
        }
        "case" => {
            "`case { condition -> value … else -> value }`: the value of the first condition that holds."
        }
        "else" => "The value if no condition holds.",
        "true" | "false" => "A truth value; counts as 1 or 0 in sums.",
        "missing" => "A cell without a value. Write `known(x)`, `not known(x)` or `x ?? value`.",
        "bool" => "The domain of `false` and `true`.",
        "step" => "`lo..hi step s`: every s-th number.",
        "one" | "per" => "`one per person` tells readers what a row stands for.",
        "example" => "A test of a function on data written beside it.",
        "expect" => "What must hold in an example.",
        "data" => "The rows of an example.",
        _ => return None,
    })
}

/// How a built-in function is called, and what it gives.
pub(super) fn builtin(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "count" => {
            ("count(condition)", "Number of rows for which the condition holds; without one, of all rows.")
        }
        "sum" => ("sum(value)", "Sum of a value over the rows."),
        "known" => ("known(x)", "Whether a value is present."),
        "cut" => ("cut(x, [p, q])", "Bands of a value: below p, from p to below q, from q on."),
        "cross" => ("cross(a, b)", "Pairs of two small domains, as levels."),
        "levels" => ("levels(x)", "All values of a row value's domain, as a list."),
        "domain" => ("domain(x)", "All values of a row value's domain, as a list; the same as `levels`."),
        "min" => ("min(a, b, …)", "The smallest of several values, or of a list."),
        "max" => ("max(a, b, …)", "The largest of several values, or of a list."),
        "abs" => ("abs(x)", "The absolute value."),
        "sqrt" => ("sqrt(x)", "The square root."),
        "log" => ("log(x)", "The natural logarithm."),
        "log10" => ("log10(x)", "The logarithm to the base of 10."),
        "floor" => ("floor(x)", "The largest whole number that is not above x."),
        "round" => {
            ("round(x, digits)", "A number with so many decimals, none if not said; half away from zero.")
        }
        "exp" => ("exp(x)", "The exponential function."),
        "total" => ("total(list)", "The sum of a list."),
        "cumsum" => ("cumsum(list)", "Running sums of a list."),
        "cumprod" => ("cumprod(list)", "Running products of a list."),
        "length" => ("length(list)", "The number of items."),
        "first" => {
            ("first(values, conditions)", "The first value whose condition holds; undefined if none does.")
        }
        "solve" => ("solve(rows, right)", "The list x with `rows x = right`; exact where all numbers are."),
        "append" => ("append(list, …)", "Lists and values as one list."),
        "normal_cdf" => ("normal_cdf(z)", "Standard normal distribution function."),
        "normal_quantile" => ("normal_quantile(p)", "Quantile of the standard normal distribution."),
        "t_cdf" => ("t_cdf(t, df)", "Distribution function of Student's t."),
        "t_quantile" => ("t_quantile(p, df)", "Quantile of Student's t."),
        "chi2_tail" => ("chi2_tail(x, df)", "Upper tail of the chi-square distribution."),
        "f_tail" => ("f_tail(f, df1, df2)", "Upper tail of the F distribution."),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{builtin, keyword};
    use crate::evaluate::BUILTINS;
    use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED};

    #[test]
    fn every_word_has_a_sentence() {
        for word in RESERVED.iter().chain(DECLARATIONS).chain(CLAUSES) {
            assert!(keyword(word).is_some(), "{word}");
        }
        for name in BUILTINS {
            let (call, _) = builtin(name).unwrap_or_default();
            assert!(call.starts_with(&format!("{name}(")), "{name}");
        }
    }
}
