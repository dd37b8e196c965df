#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use super::*;
use crate::run::BlockSource;
use hq_plugin_sdk::frame::{KeyId, Kind};
use hq_plugin_sdk::plan::{Builder, Input, Origin};
use hq_plugin_sdk::range::Range;

const SCHEMA_TEXT: &str = "dataset d { rows <= 10  a: bool  b: bool }\n";

/// Two parts of three blocks.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let parts = ["a", "b"].map(|part| {
            let file = part_file_name(part).unwrap();
            let (mut bytes, mut digest) = (Vec::new(), PartDigest::default());
            for block in 0..3_u8 {
                let frame = frame::seal(Kind::Ciphertext, KeyId([1; 16]), &[part.as_bytes()[0], block]);
                digest.add(&frame);
                bytes.extend(frame);
            }
            fs::write(folder.path(&file), &bytes).unwrap();
            let part_file = PartFile { file, bytes: bytes.len() as u64, digest: digest.finish() };
            (part.to_owned(), part_file)
        });
        let manifest = Manifest {
            version: VERSION,
            dataset: "d".to_owned(),
            backend: "clear".to_owned(),
            key_id: "01".repeat(16),
            parameters: Parameters::Clear { rows_per_block: 4 },
            gates: None,
            tables: 1,
            blocks: 3,
            schema_digest: hex_digest(SCHEMA_TEXT.as_bytes()),
            columns: BTreeMap::new(),
            parts: parts.into_iter().collect(),
        };
        write_manifest(folder.0.path(), &manifest, SCHEMA_TEXT).unwrap();
        folder
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }

    /// Alters the manifest, with a digest that fits.
    fn alter(&self, change: impl FnOnce(&mut Manifest)) {
        let mut manifest: Manifest = serde_json::from_slice(&self.bytes(MANIFEST)).unwrap();
        change(&mut manifest);
        write_manifest(self.0.path(), &manifest, SCHEMA_TEXT).unwrap();
    }

    /// Both parts, opened.
    fn source(&self) -> Result<DatasetBlocks, SourceError> {
        let mut plan = Builder::new(10);
        for name in ["a", "b"] {
            plan.declare(Input {
                name: name.to_owned(),
                range: Range::BOOL,
                family: None,
                origin: Origin::Table,
            });
        }
        DatasetFolder::open(self.0.path())?.blocks(&plan.finish())
    }

    /// All blocks of both parts, read from the last to the first.
    fn read(&self) -> Result<Vec<Vec<Vec<u8>>>, SourceError> {
        let mut source = self.source()?;
        let mut blocks = (0..source.blocks())
            .rev()
            .map(|block| looked_at(&mut source, block))
            .collect::<Result<Vec<_>, _>>()?;
        blocks.reverse();
        Ok(blocks)
    }

    /// Why it cannot be read.
    fn refusal(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

/// A block whose frames are opened, as a backend would.
fn looked_at(source: &mut DatasetBlocks, block: u64) -> Result<Vec<Vec<u8>>, SourceError> {
    let mut frames = vec![vec![9; 100]];
    source.block(block, &mut frames)?;
    source.blame(block, &frames).map_or(Ok(frames), Err)
}

#[test]
fn blocks_come_in_any_order() {
    let folder = Folder::new();
    let blocks = folder.read().unwrap();
    assert_eq!(blocks.len(), 3);
    for (index, block) in (0_u8..).zip(&blocks) {
        let payload = |part: usize| frame::open(&block[part], Kind::Ciphertext).unwrap().payload.to_vec();
        assert_eq!((payload(0), payload(1)), (vec![b'a', index], vec![b'b', index]));
    }
}

#[test]
fn exchanged_files_and_blocks_are_noticed() {
    let folder = Folder::new();
    let (a, b) = (folder.bytes("a.hqc"), folder.bytes("b.hqc"));
    fs::write(folder.path("a.hqc"), &b).unwrap();
    fs::write(folder.path("b.hqc"), &a).unwrap();
    let refusal = folder.refusal();
    assert!(refusal.contains("a.hqc: is not the file that the manifest names"), "{refusal}");

    let folder = Folder::new();
    let frame = a.len() / 3;
    let turned = [&a[frame..2 * frame], &a[..frame], &a[2 * frame..]].concat();
    fs::write(folder.path("a.hqc"), turned).unwrap();
    assert!(folder.refusal().contains("a.hqc: is not the file"));
}

#[test]
fn any_flipped_bit_names_file_and_block() {
    let folder = Folder::new();
    let good = folder.bytes("b.hqc");
    let frame = good.len() / 3;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(folder.path("b.hqc"), &bad).unwrap();
        let refusal = folder.refusal();
        assert!(refusal.contains(&format!("b.hqc: block {}: ", at / frame)), "{at}: {refusal}");
    }
}

