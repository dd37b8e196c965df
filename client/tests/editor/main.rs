//! The language server as an editor has it: messages over pipes, with the places of real programs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a failing test may panic, and JSON is made in place"
)]

mod editor;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use editor::{Editor, place, repository, slice, uri};
use serde_json::{Value, json};

/// The follow-up example of the trial, shown from where it is.
fn trial() -> (Editor, String, String) {
    let path = repository("data/examples/follow_up.hq");
    let text = fs::read_to_string(&path).unwrap();
    let mut editor = Editor::open(path.parent().unwrap(), &[]);
    let uri = uri(&path);
    editor.show(&uri, &text);
    (editor, uri, text)
}

const WRONG: &str = "use actg175
use epi
query wrong \"Größe 𝛼\"
  from actg175
  where symptomatic == true and cd4_96wk > 300
  where \"𝛼\" == \"𝛼\" and nothere > 3 # 𝛼 ü
  report n = count()
    bad = epi.odds_ratio(age > 30)
    c = sum(cd4_base) / n
";

/// A folder with the trial's schema and texts of one's own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(repository("data/actg175.hq"), folder.path().join("actg175.hq")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn diagnostics_are_those_of_check_at_their_places() {
    let root = folder(&[("wrong.hq", WRONG)]);
    let mut editor = Editor::open(root.path(), &["--stdio"]);
    let uri = uri(&root.path().join("wrong.hq"));
    editor.show(&uri, WRONG);
    let found = editor.diagnostics(&uri);
    let checked = Command::new(env!("CARGO_BIN_EXE_hq"))
        .args(["check", "wrong.hq"])
        .current_dir(root.path())
        .output()
        .unwrap();
    let drawn = String::from_utf8_lossy(&checked.stderr).into_owned();
    let mut codes: Vec<&str> = found.iter().map(|item| item["code"].as_str().unwrap()).collect();
    let mut expected: Vec<&str> = drawn.match_indices("[HQ").map(|(at, _)| &drawn[at + 1..at + 6]).collect();
    codes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(codes, expected, "{drawn}");
    assert!(codes.contains(&"HQ010") && codes.contains(&"HQ020") && codes.contains(&"HQ023"), "{codes:?}");
    let of = |code: &str| found.iter().find(|item| item["code"] == code).unwrap();
    assert_eq!(slice(WRONG, &of("HQ010")["range"]), "nothere");
    assert_eq!(of("HQ010")["severity"], 1);
    assert_eq!(slice(WRONG, &of("HQ020")["range"]), "cd4_96wk");
    let words = of("HQ020")["message"].as_str().unwrap();
    assert!(
        words.contains("`cd4_96wk` may be missing.") && words.contains("where known(cd4_96wk)"),
        "{words}"
    );
    for item in &found {
        assert_eq!(item["source"], "hq");
    }
    // Mended by one change in the middle of a line behind wide characters.
    let start = place(WRONG, "nothere", 0, 0);
    let end = place(WRONG, "nothere", 0, 7);
    editor.change(&uri, json!({"range": {"start": start, "end": end}, "text": "age"}));
    let found = editor.diagnostics(&uri);
    assert!(found.iter().all(|item| item["code"] != "HQ010"), "{found:?}");
    // The rest, at once.
    editor.change(&uri, json!({"text": "use actg175\nquery q\n  from actg175\n  report n = count()\n"}));
    assert_eq!(editor.diagnostics(&uri), Vec::<Value>::new());
    editor.tell("textDocument/didClose", json!({"textDocument": {"uri": uri}}));
    assert_eq!(editor.diagnostics(&uri), Vec::<Value>::new());
    editor.leave();
}

#[test]
fn a_mistake_in_a_function_points_into_it() {
    let root = folder(&[]);
    let mut editor = Editor::open(root.path(), &[]);
    let uri = uri(&root.path().join("new.hq"));
    let text = "use actg175\nfn half(x) = sum(x) / 2\nquery q\n  from actg175\n  where half(age) > 20\n  report n = count()\n";
    editor.show(&uri, text);
    let found = editor.diagnostics(&uri);
    assert_eq!(found[0]["code"], "HQ033", "{found:?}");
    assert_eq!(slice(text, &found[0]["range"]), "half(age)");
    let related = &found[0]["relatedInformation"][0]["location"];
    assert_eq!(related["uri"], uri);
    assert!(slice(text, &related["range"]).contains('x'), "{related}");
    editor.leave();
}

