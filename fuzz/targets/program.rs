//! Any text as a program: errors are drawn, what compiles lowers to a valid circuit, what parses has one
//! layout, and an editor may ask about every place.
#![no_main]

use hq_dsl::{Insight, Loader, compile, dataset, format, render};
use hq_engine::lower::lower;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::verify::verify;
use libfuzzer_sys::fuzz_target;

struct Schemas;

impl Loader for Schemas {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let text = match module {
            "nhanes" => include_str!("../../tests/schemas/nhanes.hq"),
            "actg175" => include_str!("../../tests/schemas/actg175.hq"),
            "cohort" => include_str!("../../tests/schemas/cohort.hq"),
            "support2" => include_str!("../../tests/schemas/support2.hq"),
            "diabetes130" => include_str!("../../tests/schemas/diabetes130.hq"),
            _ => return None,
        };
        Some((format!("{module}.hq"), text.to_owned()))
    }
}

fuzz_target!(|text: &str| {
    let compiled = compile("fuzzed.hq", text, &[], &Schemas);
    for diagnostic in &compiled.diagnostics {
        let _ = render(diagnostic, &compiled.sources, false);
    }
    for query in &compiled.queries {
        let Ok(circuit) = lower(query) else { continue };
        assert_eq!(verify(&circuit), Ok(()), "{circuit}");
        assert_eq!(Plan::parse(&circuit.to_string()).as_ref(), Ok(&circuit));
    }
    let (_, diagnostics, sources) = dataset("fuzzed.hq", text);
    for diagnostic in &diagnostics {
        let _ = render(diagnostic, &sources, false);
    }
    if let Ok(laid_out) = format(text) {
        assert_eq!(format(&laid_out).as_deref(), Ok(laid_out.as_str()));
    }
    let insight = Insight::of("fuzzed.hq", text, &[], &Schemas);
    for offset in (0..=text.len()).step_by(1 + text.len() / 16) {
        let _ = (insight.hover(offset), insight.definition(offset), insight.completions(offset, &[]));
    }
});
