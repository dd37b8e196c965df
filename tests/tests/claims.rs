//! A backend that claims more than is known to hold has no plan, and the message says that it is to blame.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hq_engine::claims::check;
use hq_engine::compile::{CompiledQueries, Refusal, compile_queries};
use hq_engine::forms::Forms;
use hq_engine::planner::Target;
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::Evaluator;
use hq_plugin_sdk::capabilities::{Capabilities, InputForm, Leveled, SecurityLimit};
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_tfhe::Tfhe;
use hq_tests::Schemas;

const PROGRAM: &str = "use kidney\nquery q\n  from kidney\n  report\n    n = count(age > 60)\n";

fn refused(capabilities: &Capabilities, words: &str) {
    let found = check(capabilities).unwrap_err().to_string();
    assert!(found.contains(words) && found.contains("fault of the plugin"), "{found}");
}

fn leveled(change: impl FnOnce(&mut Leveled)) -> Capabilities {
    let mut capabilities = Bgv::capabilities();
    change(capabilities.leveled.as_mut().unwrap());
    capabilities
}

#[test]
fn what_the_backends_of_hq_say_is_known_to_hold() {
    for capabilities in [Bgv::capabilities(), Tfhe::capabilities(), Clear::capabilities()] {
        assert_eq!(check(&capabilities), Ok(()));
    }
}

#[test]
fn what_is_not_known_to_hold_is_refused() {
    refused(&leveled(|it| it.noise_model = "none".to_owned()), "has the noise model `none`");
    refused(&leveled(|it| it.error_stddev = 0.5), "standard deviation of errors is 0.5");
    refused(&leveled(|it| it.fresh_norm_factor = f64::NAN), "bound of a fresh value's norm is NaN");
    refused(&leveled(|it| it.secret_norm_factor = 0.1), "bound of the secret's norm is 0.1");
    refused(&leveled(|it| it.security[0].max_log2_qp += 1), "where 106 is known to be secure");
    refused(&leveled(|it| it.max_modulus_bits = 8), "widest prime in bits is 8");
    refused(&leveled(|it| it.max_plaintext_bits = 64), "widest plaintext modulus in bits is 64");
    let unknown = SecurityLimit { ring_degree: 2048, security_bits: 128, max_log2_qp: 60 };
    refused(&leveled(|it| it.security.push(unknown)), "where 0 is known to be secure");
    refused(
        &Capabilities { inputs: InputForm::Columns, ..Bgv::capabilities() },
        "takes columns in the clear",
    );
    refused(&Capabilities { leveled: None, ..Bgv::capabilities() }, "describes no noise");
    refused(&Capabilities { encrypted: true, ..Clear::capabilities() }, "describes no noise");
    let mut tables = Tfhe::capabilities();
    tables.bootstrapped.as_mut().unwrap().noise_model = "none".to_owned();
    refused(&tables, "certificates are made by `tfhe-tuniform` alone");
}

fn planned(program: &str, capabilities: &Capabilities) -> Result<CompiledQueries, Box<Refusal>> {
    let query = hq_dsl::compile("q.hq", program, &[], &Schemas).queries.remove(0);
    let encodings = Forms::for_backend(&query.dataset, capabilities).encodings();
    let resolve = |request: &RnsRequest| Bgv::resolve(request);
    let target = Target::Cheapest { security_bits: 128, max_log2_q: None };
    compile_queries(&[&query], &encodings, capabilities, &resolve, &target)
}

/// Primes that are 1 modulo a plaintext modulus of so many bits are wider than the widest: the sum is carried in limbs, as
/// where the plaintext modulus cannot be that wide.
#[test]
fn plaintext_moduli_that_leave_no_primes_are_passed_over() {
    let program = "use cohort\nquery q\n  from cohort\n  report\n    s = sum(sbp * hba1c_x10)\n";
    for bits in [26, 36, 62] {
        let plan = planned(program, &leveled(|it| it.max_plaintext_bits = bits)).unwrap().planned.plan;
        assert!(plan.sums.len() > 1, "{plan}");
    }
}

#[test]
fn a_query_has_no_plan_for_a_backend_that_lies() {
    let refusal = planned(PROGRAM, &leveled(|it| it.error_stddev = 0.0)).unwrap_err();
    assert!(refusal.diagnostic.message.contains("This is a fault of the plugin"), "{:?}", refusal.diagnostic);
}
