//! Sums of bgv under the key of tfhe: conversions keep their certified noise, and gates let out what they may. At real
//! parameters of tfhe, and at a small ring of bgv, whose dimension is a term of the formulas.
#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "sizes of noise")]

use std::sync::OnceLock;

use hq_engine::gates::{GateCertificate, GateNoise, Leveled, cheapest};
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_bgv::bridge;
use hq_plugin_bgv::key::SecretKey as LeveledKey;
use hq_plugin_bgv::release::Sample;
use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, GateKeys, KeyPair, Session};
use hq_plugin_sdk::gate::Gate;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Builder, Input, Level, Op, Origin, Plan, Release, Sum};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::tfhe::TfheParameters;
use hq_plugin_tfhe::gates::{Cell, Context, Passed};
use hq_plugin_tfhe::{SecretKey, Tfhe};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bits by which flooding exceeds the noise of every released sum.
const FLOODING: f64 = 40.0;

/// Of no plan.
const CONTEXT: Context = [0; 32];

struct Keys {
    rns: RnsParameters,
    leveled: LeveledKey,
    leveled_evaluation: Vec<u8>,
    tfhe: TfheParameters,
    secret: SecretKey,
    evaluation: Vec<u8>,
    bridge: Vec<u8>,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::new(1 << 25))
}

impl Keys {
    fn new(min_plaintext_modulus: u64) -> Self {
        let rns = Bgv::resolve(&RnsRequest {
            ring_degree: 1024,
            min_plaintext_modulus,
            modulus_bits: vec![49, 49],
            special_bits: vec![49],
            digit_limbs: 1,
            relinearization_limbs: vec![2],
            security_bits: 0,
        })
        .unwrap();
        let KeyPair { secret, evaluation: leveled_evaluation } =
            Bgv::keygen(&Parameters::Rns(rns.clone()), None).unwrap();
        let leveled = Bgv::load(&secret).unwrap();
        let sets = Tfhe::capabilities().bootstrapped.unwrap().parameters;
        let tfhe = sets.into_iter().find(|set| set.sum_bootstrap.levels == 4).unwrap();
        let KeyPair { secret, evaluation } = Tfhe::keygen(&Parameters::Tfhe(tfhe.clone()), None).unwrap();
        let secret = Tfhe::load(&secret).unwrap();
        let bridge = hq_plugin_tfhe::bridge::make_key(&secret, leveled.id(), leveled.coefficients()).unwrap();
        Self { rns, leveled, leveled_evaluation, tfhe, secret, evaluation, bridge }
    }

    /// A sum whose noise is as large as its flooding leaves room for.
    fn sum(&self) -> Leveled<'_> {
        let level = Level(1);
        let bits = self.rns.log2_q(1) - FLOODING - 1.0;
        Leveled { rns: &self.rns, level, bits }
    }

    fn gate(&self, most: u64) -> (Gate, GateCertificate) {
        cheapest((11, most), self.sum(), &self.tfhe, 10).unwrap()
    }

    /// A sample of a released sum, with noise of that size.
    fn sample(&self, count: u64, random: &mut StdRng) -> Sample {
        let params = self.leveled.params();
        let t = params.plaintext();
        let message = i128::from(t.q.mul(count, t.degree_inverse));
        let most = (self.sum().bits - (t.q.value() as f64).log2() - 0.01).exp2();
        let noise = i128::from(t.q.value()) * ((random.random_range(-1.0..1.0) * most) as i128);
        let (mut body, mut mask) = (Vec::new(), Vec::new());
        for ring in params.rings().iter().take(2) {
            let limb: Vec<u64> =
                (0..params.degree()).map(|_| random.random_range(0..ring.q.value())).collect();
            let secret = self.leveled.coefficients();
            let product: i128 = limb.iter().zip(secret).map(|(&a, &s)| i128::from(a) * i128::from(s)).sum();
            body.push(ring.q.residue(message + noise - product));
            mask.push(limb);
        }
        Sample { body, mask }
    }

    /// All conversions of counts, as a frame.
    fn conversions(&self, gate: &Gate, counts: &[u64], random: &mut StdRng) -> Vec<u8> {
        let params = self.leveled.params();
        let mut samples = Vec::new();
        for &count in counts {
            let sample = self.sample(count, random);
            let turned = |at| bridge::turns(params, &sample, gate.conversion(at).factor);
            samples.extend((0..gate.digits()).map(turned));
        }
        bridge::seal(self.leveled.id(), params.degree(), &samples)
    }
}

