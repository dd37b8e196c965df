//! Any bytes as the files of the bgv backend, bare and as the content of a frame whose checksum is right.
//! The first byte says which file; what is accepted is used, and nothing may panic.
#![no_main]

use std::sync::OnceLock;

use hq_fuzz::{Files, parameters, refused};
use hq_plugin_sdk::backend::Session as _;
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use libfuzzer_sys::{Corpus, fuzz_target};

fn files() -> &'static [Files; 2] {
    static FILES: OnceLock<[Files; 2]> = OnceLock::new();
    FILES.get_or_init(|| parameters().map(|parameters| Files::new(&parameters)))
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((&tag, content)) = data.split_first() else { return Corpus::Reject };
    let Some(files) = files().get(usize::from(tag >> 7)) else { return Corpus::Reject };
    let id = frame::split(&files.evaluation).expect("a fresh key").0.key;
    let sealed = |kind| frame::seal(kind, id, content);
    match tag & 7 {
        0 => {
            let _ = frame::frame_bytes(content);
            if let Ok((frame, rest)) = frame::split(content) {
                let again = [frame::seal(frame.kind, frame.key, frame.payload).as_slice(), rest].concat();
                assert_eq!(again, content, "seal and split are inverses");
            }
            for kind in [Kind::EvaluationKey, Kind::Ciphertext, Kind::Sums, Kind::SecretKey] {
                let _ = frame::open(content, kind);
            }
        }
        1 => evaluation_key(files, &named_by_content(content)),
        2 => secret_key(files, &sealed(Kind::SecretKey)),
        3 => ciphertext(files, &sealed(Kind::Ciphertext)),
        4 => drop(refused(files.key.decrypt(&sealed(Kind::Sums)))),
        5 => {
            evaluation_key(files, content);
            secret_key(files, content);
            ciphertext(files, content);
            drop(refused(files.key.decrypt(content)));
        }
        _ => return Corpus::Reject,
    }
    Corpus::Keep
});

/// An evaluation key is named by the digest of its content.
fn named_by_content(content: &[u8]) -> Vec<u8> {
    let id = blake3::hash(content).as_bytes().first_chunk().copied().expect("a digest is long enough");
    frame::seal(Kind::EvaluationKey, KeyId(id), content)
}

fn evaluation_key(files: &Files, bytes: &[u8]) {
    let Some(mut session) = refused(files.evaluator.open(&files.plan, bytes)) else { return };
    if refused(session.block(&files.inputs())).is_some() {
        let sums = refused(session.finish()).expect("a session with a block has sums");
        let opened = refused(files.key.decrypt(&sums));
        assert_eq!(opened.map(|sums| sums.len()), Some(files.plan.sums.len()));
    }
}

fn secret_key(files: &Files, bytes: &[u8]) {
    let Some(key) = refused(files.custody.load_key(bytes)) else { return };
    let _ = refused(key.encrypt(&[1, 2, 3]));
    let _ = refused(key.decrypt(&files.sums));
}

fn ciphertext(files: &Files, bytes: &[u8]) {
    let mut session = files.evaluator.open(&files.plan, &files.evaluation).expect("a fresh key");
    let [_, second] = files.inputs()[..] else { return };
    let _ = refused(session.block(&[bytes, second]));
    let _ = refused(session.block(&[second, bytes]));
    let sums = session.finish().expect("a few sums");
    let _ = files.key.decrypt(&sums).expect("its own result");
}
