//! Random circuits over random tables on tfhe: results equal the interpreter's exactly, and measured noise is as predicted.
//! At small parameters, which run the same plans in a thousandth of the time, and a few at real ones.
#![expect(clippy::unwrap_used, reason = "a test")]

use hq_engine::bootstraps;
use hq_engine::open;
use hq_engine::planner::{PlanError, Planned, Target, plan};
use hq_engine::torus::{TorusNoise, bound};
use hq_plugin_sdk::backend::{Custody, Evaluator, Measurement, Session};
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::plan::{InputId, Origin, Plan};
use hq_plugin_sdk::rotations::Use;
use hq_plugin_sdk::tfhe::TfheParameters;
use hq_plugin_tfhe::{SecretKey, Tfhe, test_parameters};
use hq_tests::random::{Case, Size, case};

/// Keys of one parameter set, for many circuits.
struct Keys {
    parameters: TfheParameters,
    secret: SecretKey,
    evaluation: Vec<u8>,
}

impl Keys {
    fn new(parameters: TfheParameters) -> Self {
        let pair = Tfhe::keygen(&Parameters::Tfhe(parameters.clone()), None).unwrap();
        Self { parameters, secret: Tfhe::load(&pair.secret).unwrap(), evaluation: pair.evaluation }
    }

    /// `None` where no tables of this size compute the circuit.
    fn plan(&self, case: &Case) -> Option<Planned> {
        let resolve = |request: &RnsRequest| Tfhe::resolve(request);
        let target = Target::Bootstrapped(self.parameters.clone());
        match plan(&case.circuit, &case.encodings(), &Tfhe::capabilities(), &resolve, &target) {
            Ok(planned) => Some(planned),
            Err(
                PlanError::Pass { pass: "tables" | "limbs" | "encode", .. }
                | PlanError::Unsure { .. }
                | PlanError::Shown { .. },
            ) => None,
            Err(error) => panic_on(&error),
        }
    }

    fn check(&self, case: &Case, planned: &Planned) -> Noise {
        let plan = &planned.plan;
        for (name, pass) in &planned.passes {
            assert_eq!(aggregates(case, pass), expected(case), "{name}\n{}\n{pass}", case.circuit);
        }
        let inputs = case.inputs(plan);
        let rows = usize::try_from(self.parameters.rows_per_block).unwrap();
        let block = |block: usize| {
            let frame = |(index, values): (usize, &Vec<i64>)| {
                let input = &plan.inputs[index];
                if input.origin == Origin::Parameter {
                    return Tfhe::encrypt_parameter(&self.evaluation, case.absent(input)).unwrap();
                }
                let from = (block * rows).min(values.len());
                let values = &values[from..(from + rows).min(values.len())];
                if plan.is_entry(InputId::from_index(index).unwrap()) {
                    Tfhe::encrypt_entries(&self.secret, values).unwrap()
                } else {
                    Tfhe::encrypt(&self.secret, values).unwrap()
                }
            };
            inputs.iter().enumerate().map(frame).collect()
        };
        let blocks: Vec<Vec<Vec<u8>>> = (0..case.rows.len().div_ceil(rows).max(1)).map(block).collect();
        let views: Vec<Vec<&[u8]>> =
            blocks.iter().map(|block| block.iter().map(Vec::as_slice).collect()).collect();
        let mut session = Tfhe::open(plan, &self.evaluation).unwrap();
        for view in &views {
            session.block(view).unwrap();
        }
        let opened = Tfhe::decrypt(&self.secret, &session.finish().unwrap()).unwrap();
        assert_eq!(open::aggregates(plan, &opened).unwrap(), expected(case), "{}\n{plan}", case.circuit);
        assert_eq!(bootstraps::certify(plan).unwrap(), *planned.bootstraps.as_ref().unwrap());
        self.noise(&Tfhe::measure(&self.secret, &self.evaluation, plan, &views).unwrap())
    }