#[test]
fn ten_thousand_conversions_keep_their_bounds() {
    let keys = keys();
    let mut random = StdRng::seed_from_u64(7);
    let most = 25_000;
    let (gate, _) = keys.gate(most);
    assert_eq!((gate.base(), gate.digits()), (15, 4));
    let noise = GateNoise::new(gate, keys.sum(), &keys.tfhe);
    let variance = noise.conversion();
    // What a normal error exceeds with a probability of 2^-128.
    let normal = variance.sqrt() * 13.32;
    let (mut squares, mut largest, mut done) = (0.0, 0.0_f64, 0_u32);
    while done < 10_000 {
        let counts: Vec<u64> = (0..250).map(|_| random.random_range(0..=most)).collect();
        let frame = keys.conversions(&gate, &counts, &mut random);
        let phases =
            hq_plugin_tfhe::bridge::measure(&keys.secret, &keys.evaluation, &keys.bridge, &frame).unwrap();
        assert_eq!(phases.len(), counts.len() * 4);
        for (index, &phase) in phases.iter().enumerate() {
            let count = counts[index / 4];
            let conversion = gate.conversion(u32::try_from(index % 4).unwrap());
            // Where it should stand: `a S / M`, and what a constant halves.
            let turns = u128::from(conversion.unit) * u128::from(count) % u128::from(conversion.scale);
            let wanted = u64::try_from((turns << 64) / u128::from(conversion.scale)).unwrap();
            let off = phase.wrapping_sub(wanted).cast_signed() as f64 / 64_f64.exp2();
            let known = count as f64 / (conversion.scale as f64 * gate.modulus() as f64);
            let centred = off + gate.off(conversion);
            assert!(centred.abs() <= noise.shift(conversion) + normal, "{count}: {centred}");
            squares += (off + known).powi(2);
            largest = largest.max((off + known).abs());
        }
        done += u32::try_from(phases.len()).unwrap();
    }
    let measured = (squares / f64::from(done)).log2() / 2.0;
    let predicted = variance.log2() / 2.0;
    eprintln!("deviation 2^{measured:.2}, predicted 2^{predicted:.2}; largest 2^{:.2}", largest.log2());
    assert!((measured - predicted).abs() < 0.1, "2^{measured} where 2^{predicted} is predicted");
}

#[test]
fn gates_open_where_they_may() {
    let keys = keys();
    let mut random = StdRng::seed_from_u64(8);
    let (gate, certificate) = keys.gate(25_000);
    assert!(certificate.failure_log2 <= -128.0 && certificate.distance_log2 <= -40.0, "{certificate:?}");
    let counts = [0, 1, 7, 10, 11, 14, 15, 16, 224, 225, 3375, 3376, 24_999, 25_000];
    let mut pad = |_| random.random_range(0..gate.modulus());
    let cells: Vec<Cell> =
        counts.iter().map(|_| Cell { gate, pads: (0..2).map(&mut pad).collect() }).collect();
    let frame = keys.conversions(&gate, &counts, &mut StdRng::seed_from_u64(9));
    let start = std::time::Instant::now();
    let passed = pass(keys, &frame, &cells).unwrap();
    eprintln!("{certificate:?}: {:?} and {} bytes for {} cells", start.elapsed(), passed.len(), cells.len());
    let opened = open(keys, &passed).unwrap();
    for ((count, cell), passed) in counts.iter().zip(cells).zip(opened) {
        let closed = Passed::Closed { pads: cell.pads.len() };
        let wanted = if (1..11).contains(count) { closed } else { Passed::Open(cell.pads) };
        assert_eq!(passed, wanted, "{count}");
    }
}

#[test]
fn a_small_modulus_takes_a_small_base() {
    let keys = Keys::new(1 << 17);
    let (gate, certificate) = keys.gate(25_000);
    assert!(gate.modulus() < 1 << 18 && gate.base() < 15, "{gate:?}");
    assert!(certificate.failure_log2 <= -128.0, "{certificate:?}");
    let counts = [0, 1, 10, 11, gate.base(), gate.base() * gate.base() + 1, 24_999, 25_000];
    let cells: Vec<Cell> = counts.iter().map(|&count| Cell { gate, pads: vec![count] }).collect();
    let frame = keys.conversions(&gate, &counts, &mut StdRng::seed_from_u64(11));
    let passed = pass(&keys, &frame, &cells).unwrap();
    let opened = open(&keys, &passed).unwrap();
    eprintln!("{gate:?} {certificate:?}");
    for (count, passed) in counts.into_iter().zip(opened) {
        let wanted = if gate.is_open(count) { Passed::Open(vec![count]) } else { Passed::Closed { pads: 1 } };
        assert_eq!(passed, wanted, "{count}");
    }
}

