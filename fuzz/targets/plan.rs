//! Any text as a plan: print and parse are inverses, and a valid plan can be certified or refused.
#![no_main]

use std::sync::OnceLock;

use hq_engine::certificate::{certify, flood_bits};
use hq_plugin_bgv::describe::capabilities;
use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::verify::verify;
use libfuzzer_sys::fuzz_target;

fn leveled() -> &'static Leveled {
    static LEVELED: OnceLock<Leveled> = OnceLock::new();
    LEVELED.get_or_init(|| capabilities().leveled.expect("bgv is a leveled scheme"))
}

fuzz_target!(|text: &str| {
    let Ok(plan) = Plan::parse(text) else { return };
    let printed = plan.to_string();
    let again = Plan::parse(&printed).expect("what is printed can be read");
    assert_eq!(again, plan, "{printed}");
    assert_eq!(again.to_string(), printed);
    if verify(&plan).is_ok() {
        if let Some(Parameters::Rns(rns)) = &plan.parameters {
            let _ = flood_bits(&plan, rns, leveled());
        }
        let _ = certify(&plan, leveled());
    }
});
