//! Small parameters: what the library and the plans do is the same.
#![expect(clippy::unwrap_used, reason = "tests")]

use hq_plugin_sdk::conformance::{Options, run};

use crate::Tfhe;
use crate::describe::test_parameters;

#[test]
fn conforms() {
    let options = Options { tfhe: Some(test_parameters()), ..Options::default() };
    run::<Tfhe>(&options).unwrap();
}
