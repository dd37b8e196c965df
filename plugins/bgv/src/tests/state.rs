//! Sessions that are split, saved and fed with damaged blocks; norms of fresh values.

use hq_plugin_sdk::frame::{self, Kind};

use super::*;
use crate::encrypt::norm_limit;
use crate::error::{Error, WireError};
use crate::prepare::Prepared;
use crate::region::Program;
use crate::schedule::Schedule;

fn parameters() -> RnsParameters {
    request(256, 1 << 17, &[40, 36, 36, 36, 36], &[45, 45], 2, 0)
}

fn blocks(keys: &mut Keys, count: usize) -> Vec<Vec<Vec<u8>>> {
    let table = rows(count * 256);
    table.chunks(256).map(|block| encrypt_rows(keys, block)).collect()
}

fn run(session: &mut Session, block: &[Vec<u8>]) -> Result<(), Error> {
    session.block(&block.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn opened(keys: &Keys, session: &mut Session) -> Vec<i64> {
    decrypt(&keys.secret, &session.finish().unwrap()).unwrap()
}

#[test]
fn split_saved_and_plain_runs_have_the_same_sums() {
    let rns = parameters();
    let mut keys = keys(&rns, 6);
    let plan = circuit(&rns, 10, 1);
    let open = || Session::open(&plan, Arc::clone(&keys.evaluation), Mode::Fast).unwrap();
    let (mut plain, mut split, mut saved) = (open(), open(), open());
    let blocks = blocks(&mut keys, 5);
    blocks.iter().for_each(|block| run(&mut plain, block).unwrap());

    let mut other = split.fork();
    for (index, block) in blocks.iter().enumerate() {
        run(if index % 2 == 0 { &mut split } else { &mut other }, block).unwrap();
    }
    split.absorb(other).unwrap();
    assert_eq!(split.save(), plain.save());

    for block in &blocks {
        let state = saved.save();
        saved = saved.fork();
        saved.restore(&state).unwrap();
        run(&mut saved, block).unwrap();
    }
    assert_eq!(saved.save(), plain.save());
    assert_eq!(opened(&keys, &mut saved), opened(&keys, &mut plain));
}

#[test]
fn a_state_of_another_plan_or_key_and_a_damaged_one_are_refused() {
    let rns = parameters();
    let mut first = keys(&rns, 6);
    let other_key = keys(&rns, 7);
    let plan = circuit(&rns, 10, 1);
    let open =
        |keys: &Keys, plan: &Plan| Session::open(plan, Arc::clone(&keys.evaluation), Mode::Fast).unwrap();
    let mut session = open(&first, &plan);
    run(&mut session, &blocks(&mut first, 1)[0]).unwrap();
    let state = session.save();
    assert_eq!(open(&other_key, &plan).restore(&state), Err(Error::StatePlan));
    assert_eq!(open(&first, &circuit(&rns, 11, 1)).restore(&state), Err(Error::StatePlan));
    assert_eq!(session.absorb(open(&other_key, &plan)), Err(Error::StatePlan));
    for length in (0..200).chain((200..state.len()).step_by(97)) {
        assert!(session.restore(&state[..length]).is_err(), "cut at {length}");
    }
    assert_eq!(session.restore(&[state.as_slice(), &[0]].concat()), Err(Error::State(WireError::Long)));
    let flipped = |at: usize| {
        let mut damaged = state.clone();
        damaged[at] ^= 0xff;
        damaged
    };
    for at in (0..57).chain(state.len() - 300..state.len()) {
        // Residues may be valid ones of other content; must not panic.
        let outcome = open(&first, &plan).restore(&flipped(at));
        assert!(outcome.is_err() || at >= 49, "byte {at}");
    }
    // A number of blocks beyond what the plan's rows fill.
    assert!(matches!(session.restore(&flipped(56)), Err(Error::TooManyBlocks { .. })));
    assert_eq!(session.save(), state);
}

#[test]
fn a_block_that_fails_leaves_no_trace() {
    let rns = parameters();
    let mut keys = keys(&rns, 8);
    let blocks = blocks(&mut keys, 2);
    let plan = circuit(&rns, 10, 0);
    for mode in [Mode::Fast, Mode::EveryNode] {
        let mut session = Session::open(&plan, Arc::clone(&keys.evaluation), mode).unwrap();
        run(&mut session, &blocks[0]).unwrap();
        let before = session.save();
        for input in 0..3 {
            // The last prime's residues are the last bytes.
            for back in [8, 9_000] {
                let mut damaged = blocks[1].clone();
                let frame = frame::open(&damaged[input], Kind::Ciphertext).unwrap();
                let (mut payload, key) = (frame.payload.to_vec(), frame.key);
                let end = payload.len() - back / 10;
                payload[end - 8..end].fill(0xff);
                payload[end - 40..end].fill(0xff);
                damaged[input] = frame::seal(Kind::Ciphertext, key, &payload);
                let Err(Error::Input { index, name, cause: WireError::Residue }) =
                    run(&mut session, &damaged)
                else {
                    panic!("a residue above its prime was taken");
                };
                assert_eq!((index, name.as_str()), (input, ["a", "b", "c"][input]));
                assert_eq!(session.save(), before);
            }
        }
        run(&mut session, &blocks[1]).unwrap();
        assert_ne!(session.save(), before);
    }
}

/// Of one block each sum is released as soon as it is whole; others use its memory.
#[test]
fn sums_of_one_block_are_right_however_they_share_memory() {
    let rns = parameters();
    let mut keys = keys(&rns, 10);
    let table = rows(256);
    let block = encrypt_rows(&mut keys, &table);
    for release in [0, 1] {
        let mut plan = circuit(&rns, 10, release);
        plan.rows = 256;
        let count = plan.nodes().len();
        for groups in 0..=plan.sums.len() {
            let schedule = Schedule::new(&plan, Mode::Fast).unwrap();
            let mut prepared = Prepared::new(&plan, schedule, Arc::clone(&keys.evaluation)).unwrap();
            assert!(prepared.one_block);
            if groups > 0 {
                prepared.program = Program::of_groups(&prepared.schedule, count, groups);
            }
            let mut session = Session::of(Arc::new(prepared));
            let (empty, mut damaged) = (session.save(), block.clone());
            damaged[2].truncate(100);
            assert!(run(&mut session, &damaged).is_err());
            damaged[2] = altered(&block[2]);
            assert!(run(&mut session, &damaged).is_err());
            assert_eq!(session.save(), empty);

            run(&mut session, &block).unwrap();
            assert!(run(&mut session, &block).is_err());
            let t = i64::try_from(keys.secret.params().t()).unwrap();
            let numbers: Vec<i64> = expected(&table, 256).iter().map(|sum| sum.rem_euclid(t)).collect();
            assert_eq!(opened(&keys, &mut session), numbers, "{groups} groups");
            let (mut restored, mut absorbing) = (session.fork(), session.fork());
            restored.restore(&session.save()).unwrap();
            assert_eq!(opened(&keys, &mut restored), numbers);
            absorbing.absorb(session.fork()).unwrap();
            assert!(opened(&keys, &mut absorbing).iter().all(|&sum| sum == 0));
            absorbing.absorb(session).unwrap();
            assert_eq!(absorbing.save(), restored.save());
            assert_eq!(opened(&keys, &mut absorbing), numbers);
        }
    }
}

/// A ciphertext whose last residues are above their prime.
fn altered(ciphertext: &[u8]) -> Vec<u8> {
    let frame = frame::open(ciphertext, Kind::Ciphertext).unwrap();
    let mut payload = frame.payload.to_vec();
    let end = payload.len();
    payload[end - 40..].fill(0xff);
    frame::seal(Kind::Ciphertext, frame.key, &payload)
}

#[test]
fn absorbed_blocks_count_against_the_plan() {
    let rns = parameters();
    let mut keys = keys(&rns, 9);
    let mut plan = circuit(&rns, 10, 1);
    plan.rows = 300;
    let mut session = Session::open(&plan, Arc::clone(&keys.evaluation), Mode::Fast).unwrap();
    let blocks = blocks(&mut keys, 3);
    let mut other = session.fork();
    run(&mut session, &blocks[0]).unwrap();
    run(&mut other, &blocks[1]).unwrap();
    run(&mut other, &blocks[2]).unwrap();
    assert_eq!(run(&mut other, &blocks[2]), Err(Error::TooManyBlocks { allowed: 2 }));
    session.absorb(other).unwrap();
    assert_eq!(session.finish(), Err(Error::TooManyBlocks { allowed: 2 }));
}

#[test]
fn rows_without_a_small_norm_are_refused() {
    let rns = request(4096, 1 << 16, &[40, 36], &[45], 1, 0);
    let mut keys = keys(&rns, 10);
    let params = Arc::clone(keys.secret.params());
    // Coefficients that follow a root of unity, seen from the slots.
    let half = i64::try_from(params.t() / 2).unwrap();
    let wave = |k: u32| if (f64::from(k) * std::f64::consts::PI / 4096.0).cos() < 0.0 { -half } else { half };
    let q = params.plaintext().q;
    let mut slots: Vec<u64> = (0..4096).map(|k| q.residue(i128::from(wave(k)))).collect();
    params.plaintext().transform.forward(&mut slots);
    let t = i64::try_from(params.t()).unwrap();
    let values: Vec<i64> =
        slots.iter().map(|&v| i64::try_from(v).unwrap()).map(|v| if v > t / 2 { v - t } else { v }).collect();
    let refused = encrypt(&keys.secret, &values, 2, &mut keys.rng);
    assert_eq!(refused, Err(Error::FreshNorm));
    let error = hq_plugin_sdk::backend::BackendError::from(Error::FreshNorm);
    assert!(
        error.fault == hq_plugin_sdk::backend::Fault::Input && error.message.contains("shuffle the rows")
    );
    // The same values in another order, and constants, are fine.
    let mut shuffled = values;
    shuffled.sort_by_key(|value| value.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()));
    for column in [shuffled, vec![1; 4096], vec![0; 4096], (0..4096).map(|row| row % 2).collect()] {
        assert!(encrypt(&keys.secret, &column, 2, &mut keys.rng).is_ok());
    }
    assert!(norm_limit(&params) > 4.0 * 65537.0 * 64.0 * 3.19);
}