#[test]
fn texts_that_are_not_saved_win_over_files() {
    let root = folder(&[("tiny.hq", "dataset tiny { rows <= 10 a: 0..5 }\n")]);
    let mut editor = Editor::open(root.path(), &[]);
    let (program, schema) = (uri(&root.path().join("program.hq")), uri(&root.path().join("tiny.hq")));
    let text = "use tiny\nquery q\n  from tiny\n  where size > 1\n  report n = count()\n";
    editor.show(&program, text);
    assert_eq!(editor.diagnostics(&program)[0]["code"], "HQ010");
    editor.show(&schema, "dataset tiny { rows <= 10 size: 0..5 \"cm\" }\n");
    editor.tell("textDocument/didSave", json!({"textDocument": {"uri": program}}));
    assert_eq!(editor.diagnostics(&schema), Vec::<Value>::new());
    assert!(editor.hover(&program, place(text, "size", 0, 1)).contains("size: 0..5"));
    let definition = editor.at("definition", &program, place(text, "size", 0, 0));
    assert_eq!(definition["uri"], schema);
    // A mistake in a file that is used is shown where it is used.
    editor.change(&schema, json!({"text": "dataset tiny { rows <= 10 size: 9..5 }\n"}));
    editor.diagnostics(&schema);
    editor.tell("workspace/didChangeWatchedFiles", json!({"changes": []}));
    let path_of_program = uri(&root.path().join("other.hq"));
    editor.show(&path_of_program, "use tiny\nquery q\n  from tiny\n  report n = count()\n");
    let found = editor.diagnostics(&path_of_program);
    assert_eq!(found[0]["code"], "HQ018");
    assert_eq!(
        found[0]["range"],
        json!({"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 8}})
    );
    assert_eq!(found[0]["relatedInformation"][0]["location"]["uri"], schema);
    editor.leave();
}

#[test]
fn hover_says_what_stands_there() {
    let (mut editor, uri, text) = trial();
    let mut says = |words: &str, nth: usize, expected: &[&str]| {
        let shown = editor.hover(&uri, place(&text, words, nth, 1));
        for part in expected {
            assert!(shown.contains(part), "`{words}`: {shown}");
        }
    };
    says("cd4_96wk", 0, &["cd4_96wk: 0..1200 ?", "96 weeks", "May be missing", "Column of `actg175`"]);
    says("min_cd4", 0, &["param min_cd4: 0..1200 = 350", "Public"]);
    says("min_cd4", 1, &["param min_cd4: 0..1200 = 350", "Public"]);
    says("arm\n", 0, &["arm: 0..3", "3 didanosine"]);
    says("mean_cd4", 0, &["mean_cd4 = sum(cd4_96wk) / n", "Clear: computed after decryption"]);
    says("n        =", 0, &["n = count()", "0..2,500", "Total: one number per group"]);
    says("sum(", 0, &["sum(value)", "Sum of a value over the rows"]);
    says("count(cd4_96wk", 0, &["count(condition)"]);
    says(">=", 1, &["`bool`", "Row: one value per row, encrypted"]);
    says("where", 0, &["Rows that take part"]);
    says("actg175", 0, &["At most 2,500 rows", "dataset actg175"]);
    editor.leave();
}

#[test]
fn hover_on_functions_levels_and_locals() {
    let root = folder(&[(
        "sites.hq",
        "dataset sites { rows <= 9 site: {north, south} x: 0..9 old: bool = x > 4 }\n",
    )]);
    let mut editor = Editor::open(root.path(), &[]);
    let uri = uri(&root.path().join("program.hq"));
    let text = "use sites\nuse stats\n# Half of it.\nfn mine.half(x: 0..9, y) {\n  z = x + y\n  z / 2\n}\n\
                cohort some \"of some\"\n  from sites\n  derive small = x < 3\n\
                query q\n  from some\n  where site == north and small\n  derive k = [x + 1, 2]\n  by s = site\n  \
                report\n    m = stats.mean(x)\n    h = mine.half(3, m)\n    o = count(old)\n  sort m desc\n";
    editor.show(&uri, text);
    assert_eq!(editor.diagnostics(&uri), Vec::<Value>::new());
    for (words, nth, units, expected) in [
        ("mean", 0, 1, "fn stats.mean(x)"),
        ("mean", 0, 1, "Arithmetic mean"),
        ("half", 1, 0, "Half of it."),
        ("half", 1, 0, "fn mine.half(x: 0..9, y)"),
        ("stats.mean", 0, 2, "functions"),
        ("north", 0, 3, "Level `north` of `site`"),
        ("y\n", 0, 0, "Argument of `mine.half`"),
        ("x + y", 0, 0, "x: 0..9"),
        ("z / 2", 0, 0, "z = x + y"),
        ("small\n", 0, 0, "`bool`"),
        ("some\n", 0, 0, "cohort some from sites"),
        ("k = [", 0, 0, "list of 2"),
        ("s = site", 0, 0, "`{north, south}`"),
        ("old)", 0, 0, "Computed by the owner before encryption: `x > 4`"),
        ("m desc", 0, 0, "Clear"),
        ("desc", 0, 0, "Largest first"),
    ] {
        let shown = editor.hover(&uri, place(text, words, nth, units));
        assert!(shown.contains(expected), "`{words}`: {shown}");
    }
    for (words, target) in
        [("small\n", "small = x"), ("z / 2", "z = x"), ("some\n", "some \"of"), ("m desc", "m = stats")]
    {
        let found = editor.at("definition", &uri, place(text, words, 0, 0));
        assert_eq!(found["range"]["start"], place(text, target, 0, 0), "`{words}`");
    }
    editor.leave();
}

#[test]
fn definitions_lead_to_the_schema_the_library_and_the_text() {
    let (mut editor, uri, text) = trial();
    let schema = repository("data/actg175.hq").canonicalize().unwrap();
    let schema_text = fs::read_to_string(&schema).unwrap();
    let column = editor.at("definition", &uri, place(&text, "cd4_96wk", 1, 3));
    assert_eq!(column["uri"], editor::uri(&schema));
    assert_eq!(column["range"]["start"], place(&schema_text, "cd4_96wk", 0, 0));
    assert_eq!(slice(&schema_text, &column["range"]), "cd4_96wk");
    let dataset = editor.at("definition", &uri, place(&text, "from actg175", 0, 7));
    assert_eq!(dataset["range"]["start"], place(&schema_text, "dataset actg175", 0, 8));
    let param = editor.at("definition", &uri, place(&text, "min_cd4", 1, 0));
    assert_eq!(
        (param["uri"].as_str(), &param["range"]["start"]),
        (Some(uri.as_str()), &place(&text, "min_cd4", 0, 0))
    );
    let name = editor.at("definition", &uri, place(&text, "/ n", 0, 2));
    assert_eq!(name["range"]["start"], place(&text, "n        =", 0, 0));
    assert_eq!(editor.at("definition", &uri, place(&text, "where", 0, 0)), Value::Null);

    let path = repository("data/examples/kaplan_meier.hq");
    let (uri, text) = (editor::uri(&path), fs::read_to_string(&path).unwrap());
    editor.show(&uri, &text);
    let library = fs::read_to_string(repository("stdlib/survival.hq")).unwrap();
    let function = editor.at("definition", &uri, place(&text, "kaplan_meier(", 0, 4));
    let shown = function["uri"].as_str().unwrap().strip_prefix("file://").unwrap().to_owned();
    assert_eq!(fs::read_to_string(&shown).unwrap(), library);
    assert_eq!(slice(&library, &function["range"]), "survival.kaplan_meier");
    let module = editor.at("definition", &uri, place(&text, "use survival", 0, 5));
    assert_eq!(module["range"]["start"], json!({"line": 0, "character": 0}));
    editor.leave();
    assert!(!PathBuf::from(shown).exists());
}

#[test]
fn completion_offers_what_may_stand_there() {
    let root =
        folder(&[("sites.hq", "dataset sites { rows <= 9 site: {north, \"far south\"} x: 0..9 ? }\n")]);
    let mut editor = Editor::open(root.path(), &[]);
    let uri = uri(&root.path().join("program.hq"));
    editor.show(&uri, "");
    // The cursor is at `|`; words that must and must not be offered.
    for (text, offered, refused) in [
        ("|", &["use", "query", "dataset", "param"][..], &["where", "count"][..]),
        ("use |", &["stats", "epi", "survival", "sites", "actg175"], &["program"]),
        ("use sites\nquery q\n  from |", &["sites"], &["stats"]),
        ("use sites\nquery q\n  |", &["from"], &["where", "report"]),
        (
            "use sites\nquery q\n  from sites\n  |",
            &["where", "derive", "by", "report"],
            &["from", "sort", "site"],
        ),
        ("use sites\nquery q\n  from sites\n  where |", &["site", "x", "known", "not"], &["by"]),
        (
            "use sites\nquery q\n  from sites\n  where site == |\n  report n = count()",
            &["north", "\"far south\""],
            &[],
        ),
        ("use sites\nquery q\n  from sites\n  where site != no|", &["north"], &["by"]),
        ("use sites\nquery q\n  from sites\n  where site not in {north, |}", &["\"far south\""], &[]),
        ("use sites\nquery q\n  from sites\n  where sites.|", &["site", "x"], &["count"]),
        (
            "use sites\nquery q\n  from sites\n  where known(x) |",
            &["and", "or", "by", "where"],
            &["from", "count"],
        ),
        ("use sites\nquery q\n  from sites\n  derive old = x > 3\n  by o|", &["old", "site"], &["report"]),
        (
            "use sites\nuse stats\nquery q\n  from sites\n  report m = stats.|",
            &["mean", "sd"],
            &["count", "site"],
        ),
        (
            "use sites\nuse stats\nquery q\n  from sites\n  report m = |",
            &["stats.mean", "count", "site"],
            &["epi.kappa"],
        ),
        (
            "use sites\nquery q\n  from sites\n  by site\n  report\n    n = count()\n  sort |",
            &["n", "site"],
            &["x"],
        ),
        (
            "use sites\nquery q\n  from sites\n  report n = count()\n  sort n |",
            &["desc", "asc", "take"],
            &["where"],
        ),
        ("use sites\nquery q\n  from sites\n  report n = count(|", &["x", "known"], &["take"]),
        ("param p: 0..9 = 3\nuse sites\nquery q\n  from sites\n  where x > |", &["p"], &[]),
        ("fn f(a, b: |", &["bool"], &["a"]),
        ("fn f(a, b: bool) {\n  c = a + 1\n  |\n}", &["a", "b", "c", "case"], &["where"]),
        ("dataset d {\n  rows <= 5\n  a: |", &["bool"], &["rows"]),
        ("dataset d {\n  rows <= 5\n  release { |", &["min_cell", "max_cells"], &["rows"]),
        ("query q # |", &[], &["from"]),
        ("query q \"|\"", &[], &["from"]),
    ] {
        let cursor = place(text, "|", 0, 0);
        editor.change(&uri, json!({"text": text.replacen('|', "", 1)}));
        let found = editor.completions(&uri, cursor);
        for word in offered {
            assert!(found.iter().any(|item| item == word), "{text}: {word} is not in {found:?}");
        }
        for word in refused {
            assert!(found.iter().all(|item| item != word), "{text}: {word} is in {found:?}");
        }
    }
    // What is written already is replaced.
    let text = "use sites\nquery q\n  from sites\n  where known(x) and si";
    editor.change(&uri, json!({"text": text}));
    let items = editor.at("completion", &uri, place(text, "and si", 0, 6));
    let site = items.as_array().unwrap().iter().find(|item| item["label"] == "site").unwrap();
    assert_eq!(slice(text, &site["textEdit"]["range"]), "si");
    assert!(site["detail"].as_str().unwrap().contains("north"));
    editor.leave();
}

#[test]
fn layout_is_that_of_fmt() {
    let root = folder(&[]);
    let mut editor = Editor::open(root.path(), &[]);
    let uri = uri(&root.path().join("new.hq"));
    let format = |editor: &mut Editor| {
        let options = json!({"tabSize": 2, "insertSpaces": true});
        editor.ask("textDocument/formatting", json!({"textDocument": {"uri": uri}, "options": options}))
    };
    let text = "use   actg175 # 𝛼\nquery q from actg175 report n=count()";
    editor.show(&uri, text);
    let edits = format(&mut editor);
    let laid_out = "use actg175  # 𝛼\nquery q\n  from actg175\n  report n = count()\n";
    assert_eq!(edits[0]["newText"], laid_out);
    assert_eq!(slice(text, &edits[0]["range"]), text);
    editor.change(&uri, json!({"text": laid_out}));
    assert_eq!(format(&mut editor), json!([]));
    editor.change(&uri, json!({"text": "query q from"}));
    assert_eq!(format(&mut editor), Value::Null);
    editor.leave();
}

#[test]
fn whatever_comes_is_answered_in_order() {
    let root = folder(&[]);
    let mut editor = Editor::start(root.path(), &[]);
    let hover = json!({"textDocument": {"uri": "file:///none.hq"}, "position": {"line": 0, "character": 0}});
    assert_eq!(editor.answer("textDocument/hover", hover.clone())["error"]["code"], -32002);
    editor.tell("textDocument/didOpen", json!({"textDocument": {"uri": "a", "text": "x"}}));
    editor.ask("initialize", json!({"capabilities": {}}));
    assert_eq!(editor.answer("initialize", json!({}))["error"]["code"], -32600);
    editor.raw(b"Content-Length: 5\r\n\r\n{\"a\":");
    assert_eq!(editor.next()["error"]["code"], -32700);
    editor.raw(b"nonsense\r\n\r\nContent-Length: 2\r\n\r\n[]");
    assert_eq!(editor.next()["error"]["code"], -32600);
    assert_eq!(editor.answer("workspace/unknown", Value::Null)["error"]["code"], -32601);
    assert_eq!(editor.answer("textDocument/hover", hover)["error"]["code"], -32602);
    assert_eq!(editor.answer("textDocument/completion", json!(7))["error"]["code"], -32602);
    editor.tell("$/cancelRequest", json!({"id": 1}));
    for params in [
        json!(null),
        json!({"textDocument": 3}),
        json!({"textDocument": {"uri": "b"}, "contentChanges": [{}]}),
    ] {
        editor.tell("textDocument/didChange", params.clone());
        editor.tell("textDocument/didOpen", params.clone());
        editor.tell("textDocument/didClose", params);
    }
    // Texts that do not parse, and places that do not exist, in any of them.
    let uri = uri(&root.path().join("odd.hq"));
    editor.show(&uri, "");
    let deep = "(".repeat(5000);
    for text in [
        "\"",
        "query",
        "use use use",
        "fn f(",
        "from . .. in {",
        "a.b.c.",
        "\u{feff}# 𝛼\r\n\u{0}",
        deep.as_str(),
        "dataset d { a: {",
        "for for x in in [ = = =",
    ] {
        editor.change(&uri, json!({"text": text}));
        for (line, character) in
            [(0, 0), (0, 1), (0, 4), (0, 9), (1, 0), (900, 900), (4_000_000_000_u64, 4_000_000_000_u64)]
        {
            for method in ["hover", "completion", "definition"] {
                editor.at(method, &uri, json!({"line": line, "character": character}));
            }
        }
        let range = json!({"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 1}});
        editor.change(&uri, json!({"range": range, "text": "𝛼"}));
        editor.change(&uri, json!({"range": {"start": {"line": -1}, "end": 3}, "text": "x"}));
    }
    editor.leave();
}

#[test]
fn leaving_without_shutdown_is_an_error() {
    let root = folder(&[]);
    let mut editor = Editor::open(root.path(), &[]);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.wait().code(), Some(1));
    let editor = Editor::open(root.path(), &[]);
    assert_eq!(editor.wait().code(), Some(1));
    let mut editor = Editor::open(root.path(), &[]);
    editor.ask("shutdown", Value::Null);
    assert_eq!(editor.answer("textDocument/hover", json!({}))["error"]["code"], -32600);
    assert_eq!(editor.wait().code(), Some(0));
}