    /// What was measured, as parts of what the model says: on the torus, where measurements have 64 bits.
    fn noise(&self, measured: &Measurement) -> Noise {
        let model = TorusNoise::new(&self.parameters);
        let torus = |bits: &f64| (bits - 64.0).exp2();
        let flood = (f64::from(self.parameters.flood_bits()) - 128.0).exp2();
        let of_digits = model.rotation(Use::Digit);
        for most in measured.node_max_bits.iter().map(torus) {
            assert!(most <= bound(of_digits), "2^{}", most.log2());
        }
        let before = measured.sum_bits_before_flooding.iter().map(torus);
        for (before, after) in before.clone().zip(measured.sum_bits.iter().map(torus)) {
            assert!(before <= bound(model.squashed()), "2^{}", before.log2());
            assert!(after <= flood + bound(model.squashed() + model.randomized()), "2^{}", after.log2());
        }
        let square = |deviation: f64, variance: f64| deviation * deviation / variance;
        let digits = measured.node_stddev_bits.iter().filter(|bits| bits.is_finite());
        Noise {
            digits: digits.map(|bits| square(torus(bits), of_digits)).collect(),
            sums: before.map(|before| square(before, model.squashed())).collect(),
        }
    }
}

/// Squares of measured errors, as parts of the variances that the model gives: of digits, and of squashed sums.
#[derive(Default)]
struct Noise {
    digits: Vec<f64>,
    sums: Vec<f64>,
}

fn expected(case: &Case) -> Vec<i128> {
    aggregates(case, &case.circuit)
}

/// What a plan of a case gives by the interpreter.
fn aggregates(case: &Case, plan: &Plan) -> Vec<i128> {
    let sums = interpret(plan, &case.inputs(plan));
    let aggregate = |terms: &[(i64, hq_plugin_sdk::plan::SumId)]| {
        terms.iter().map(|&(c, sum)| i128::from(c) * sums[sum.index()]).sum()
    };
    plan.aggregates.iter().map(|own| aggregate(&own.terms)).collect()
}

#[expect(clippy::panic, reason = "a test")]
fn panic_on(error: &PlanError) -> ! {
    panic!("{error}")
}

/// Circuits of one size under each of some keys: how large errors are depends on the secret key, whose digits here are few.
fn run(keys: &[Keys], size: Size, wanted_each: usize) {
    let (mut done, mut refused, mut bootstraps) = (0, 0, 0);
    let mut of_keys = Vec::new();
    let mut seed = 0;
    for keys in keys {
        let mut noise = Noise::default();
        let wanted = done + wanted_each;
        while done < wanted {
            seed += 1;
            let Ok(case) = case(seed, size) else { continue };
            let case = case.in_digits();
            let Some(planned) = keys.plan(&case) else {
                refused += 1;
                assert!(refused <= 2 * wanted, "tables of this size refuse more circuits than they compute");
                continue;
            };
            let Noise { digits, sums } = keys.check(&case, &planned);
            noise.digits.extend(digits);
            noise.sums.extend(sums);
            let (digits, shares) = planned.bootstraps.unwrap().bootstraps;
            bootstraps += digits + shares;
            done += 1;
        }
        of_keys.push((mean(&noise.digits), mean(&noise.sums)));
    }
    let (of_digits, of_sums): (Vec<f64>, Vec<f64>) = of_keys.into_iter().unzip();
    eprintln!(
        "mean squares of errors by keys: of digits {of_digits:.2?}, of sums {of_sums:.2?} of the model's"
    );
    // A quarter of a bit of the deviation.
    let near = |part: f64| (part.log2() / 2.0).abs() < 0.25;
    assert!(near(mean(&of_digits)) && near(mean(&of_sums)));
    eprintln!("{done} circuits, {bootstraps} bootstraps a row, {refused} refused");
}

fn mean(parts: &[f64]) -> f64 {
    parts.iter().sum::<f64>() / parts.len() as f64
}

#[test]
fn circuits_at_test_parameters() {
    let parameters = TfheParameters { rows_per_block: 4, ..test_parameters() };
    let keys: Vec<Keys> = (0..25).map(|_| Keys::new(parameters.clone())).collect();
    run(&keys, Size { rows: 12, domain: 40, nesting: 2, sums: 3 }, 10);
}
