//! What the targets share: a small key pair, a plan over it, its encrypted columns and its sums. Everything
//! follows from fixed seeds but the ciphertexts' noise.

use hq_plugin_bgv::backend::Bgv;
use hq_plugin_bgv::params::{resolve, test_parameters_allowed};
use hq_plugin_sdk::backend::Fault;
use hq_plugin_sdk::host::{CustodyPlugin, EvaluatorPlugin, PluginKey};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Builder, Input, Level, Linear, Op, Origin, Plan, Release, Sum};
use hq_plugin_sdk::range::Range;

/// Values of the two columns of every block.
pub const COLUMNS: [[i64; 5]; 2] = [[1, -2, 3, 0, 2], [2, 2, -1, 3, 1]];

/// A bgv backend behind the ABI, with all its files.
pub struct Files {
    /// The service's side.
    pub evaluator: EvaluatorPlugin,
    /// The custodian's side.
    pub custody: CustodyPlugin,
    /// The loaded secret key.
    pub key: PluginKey,
    /// The secret key's frame.
    pub secret: Vec<u8>,
    /// The evaluation key's frame.
    pub evaluation: Vec<u8>,
    /// A placed plan of two inputs.
    pub plan: Plan,
    /// One block: a frame for each input.
    pub block: Vec<Vec<u8>>,
    /// The sums over that block.
    pub sums: Vec<u8>,
}

/// Two small parameter sets: the smallest ring, and one with digits of two primes.
#[must_use]
pub fn parameters() -> [RnsParameters; 2] {
    let request = |ring_degree, bits: &[u32], special_bits: &[u32], digit_limbs| RnsRequest {
        ring_degree,
        min_plaintext_modulus: 1 << 16,
        modulus_bits: bits.to_vec(),
        special_bits: special_bits.to_vec(),
        digit_limbs,
        relinearization_limbs: vec![3],
        security_bits: 0,
    };
    [request(64, &[45, 30, 30], &[40], 1), request(128, &[45, 34, 34], &[45, 45], 2)]
        .map(|request| resolve(&request).expect("small parameters exist"))
}

/// `sum a`, `sum a b` and `sum (1 + 2 a b - a)`, released at the lowest level.
#[must_use]
pub fn plan(parameters: &RnsParameters) -> Plan {
    let mut builder = Builder::new(1 << 16);
    builder.plan_mut().parameters = Some(Parameters::Rns(parameters.clone()));
    builder.plan_mut().release = Some(Release { level: Level(0), relinearize: Level(1), flood_bits: 6 });
    let range = Range::new(-3, 3).expect("it is not empty");
    let inputs = ["a", "b"].map(|name| {
        builder.declare(Input { name: name.to_owned(), range, family: None, origin: Origin::Table })
    });
    let [a, b] = inputs.map(|input| builder.push(Op::Input { input, level: Some(Level(2)) }));
    let product = builder.push(Op::Mul { left: a, right: b });
    let product = builder.push(Op::Relinearize { arg: product });
    let product = builder.push(Op::ModSwitch { arg: product });
    let low = builder.push(Op::Drop { arg: a, to: Level(1) });
    let linear = Linear::new(1, [(2, product), (-1, low)]).expect("small coefficients");
    let linear = builder.push(Op::Linear(linear));
    let ranges = hq_plugin_sdk::verify::ranges(builder.plan()).expect("small values");
    for node in [a, product, linear] {
        builder.sum(Sum { node, range: ranges[node.index()] });
    }
    builder.finish()
}

/// What one block of [`COLUMNS`] adds to the sums of [`plan`]; rows that are not there count as zeros.
#[must_use]
pub fn expected(parameters: &RnsParameters) -> Vec<i64> {
    let [a, b] = COLUMNS;
    let sum: i64 = a.iter().sum();
    let products: i64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    vec![sum, products, i64::from(parameters.ring_degree) + 2 * products - sum]
}

/// A residue modulo t as the number nearest to zero.
#[must_use]
pub fn centred(parameters: &RnsParameters, residues: &[i64]) -> Vec<i64> {
    let t = i64::try_from(parameters.plaintext_modulus).unwrap_or(i64::MAX);
    residues.iter().map(|&residue| if residue > t / 2 { residue - t } else { residue }).collect()
}

impl Files {
    /// Makes a key pair, a block and its sums.
    ///
    /// # Panics
    /// Where test parameters are not allowed: say `HQ_TEST_PARAMETERS=1`.
    #[must_use]
    pub fn new(parameters: &RnsParameters) -> Self {
        assert!(test_parameters_allowed(), "set HQ_TEST_PARAMETERS=1 and build with debug assertions");
        let evaluator = EvaluatorPlugin::linked::<Bgv>().expect("it describes itself");
        let custody = CustodyPlugin::linked::<Bgv>("bgv");
        let pair = custody
            .keygen(&Parameters::Rns(parameters.clone()), Some([7; 32]))
            .expect("test parameters are allowed");
        let key = custody.load_key(&pair.secret).expect("a fresh key");
        let plan = plan(parameters);
        let block: Vec<Vec<u8>> =
            COLUMNS.iter().map(|values| key.encrypt(values).expect("small values")).collect();
        let secret = pair.secret.to_vec();
        let mut files = Self {
            evaluator,
            custody,
            key,
            secret,
            evaluation: pair.evaluation,
            plan,
            block,
            sums: Vec::new(),
        };
        files.sums = files.compute(1);
        files
    }

    /// The inputs of one block.
    #[must_use]
    pub fn inputs(&self) -> Vec<&[u8]> {
        self.block.iter().map(Vec::as_slice).collect()
    }

    fn compute(&self, blocks: usize) -> Vec<u8> {
        use hq_plugin_sdk::backend::Session as _;
        let mut session = self.evaluator.open(&self.plan, &self.evaluation).expect("a plan for this key");
        for _ in 0..blocks {
            session.block(&self.inputs()).expect("a fresh block");
        }
        session.finish().expect("a few sums")
    }
}

/// A refusal must name the fault of what was given: the plugin itself has none.
///
/// # Panics
/// Where it says it failed of itself.
pub fn refused<T>(outcome: Result<T, hq_plugin_sdk::backend::BackendError>) -> Option<T> {
    outcome
        .inspect_err(|error| assert!(error.fault != Fault::Internal, "the plugin's own fault: {error}"))
        .ok()
}
