//! Damaged files of every kind: an error with a reason, never a panic, and never a wrong number taken as right.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::sync::Arc;

use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_sdk::plan::Origin;
use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;

use crate::decrypt::decrypt;
use crate::encrypt::{encrypt, encrypt_parameter};
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::key::{SecretKey, generate};
use crate::params::{Params, resolve};
use crate::sealed::Sealed;

struct Files {
    params: Arc<Params>,
    secret: SecretKey,
    evaluation: Vec<u8>,
    ciphertext: Vec<u8>,
}

fn files() -> Files {
    files_with(&[2])
}

fn files_with(relinearization_limbs: &[u32]) -> Files {
    let rns = resolve(&RnsRequest {
        ring_degree: 64,
        min_plaintext_modulus: 1 << 16,
        modulus_bits: vec![40, 30],
        special_bits: vec![40],
        digit_limbs: 1,
        relinearization_limbs: relinearization_limbs.to_vec(),
        security_bits: 0,
    })
    .unwrap();
    let params = Params::new(&rns).unwrap();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let (secret, evaluation) = generate(&params, &mut rng);
    let ciphertext = encrypt(&secret, &[1, 2, 3], 2, &mut rng).unwrap();
    Files { params, secret, evaluation, ciphertext }
}

/// Every cut, every byte changed, and every byte of the payload changed under a right checksum.
fn damage(bytes: &[u8], kind: Kind, mut read: impl FnMut(&[u8]) -> bool) {
    for length in 0..bytes.len() {
        assert!(!read(&bytes[..length]), "cut at {length}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 0x41;
        assert!(!read(&damaged), "byte {at}");
    }
    let frame = frame::open(bytes, kind).unwrap();
    for at in 0..frame.payload.len() {
        for flip in [1, 0x80, 0xff] {
            let mut payload = frame.payload.to_vec();
            payload[at] ^= flip;
            // May be a valid file of other content; must not panic.
            read(&frame::seal(kind, frame.key, &payload));
        }
        assert!(!read(&frame::seal(kind, frame.key, &frame.payload[..at])), "payload cut at {at}");
    }
    assert!(!read(&frame::seal(kind, frame.key, &[frame.payload, &[0]].concat())));
}

#[test]
fn damaged_keys_are_refused() {
    let files = files();
    damage(&files.evaluation, Kind::EvaluationKey, |bytes| EvaluationKey::from_frame(bytes).is_ok());
    let secret = files.secret.to_frame();
    assert!(SecretKey::from_frame(&secret).is_ok());
    damage(&secret, Kind::SecretKey, |bytes| SecretKey::from_frame(bytes).is_ok());
    assert!(EvaluationKey::from_frame(&secret).is_err());
    assert!(SecretKey::from_frame(&files.evaluation).is_err());
}

#[test]
fn damaged_keys_of_several_powers_are_refused() {
    let files = files_with(&[2, 2, 1]);
    let bytes = &files.evaluation;
    // Public key, relinearization keys of two digits for two powers, and of one digit for the third.
    let bits: Vec<usize> = (0..3).map(|ring| files.params.residue_bits(ring) as usize).collect();
    let key = |rings: usize| 8 * bits.iter().take(rings).sum::<usize>();
    let head = 1 + 4 + serde_json::to_vec(files.params.rns()).unwrap().len() + 32;
    let payload = frame::open(bytes, Kind::EvaluationKey).unwrap().payload;
    let third = key(1) + key(3) - key(2);
    assert_eq!(payload.len(), head + key(2) + 2 * 2 * key(3) + third);
    let none = |bytes: &[u8]| EvaluationKey::for_needs(bytes, |_| Ok(Needs::default()));
    assert!(EvaluationKey::from_frame(bytes).is_ok() && none(bytes).is_ok());
    // What is not expanded is checked as a whole.
    damage(bytes, Kind::EvaluationKey, |bytes| {
        let read = EvaluationKey::from_frame(bytes).is_ok();
        assert!(none(bytes).is_ok() || !read);
        none(bytes).is_ok()
    });
    // What was not announced is not there.
    let key = EvaluationKey::for_needs(bytes, |_| {
        let mut needs = Needs::default();
        needs.add_relinearization(4, 1);
        Ok(needs)
    });
    let key = key.unwrap();
    assert!(key.relinearization(3, 0, 0).is_ok() && key.relinearization(2, 0, 2).is_ok());
    for (power, digit, ring) in [(4, 0, 0), (3, 0, 1), (3, 1, 0), (1, 0, 0), (9, 0, 0)] {
        assert!(key.relinearization(power, digit, ring).is_err());
    }
}

#[test]
fn damaged_ciphertexts_are_refused() {
    let files = files();
    let id = files.secret.id();
    let read = |bytes: &[u8]| Sealed::open(bytes, &files.params, id, 2, Origin::Table).is_ok();
    assert!(read(&files.ciphertext));
    damage(&files.ciphertext, Kind::Ciphertext, read);
    assert!(Sealed::open(&files.ciphertext, &files.params, KeyId([1; 16]), 2, Origin::Table).is_err());
    assert!(Sealed::open(&files.ciphertext, &files.params, id, 3, Origin::Table).is_err());
    assert!(Sealed::open(&files.ciphertext, &files.params, id, 1, Origin::Table).is_ok());
}

#[test]
fn damaged_parameters_are_refused() {
    let files = files();
    let key = EvaluationKey::from_frame(&files.evaluation).unwrap();
    let parameter = encrypt_parameter(&key, 3, &mut ChaCha20Rng::from_seed([8; 32])).unwrap();
    let id = files.secret.id();
    let read = |bytes: &[u8]| Sealed::open(bytes, &files.params, id, 2, Origin::Parameter).is_ok();
    assert!(read(&parameter));
    damage(&parameter, Kind::Parameter, read);
    assert!(!read(&files.ciphertext), "a column is no parameter");
    assert!(Sealed::open(&parameter, &files.params, id, 2, Origin::Table).is_err(), "nor the other way");
}

#[test]
fn damaged_sums_are_refused() {
    let files = files();
    let key = EvaluationKey::from_frame(&files.evaluation).unwrap();
    let release = hq_plugin_sdk::plan::Release {
        level: hq_plugin_sdk::plan::Level(0),
        relinearize: hq_plugin_sdk::plan::Level(0),
        flood_bits: 4,
    };
    let sample = crate::release::Sample { body: vec![5], mask: vec![(0..64).collect()] };
    let mut sealer = crate::release::Sealer::new(&key, release, 2);
    sealer.add(&sample);
    sealer.add(&sample);
    let sums = sealer.seal();
    assert_eq!(decrypt(&files.secret, &sums).unwrap().len(), 2);
    damage(&sums, Kind::Sums, |bytes| decrypt(&files.secret, bytes).is_ok());
}
