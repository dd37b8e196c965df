//! Any bytes as what stands around ciphertexts: the header of a result, with its frame right or not, that of a
//! checkpoint, and the manifest of a dataset's folder, with its digest right. Nothing may panic, and what is read is written again.
#![no_main]

use std::fs;

use hq_engine::checkpoint::{self, Identity};
use hq_engine::dataset::{DatasetFolder, hex_digest};
use hq_engine::result_file;
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((&tag, content)) = data.split_first() else { return Corpus::Reject };
    match tag % 5 {
        0 => result(content),
        1 => result(&frame::seal(Kind::Result, KeyId::default(), content)),
        2 => {
            // A header of any content, then sums that are a frame.
            let sums = frame::seal(Kind::Sums, KeyId::default(), b"sums");
            let length = u64::try_from(content.len()).expect("a length");
            let parts: [&[u8]; 4] = [&1_u32.to_le_bytes(), &length.to_le_bytes(), content, &sums];
            result(&frame::seal(Kind::Result, KeyId::default(), &parts.concat()));
        }
        3 => manifest(content),
        _ => {
            let identity = Identity {
                key: KeyId::default(),
                plan: String::new(),
                dataset: String::new(),
                parameters: String::new(),
            };
            let sealed = frame::seal(Kind::Checkpoint, KeyId::default(), content);
            if let Ok(saved) = checkpoint::read(&sealed, &identity) {
                let written = checkpoint::write(&identity, &saved).expect("what was read can be written");
                assert!(checkpoint::read(&written, &identity).is_ok());
            }
        }
    }
    Corpus::Keep
});

fn result(bytes: &[u8]) {
    let Ok(read) = result_file::read(bytes) else { return };
    let written = result_file::write(&read).expect("what was read can be written");
    let again = result_file::read(&written).expect("what was written can be read");
    assert_eq!((again.key, again.sums), (read.key, read.sums));
}

fn manifest(text: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).expect("a file");
    write("manifest.json", text);
    write("manifest.b3", format!("{}\n", hex_digest(text)).as_bytes());
    write("schema.hq", b"");
    write("age.bit0.hqc", b"");
    if let Ok(dataset) = DatasetFolder::open(folder.path()) {
        let _ = (dataset.manifest(), dataset.schema(), dataset.encodings());
    }
}
