//! Tables as they come: what is read all the same, and what is refused with words that help.

use std::fs;

use crate::session::{Session, has_plugin, json};

const RUN: &str = "run control.hq --backend clear --format json --table clinic=";

#[test]
fn cells_outside_the_schema_stop_encryption() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.ok("keygen --for clinic.hq --query control.hq --backend clear --no-passphrase -o keys");
    session.write("bad.csv", "sex,age,sbp,smoker\nfemale,20,1180,0\nFemale,20,,1\nmale,,100,1\n");
    let encrypt = "encrypt clinic.hq --keys keys -o data --table";
    let errors = session.fails(&format!("{encrypt} bad.csv"));
    for part in [
        "HQ070",
        "row 1, `sbp` = 1180 is outside 60..250",
        "row 2, `sex` = Female",
        "row 3, `age` is missing",
        "--outside missing",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(!session.path("data").exists());
    session.write("bad.csv", "sex,age,sbp,smoker\nfemale,20,1180,0\n");
    session.ok("encrypt clinic.hq --keys keys -o data --table bad.csv --outside missing");
    session.write("bad.csv", "sex,age,smoker\nfemale,20,0\n");
    let missing = session.fails("encrypt clinic.hq --keys keys -o data2 --table bad.csv");
    assert!(missing.contains("no column `sbp`; the table has sex, age, smoker"), "{missing}");
    let mut long = "sex,age,sbp,smoker\n".to_owned();
    long += &"female,20,,0\n".repeat(1001);
    session.write("bad.csv", &long);
    assert!(session.fails("encrypt clinic.hq --keys keys -o data2 --table bad.csv").contains("rows <= 1000"));
    let left: Vec<_> = fs::read_dir(session.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".hq-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The same table in other clothes gives the same numbers.
#[test]
fn byte_order_marks_line_ends_quotes_and_spaces_do_not_matter() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    let table = fs::read_to_string(session.path("clinic.csv")).unwrap();
    let plain = json(&session.ok(&format!("{RUN}clinic.csv")))["aggregates"].clone();
    let quoted: String = table
        .lines()
        .map(|line| format!("\"{}\",\"a, \"\"b\"\"\nc\"\n", line.replace(',', "\",\"")))
        .collect();
    let by_columns: String = table
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').rev().collect();
            format!("{}\n", cells.join(" , "))
        })
        .collect();
    // A mark of byte order before a column that is read.
    let marked: String =
        table.lines().map(|line| format!("{}\r\n", line.split_once(',').unwrap().1)).collect();
    for other in [
        format!("\u{feff}{table}"),
        format!("\u{feff}{marked}"),
        table.replace('\n', "\r\n"),
        table.replace('\n', "\n\n"),
        table.trim_end().to_owned(),
        quoted,
        by_columns,
    ] {
        session.write("other.csv", &other);
        assert_eq!(json(&session.ok(&format!("{RUN}other.csv")))["aggregates"], plain, "{other:.80}");
    }
    // A column that the schema does not name may hold any bytes.
    let bytes: Vec<u8> =
        table.lines().flat_map(|line| [line.as_bytes(), b",M\xfcnchen\n"].concat()).collect();
    fs::write(session.path("other.csv"), bytes).unwrap();
    assert_eq!(json(&session.ok(&format!("{RUN}other.csv")))["aggregates"], plain);
}

#[test]
fn a_table_without_rows_gives_zeros_and_a_word() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write("none.csv", "sex,age,sbp,smoker\n");
    for backend in ["clear", "bgv"].into_iter().filter(|backend| has_plugin(backend)) {
        let run =
            format!("run control.hq --backend {backend} --format json --verify --table clinic=none.csv");
        let output = session.hq(&run);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.contains("none.csv: the table has no rows"), "{errors}");
        let result = json(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(result["groups"][0]["report"]["n"], 0);
        assert!(result["groups"][0]["report"]["mean_age"].is_null());
    }
}

#[test]
fn what_is_no_table_is_refused_with_the_likely_reason() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    let header = "sex,age,sbp,smoker";
    let row = "female,20,100,0";
    let utf16: Vec<u8> =
        format!("\u{feff}{header}\n{row}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "bad.csv: the file is empty; a table begins with a line of column names"),
        (b"\n\n".to_vec(), "the file is empty"),
        (
            fs::read(session.path("clinic.hq")).unwrap(),
            "no column `sex`, `age`, `sbp`; the table has dataset clinic",
        ),
        (format!("{}\n{row}\n", header.to_uppercase()).into_bytes(), "`SEX` is not `sex`"),
        (format!("1{row}\n2{row}\n").into_bytes(), "Its first line seems to be data"),
        (header.replace(',', ";").into_bytes(), "separated by `;`; save it with commas"),
        (header.replace(',', "\t").into_bytes(), "separated by tabs"),
        (format!("{header},age\n{row},1\n").into_bytes(), "two columns are named `age`"),
        (format!("{header}\n{row}\n{row},7\n").into_bytes(), "line 3: the row has 5 cells, the header 4"),
        (
            format!("{header}\n{row}\nfemale,20\n").into_bytes(),
            "line 3: the row has 2 of the header's 4 cells",
        ),
        (format!("{header}\n\"{row}\n{row}\n").into_bytes(), "a quote is not closed"),
        ([header.as_bytes(), b"\nfem\xe4le,20,100,0\n"].concat(), "line 2: `sex` is not UTF-8 text"),
        (utf16, "the header is not UTF-8 text. Save the table as UTF-8"),
        ((0..=255).collect(), "bad.csv: "),
    ];
    for (bytes, reason) in cases {
        fs::write(session.path("bad.csv"), &bytes).unwrap();
        let errors = session.fails(&format!("{RUN}bad.csv"));
        assert!(errors.contains(reason), "{reason}: {errors}");
    }
    fs::create_dir(session.path("folder.csv")).unwrap();
    assert!(session.fails(&format!("{RUN}folder.csv")).contains("folder.csv: "));
    assert!(session.fails(&format!("{RUN}none.csv")).contains("none.csv: No such file"));
}