fn pass(keys: &Keys, frame: &[u8], cells: &[Cell]) -> Result<Vec<u8>, BackendError> {
    let gate_keys = GateKeys { evaluation: &keys.evaluation, bridge: &keys.bridge };
    hq_plugin_tfhe::gates::pass(gate_keys, frame, cells, CONTEXT)
}

fn open(keys: &Keys, passed: &[u8]) -> Result<Vec<Passed>, BackendError> {
    hq_plugin_tfhe::gates::open(&keys.secret, passed, CONTEXT)
}

/// A plan of one sum over a flag.
fn plan(rns: &RnsParameters, rows: u64) -> Plan {
    let mut builder = Builder::new(rows);
    builder.plan_mut().parameters = Some(Parameters::Rns(rns.clone()));
    builder.plan_mut().release = Some(Release { level: Level(1), relinearize: Level(1), flood_bits: 70 });
    let range = Range::BOOL;
    let input = Input { name: "flag".to_owned(), range, family: None, origin: Origin::Table };
    let input = builder.declare(input);
    let node = builder.push(Op::Input { input, level: Some(Level(1)) });
    builder.sum(Sum { node, range });
    builder.finish()
}

#[test]
fn a_sum_leaves_under_its_pad_and_comes_out_through_its_gate() {
    let keys = keys();
    let plan = plan(&keys.rns, 1000);
    let (gate, _) = keys.gate(1000);
    let factors: Vec<u64> = (0..gate.digits()).map(|at| gate.conversion(at).factor).collect();
    for count in [4_usize, 300] {
        let rows: Vec<i64> = (0..1000).map(|row| i64::from(row < count)).collect();
        let block = Bgv::encrypt(&keys.leveled, &rows).unwrap();
        let mut session = Bgv::open(&plan, &keys.leveled_evaluation).unwrap();
        Session::block(&mut session, &[&block]).unwrap();
        let samples = bridge::samples(&mut session, &[(0, factors.clone())]).unwrap();
        let pad = gate.modulus() - 3;
        let cells = [Cell { gate, pads: vec![pad] }];
        let passed = pass(keys, &samples, &cells).unwrap();
        let sums = session.finish_padded(&[pad]).unwrap();
        let sum = u64::try_from(Bgv::decrypt(&keys.leveled, &sums).unwrap()[0]).unwrap();
        assert_eq!(sum, (count as u64 + pad) % gate.modulus());
        let opened = open(keys, &passed).unwrap();
        let wanted = if count < 11 { Passed::Closed { pads: 1 } } else { Passed::Open(vec![pad]) };
        assert_eq!(opened, [wanted]);
    }
}

#[test]
fn frames_for_other_keys_and_cut_frames_are_refused() {
    let keys = keys();
    let (gate, _) = keys.gate(1000);
    let frame = keys.conversions(&gate, &[5], &mut StdRng::seed_from_u64(1));
    let cells = [Cell { gate, pads: vec![1] }];
    let pass = |bridge: &[u8], frame: &[u8], cells: &[Cell]| {
        let keys = GateKeys { evaluation: &keys.evaluation, bridge };
        hq_plugin_tfhe::gates::pass(keys, frame, cells, CONTEXT).unwrap_err().message
    };
    assert!(pass(&keys.bridge, &frame[..frame.len() - 1], &cells).contains("cut short"));
    assert!(pass(&keys.bridge[..1000], &frame, &cells).contains("cut short"));
    assert!(pass(&keys.bridge, &frame, &[]).contains("another number of conversions"));
    assert!(pass(&keys.evaluation, &frame, &cells).contains("evaluation keys"));
    let secret = &keys.secret;
    let other = hq_plugin_tfhe::bridge::make_key(secret, hq_plugin_sdk::frame::KeyId([1; 16]), &[0; 1024]);
    assert!(pass(&other.unwrap(), &frame, &cells).contains("belongs to key"));
    assert!(hq_plugin_tfhe::gates::open(secret, &frame, CONTEXT).is_err());
}
