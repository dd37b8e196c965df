//! The header for plugins in C is that of the ABI, and C lays the tables out as Rust does. `HQ_BLESS=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use cbindgen::{Builder, Config, ExportConfig, Language};
use hq_plugin_sdk::abi::{Buffer, CustodyTable, EvaluatorTable, FunctionTable, Scalar, View};

const HEAD: &str = "/* The boundary between hq and a plugin, made from plugins/sdk/src/abi.rs. docs/plugins/abi.md says what \
                    each side owes the other. */";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_header_is_that_of_the_abi() {
    let names = [("OK", "HQ_OK"), ("ABI_VERSION", "HQ_ABI_VERSION")];
    let export = ExportConfig {
        include: ["EvaluatorTable", "CustodyTable", "FunctionTable"].map(str::to_owned).to_vec(),
        exclude: ["MAX_BUFFER_BYTES", "PANICKED"].map(str::to_owned).to_vec(),
        rename: names.map(|(from, to)| (from.to_owned(), to.to_owned())).into_iter().collect(),
        renaming_overrides_prefixing: true,
        prefix: Some("Hq".to_owned()),
        ..ExportConfig::default()
    };
    let config = Config {
        language: Language::C,
        header: Some(HEAD.to_owned()),
        include_guard: Some("HQ_PLUGIN_H".to_owned()),
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        usize_is_size_t: true,
        cpp_compat: true,
        export,
        ..Config::default()
    };
    let mut made = Vec::new();
    Builder::new()
        .with_config(config)
        .with_src(folder().join("src/abi.rs"))
        .generate()
        .unwrap()
        .write(&mut made);
    let (made, path) = (String::from_utf8(made).unwrap(), folder().join("include/hq_plugin.h"));
    if std::env::var_os("HQ_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), made, "HQ_BLESS=1 writes it anew");
}

#[test]
fn c_lays_the_tables_out_as_rust_does() {
    let facts = [
        ("sizeof(HqEvaluatorTable)", size_of::<EvaluatorTable>()),
        ("sizeof(HqCustodyTable)", size_of::<CustodyTable>()),
        ("sizeof(HqFunctionTable)", size_of::<FunctionTable>()),
        ("sizeof(HqScalar)", size_of::<Scalar>()),
        ("sizeof(HqBuffer)", size_of::<Buffer>()),
        ("sizeof(HqView_u8)", size_of::<View<u8>>()),
        ("offsetof(HqEvaluatorTable, pass)", offset_of!(EvaluatorTable, pass)),
        ("offsetof(HqCustodyTable, open_gates)", offset_of!(CustodyTable, open_gates)),
        ("offsetof(HqFunctionTable, call)", offset_of!(FunctionTable, call)),
        ("offsetof(HqScalar, kind)", offset_of!(Scalar, kind)),
        ("offsetof(HqBuffer, capacity)", offset_of!(Buffer, capacity)),
    ];
    let mut text = "#include \"hq_plugin.h\"\n".to_owned();
    for (what, wanted) in facts {
        text += &format!("_Static_assert({what} == {wanted}, \"{what}\");\n");
    }
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("layout.c");
    fs::write(&source, text).unwrap();
    let Ok(output) = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(folder().join("include"))
        .arg(&source)
        .output()
    else {
        eprintln!("skipped: there is no C compiler");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
