//! One file per example in `tests/passes`: comments that name the pass and what it is given, a plan, `----`,
//! and the plan that the pass makes of it. `HQ_BLESS=1` writes the second half anew.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use hq_engine::chain::Chain;
use hq_engine::encoding::Encoding;
use hq_engine::passes::{self, Cut, Encodings, Values};
use hq_plugin_sdk::plan::Plan;

/// The words behind `# key` in the comments of an example.
fn settings<'a>(source: &'a str, key: &str) -> Vec<&'a str> {
    source.lines().filter_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(' ')).collect()
}

fn run(source: &str) -> Plan {
    let plan = Plan::parse(&source[source.find("hq-plan").unwrap()..]).unwrap();
    match settings(source, "pass").as_slice() {
        ["prune"] => passes::prune(&plan),
        ["encode"] => {
            let encodings: Encodings = settings(source, "form")
                .into_iter()
                .map(|form| {
                    let (column, form) = form.split_once(' ').unwrap();
                    (column.to_owned(), serde_json::from_str::<Encoding>(form).unwrap())
                })
                .collect();
            passes::encode(&plan, &encodings, Values::Whole)
        }
        ["limbs"] => passes::limbs(&plan, settings(source, "modulus")[0].parse().unwrap(), 1000),
        ["distribute"] => passes::distribute(&plan),
        ["balance"] => passes::balance(&plan),
        ["presence"] => passes::presence(&plan),
        ["place"] => passes::place(&plan, &cuts(&plan, &settings(source, "cut")), 8),
        ["spread"] => {
            let limbs: Vec<usize> =
                settings(source, "primes")[0].split(' ').map(|count| count.parse().unwrap()).collect();
            Chain { release: limbs[0], relinearize: limbs[0], limbs }.spread(&plan)
        }
        other => unreachable!("no pass {other:?}"),
    }
    .unwrap()
}

/// `lazy` for every node, `%3 lazy` for one; the rest is switched.
fn cuts(plan: &Plan, settings: &[&str]) -> Vec<Cut> {
    let cut = |name: &str| match name {
        "lazy" => Cut::Lazy,
        "relinearize" => Cut::Relinearize,
        _ => Cut::Switch,
    };
    let mut cuts = vec![Cut::Switch; plan.nodes().len()];
    for setting in settings {
        match setting.split_once(' ') {
            Some((node, name)) => cuts[node[1..].parse::<usize>().unwrap()] = cut(name),
            None => cuts.fill(cut(setting)),
        }
    }
    cuts
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("passes");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_pass_makes_what_its_examples_say() {
    let mut passes_seen = std::collections::BTreeSet::new();
    for file in examples() {
        let text = fs::read_to_string(&file).unwrap();
        let (source, expected) = text.split_once("----\n").unwrap_or((&text, ""));
        passes_seen.extend(settings(source, "pass").into_iter().map(str::to_owned));
        let made = run(source).to_string();
        if std::env::var_os("HQ_BLESS").is_some() {
            fs::write(&file, format!("{source}----\n{made}")).unwrap();
        } else {
            assert_eq!(made, expected, "{}", file.display());
        }
    }
    assert_eq!(passes_seen.len(), 8, "every pass has an example: {passes_seen:?}");
}