#[test]
fn bytes_too_few_and_too_many_are_noticed() {
    let folder = Folder::new();
    let good = folder.bytes("a.hqc");
    fs::write(folder.path("a.hqc"), &good[..good.len() - 1]).unwrap();
    assert!(folder.refusal().contains("a.hqc: is 197 bytes long, the manifest says 198"));
    // Also where the manifest is altered in the same way.
    let shorter = |manifest: &mut Manifest, bytes: u64| {
        manifest.parts.entry("a".to_owned()).and_modify(|part| part.bytes = bytes);
    };
    folder.alter(|manifest| shorter(manifest, 197));
    assert!(folder.refusal().contains("a.hqc: block 2: it is cut short"));
    fs::write(folder.path("a.hqc"), [good.as_slice(), b"more"].concat()).unwrap();
    folder.alter(|manifest| shorter(manifest, 202));
    assert!(folder.refusal().contains("a.hqc: goes on after its last block"));
    folder.alter(|manifest| manifest.blocks = 0);
    assert!(folder.refusal().contains("manifest.json: says that there are no blocks"));
}

#[test]
fn what_changes_after_the_opening_is_noticed() {
    let folder = Folder::new();
    let good = folder.bytes("a.hqc");
    let mut source = folder.source().unwrap();
    looked_at(&mut source, 2).unwrap();
    let frame = good.len() / 3;
    // One block instead of another, both intact.
    fs::write(folder.path("a.hqc"), [&good[frame..2 * frame], &good[frame..]].concat()).unwrap();
    let refusal = looked_at(&mut source, 0).unwrap_err().to_string();
    assert!(refusal.contains("a.hqc: block 0: it was altered after the dataset was opened"), "{refusal}");
    looked_at(&mut source, 1).unwrap();
    fs::write(folder.path("a.hqc"), &good[..2 * frame]).unwrap();
    let refusal = looked_at(&mut source, 2).unwrap_err().to_string();
    assert!(refusal.contains("a.hqc: block 2: it is cut short"), "{refusal}");
    assert!(looked_at(&mut source, 3).unwrap_err().to_string().contains("block 3: there is no such block"));
}

#[test]
fn datasets_of_another_version_are_refused_with_the_way_out() {
    let folder = Folder::new();
    folder.alter(|manifest| manifest.version = 1);
    let refusal = folder.refusal();
    assert!(refusal.contains("has version 1, this program reads 2: encrypt the table again"), "{refusal}");
}

#[test]
fn manifest_and_schema_are_held_by_digests() {
    let folder = Folder::new();
    let text = String::from_utf8(folder.bytes(MANIFEST)).unwrap();
    fs::write(folder.path(MANIFEST), text.replace("\"blocks\": 3", "\"blocks\": 2")).unwrap();
    assert!(folder.refusal().contains("manifest.json: does not match manifest.b3"));
    let folder = Folder::new();
    fs::write(folder.path(SCHEMA), SCHEMA_TEXT.replace("10", "11")).unwrap();
    assert!(folder.refusal().contains("schema.hq: is not the schema"));
    let folder = Folder::new();
    fs::remove_file(folder.path(MANIFEST_DIGEST)).unwrap();
    assert!(folder.refusal().contains("manifest.b3"));
}

#[test]
fn a_manifest_is_replaced_as_a_whole() {
    let folder = Folder::new();
    let open = || DatasetFolder::open(folder.0.path());
    let before = folder.bytes(MANIFEST);
    let (first, second) = (open().unwrap(), open().unwrap());
    let old = first.digest().to_owned();
    let mut more = first.manifest().clone();
    more.parts.retain(|part, _| part == "a");
    first.replace_manifest(&more).unwrap();
    let found = open().unwrap();
    assert_eq!(found.manifest(), &more);
    // Whoever opened the old one does not undo it.
    let refusal = second.replace_manifest(&more).unwrap_err().to_string();
    assert!(refusal.contains("manifest.json: was changed meanwhile"), "{refusal}");

    // Stopped at any place, the folder is the old dataset or the new one.
    let (after, new) = (folder.bytes(MANIFEST), found.digest().to_owned());
    fs::write(folder.path(MANIFEST_DIGEST), format!("{old}\n{new}\n")).unwrap();
    assert_eq!(open().unwrap().digest(), new);
    fs::write(folder.path(MANIFEST), &before).unwrap();
    assert_eq!(open().unwrap().digest(), old);
    fs::write(folder.path(MANIFEST), [b" ", after.as_slice()].concat()).unwrap();
    assert!(open().unwrap_err().to_string().contains("does not match manifest.b3"));
}
