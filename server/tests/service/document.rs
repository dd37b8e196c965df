//! The OpenAPI document, as a golden file.

use std::fs;
use std::path::Path;

#[test]
fn the_document_is_the_golden_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    let text = hq_server::api::document().unwrap();
    if std::env::var_os("HQ_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "the document changed; HQ_BLESS=1 writes it anew, and the diff is reviewed");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Every schema that is named is there.
    let mut rest = text.as_str();
    let mut named = 0;
    while let Some((_, tail)) = rest.split_once("\"#/components/schemas/") {
        let (name, tail) = tail.split_once('"').unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
        named += 1;
        rest = tail;
    }
    assert!(named > 30, "{named}");
}
