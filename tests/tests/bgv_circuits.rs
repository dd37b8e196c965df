//! Random circuits over random tables on bgv: results equal the interpreter's exactly, and the measured
//! noise of every node stays within its certified bound.
#![expect(clippy::unwrap_used, reason = "a test")]

use hq_engine::certificate::Certificate;
use hq_engine::open;
use hq_engine::planner::{PlanError, Planned, Target, plan};
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_sdk::backend::{Custody, Evaluator, Measurement};
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::Origin;
use hq_tests::random::{Case, Size, case};

/// What one circuit showed.
struct Shown {
    /// Least distance of a measured value to its bound, in bits.
    margin: f64,
    nodes: usize,
}

/// Keys of one parameter set, for many circuits.
struct Keys {
    target: Target,
    secret: <Bgv as Custody>::Key,
    evaluation: Vec<u8>,
}

impl Keys {
    fn new(parameters: RnsParameters) -> Self {
        let pair = Bgv::keygen(&Parameters::Rns(parameters.clone()), None).unwrap();
        let secret = Bgv::load(&pair.secret).unwrap();
        Self { target: Target::Fixed(parameters), secret, evaluation: pair.evaluation }
    }

    fn plan(&self, case: &Case) -> Option<Planned> {
        let resolve = |request: &RnsRequest| Bgv::resolve(request);
        match plan(&case.circuit, &case.encodings(), &Bgv::capabilities(), &resolve, &self.target) {
            Ok(planned) => Some(planned),
            // Deeper, wider or noisier than these keys allow: refused before anything runs.
            Err(PlanError::TooDeep { .. } | PlanError::Uncertified(_)) => None,
            Err(error @ PlanError::Pass { .. }) => {
                assert!(error.to_string().contains("limbs"), "{error}");
                None
            }
            Err(
                error @ (PlanError::Backend(_)
                | PlanError::Claims(_)
                | PlanError::Unsure { .. }
                | PlanError::Shown { .. }),
            ) => panic_on(&error),
        }
    }

    fn check(&self, case: &Case, planned: &Planned) -> Shown {
        let plan = &planned.plan;
        let inputs = case.inputs(plan);
        let rows_per_block = usize::try_from(plan.parameters.as_ref().unwrap().rows_per_block()).unwrap();
        let blocks: Vec<Vec<Vec<u8>>> = (0..case.rows.len().div_ceil(rows_per_block).max(1))
            .map(|block| {
                inputs
                    .iter()
                    .zip(&plan.inputs)
                    .map(|(values, input)| {
                        if input.origin == Origin::Parameter {
                            return Bgv::encrypt_parameter(&self.evaluation, case.absent(input)).unwrap();
                        }
                        let from = (block * rows_per_block).min(values.len());
                        let to = (from + rows_per_block).min(values.len());
                        Bgv::encrypt(&self.secret, &values[from..to]).unwrap()
                    })
                    .collect()
            })
            .collect();
        let views: Vec<Vec<&[u8]>> =
            blocks.iter().map(|block| block.iter().map(Vec::as_slice).collect()).collect();
        let mut session = Bgv::open(plan, &self.evaluation).unwrap();
        for view in &views {
            session.block(view).unwrap();
        }
        let opened = Bgv::decrypt(&self.secret, &session.finish().unwrap()).unwrap();
        let expected: Vec<i128> = expected(case);
        assert_eq!(open::aggregates(plan, &opened).unwrap(), expected, "{plan}");
        let measured = Bgv::measure(&self.secret, &self.evaluation, plan, &views).unwrap();
        let margin = margin(planned.certificate.as_ref().unwrap(), &measured);
        assert!(margin >= 0.0, "measured noise exceeds its bound by {margin} bits\n{plan}");
        Shown { margin, nodes: plan.nodes().len() }
    }
}

fn expected(case: &Case) -> Vec<i128> {
    let sums = interpret(&case.circuit, &case.inputs(&case.circuit));
    case.circuit
        .aggregates
        .iter()
        .map(|aggregate| aggregate.terms.iter().map(|&(c, sum)| i128::from(c) * sums[sum.index()]).sum())
        .collect()
}

fn margin(certificate: &Certificate, measured: &Measurement) -> f64 {
    assert_eq!(certificate.node_bits.len(), measured.node_max_bits.len());
    assert_eq!(certificate.sums.len(), measured.sum_bits.len());
    let nodes = certificate.node_bits.iter().zip(&measured.node_max_bits);
    let before = certificate.sums.iter().map(|sum| &sum.bits).zip(&measured.sum_bits_before_flooding);
    // Flooding is uniform up to its bound, so what is opened comes arbitrarily near.
    let after = certificate.sums.iter().map(|sum| &sum.flooded_bits).zip(&measured.sum_bits);
    assert!(after.clone().all(|(bound, bits)| bits <= bound));
    nodes.chain(before).map(|(bound, bits)| bound - bits).fold(f64::INFINITY, f64::min)
}

#[expect(clippy::panic, reason = "a test")]
fn panic_on(error: &PlanError) -> ! {
    panic!("{error}")
}

fn parameters(ring_degree: u32, levels: usize, bits: u32, security_bits: u32) -> RnsParameters {
    let mut modulus_bits = vec![bits; levels];
    modulus_bits[0] = 50;
    modulus_bits[1] = 50;
    Bgv::resolve(&RnsRequest {
        ring_degree,
        min_plaintext_modulus: 60_000,
        modulus_bits,
        special_bits: vec![50, 50],
        digit_limbs: 2,
        relinearization_limbs: vec![u32::try_from(levels).unwrap()],
        security_bits,
    })
    .unwrap()
}

fn run(keys: &Keys, size: Size, wanted: usize, first_seed: u64) {
    let (mut done, mut refused, mut nodes, mut margin) = (0, 0, 0, f64::INFINITY);
    let mut seed = first_seed;
    while done < wanted {
        seed += 1;
        let Ok(case) = case(seed, size) else { continue };
        let Some(planned) = keys.plan(&case) else {
            refused += 1;
            assert!(refused < 4 * wanted, "these keys refuse nearly every circuit");
            continue;
        };
        let shown = keys.check(&case, &planned);
        nodes += shown.nodes;
        margin = margin.min(shown.margin);
        done += 1;
    }
    eprintln!("{done} circuits, {nodes} nodes, {refused} refused; least margin {margin:.1} bits");
}

#[test]
fn a_thousand_circuits_at_test_parameters() {
    let keys = Keys::new(parameters(128, 10, 44, 0));
    run(&keys, Size { rows: 300, domain: 40, nesting: 3, sums: 3 }, 1_000, 0);
}

#[test]
fn thirty_circuits_at_real_parameters() {
    let keys = Keys::new(parameters(16_384, 7, 44, 128));
    run(&keys, Size { rows: 20_000, domain: 40, nesting: 2, sums: 3 }, 30, 1 << 40);
}
