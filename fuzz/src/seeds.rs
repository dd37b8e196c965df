//! Writes the first inputs of each target into the folder `HQ_FUZZ_SEEDS`. Programs come from the repository's
//! queries and schemas, plans from lowering them, files from a small key pair. It is no target, but code built
//! with coverage links with libFuzzer only, so it ends before the first input.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use hq_dsl::{Loader, compile};
use hq_engine::dataset::{Manifest, PartFile, VERSION, hex_digest};
use hq_engine::encoding::{Encoding, Form};
use hq_engine::lower::lower;
use hq_engine::result_file;
use hq_fuzz::{Files, parameters};
use hq_plugin_sdk::backend::Session as _;
use hq_plugin_sdk::frame;
use hq_plugin_sdk::parameters::Parameters;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Longer plans teach the fuzzer nothing.
const MAX_PLAN_BYTES: usize = 6_000;

struct Schemas;

impl Loader for Schemas {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let text = fs::read_to_string(format!("{ROOT}/tests/schemas/{module}.hq")).ok()?;
        Some((format!("{module}.hq"), text))
    }
}

libfuzzer_sys::fuzz_target!(
    init: write_and_end(),
    |_data: &[u8]| {}
);

fn write_and_end() {
    if let Err(error) = write_seeds() {
        eprintln!("seeds: {error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn write_seeds() -> io::Result<()> {
    let folder = std::env::var("HQ_FUZZ_SEEDS").unwrap_or_else(|_| "seeds".to_owned());
    let folder = Path::new(&folder);
    for target in ["program", "plan", "circuit", "files", "stored", "abi"] {
        fs::create_dir_all(folder.join(target))?;
    }
    let write = |target: &str, name: &str, bytes: &[u8]| fs::write(folder.join(target).join(name), bytes);
    for source in ["tests/queries", "tests/schemas", "stdlib", "dsl/tests/programs"] {
        let Ok(entries) = fs::read_dir(format!("{ROOT}/{source}")) else { continue };
        for entry in entries {
            let path = entry?.path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            write("program", &name, text.as_bytes())?;
            for query in compile("seed.hq", &text, &[], &Schemas).queries {
                let Ok(circuit) = lower(&query) else { continue };
                let plan = circuit.to_string();
                if plan.len() <= MAX_PLAN_BYTES {
                    write("plan", &name, plan.as_bytes())?;
                    write("circuit", &name, plan.as_bytes())?;
                }
            }
        }
    }
    let small = "hq-plan 1\nrows 9\ninput a -9..9\ninput b 0..9\ninput c 0..1 one_of x\ninput d 0..1 one_of x\n\
                 %0 = input a\n%1 = input b\n%2 = member %0 {-3..-2,5..5}\n%3 = less %0 %1\n%4 = equal %0 %1\n\
                 %5 = linear 7 -2*%0 3*%1\n%6 = mul %5 %5\n%7 = linear 4\n%8 = input c\n%9 = input d\n\
                 %10 = linear 0 1*%8 1*%9 in 0..1\nsum %2 0..1\nsum %6 0..2704\nsum %7 4..4\nsum %10 0..1\n\
                 aggregate 1*s0 -3*s1\n";
    write_stored(&write)?;
    write("plan", "small", small.as_bytes())?;
    write("circuit", "small", small.as_bytes())?;
    for (index, parameters) in parameters().iter().enumerate() {
        let files = Files::new(parameters);
        let high = u8::try_from(index << 7).unwrap_or(0);
        let plan = files.plan.to_string();
        write("plan", &format!("placed{index}"), plan.as_bytes())?;
        let frames = [&files.evaluation, &files.secret, &files.block[0], &files.sums];
        for (tag, bytes) in (1_u8..).zip(frames) {
            let Ok((frame, _)) = frame::split(bytes) else { continue };
            write("files", &format!("content{index}{tag}"), &[&[high | tag], frame.payload].concat())?;
            write("files", &format!("frame{index}{tag}"), &[&[high | 5], bytes.as_slice()].concat())?;
            write("files", &format!("bare{index}{tag}"), &[&[high], bytes.as_slice()].concat())?;
        }
        let Ok((sums, _)) = frame::split(&files.sums) else { continue };
        let Ok((block, _)) = frame::split(&files.block[0]) else { continue };
        let request = br#"{"ring_degree":64,"min_plaintext_modulus":65536,"modulus_bits":[40,30],"special_bits":[40],"digit_limbs":1,"relinearization_limbs":[2],"security_bits":0}"#;
        let json = serde_json::to_vec(parameters).map_err(io::Error::other)?;
        let values: Vec<u8> = [1_i64, -3, 70_000].iter().flat_map(|value| value.to_le_bytes()).collect();
        let state = files
            .evaluator
            .open(&files.plan, &files.evaluation)
            .and_then(|session| session.save())
            .map_err(io::Error::other)?;
        let Ok((state, _)) = frame::split(&state) else { continue };
        let contents: [&[u8]; 11] = [
            &[],
            block.payload,
            plan.as_bytes(),
            request,
            &json,
            &[],
            sums.payload,
            &values,
            &[],
            &[],
            state.payload,
        ];
        let mut session = Vec::new();
        for (tag, content) in (0_u8..).zip(contents) {
            let mut command = vec![tag];
            command.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_le_bytes());
            command.extend_from_slice(content);
            write("abi", &format!("call{index}{tag}"), &command)?;
            session.extend(command);
        }
        write("abi", &format!("session{index}"), &session)?;
    }
    Ok(())
}

/// A manifest of one empty part, named as the target's folder names it, and the header of a result.
fn write_stored(write: &dyn Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let [rns, _] = parameters();
    let parameters = Parameters::Rns(rns);
    let (empty, columns) = (
        hex_digest(b""),
        BTreeMap::from([(
            "age".to_owned(),
            Encoding { lo: 0, hi: 1, optional: false, forms: vec![Form::Bits] },
        )]),
    );
    let part = PartFile { file: "age.bit0.hqc".to_owned(), bytes: 0, digest: empty.clone() };
    let manifest = Manifest {
        version: VERSION,
        dataset: "d".to_owned(),
        backend: "bgv".to_owned(),
        key_id: "00".repeat(8),
        parameters: parameters.clone(),
        gates: None,
        tables: 1,
        blocks: 0,
        schema_digest: empty,
        columns: columns.clone(),
        parts: BTreeMap::from([("age.bit0".to_owned(), part)]),
    };
    let program = result_file::ProgramRecord {
        name: String::new(),
        text: String::new(),
        modules: BTreeMap::new(),
        functions: BTreeMap::new(),
        params: Vec::new(),
        queries: vec!["q".to_owned()],
    };
    let header = result_file::Header {
        programs: vec![program],
        dataset: "d".to_owned(),
        backend: ("bgv".to_owned(), "0".to_owned()),
        backend_blake3: None,
        parameters,
        columns,
        manifest_blake3: String::new(),
        plan_blake3: String::new(),
        certificate: None,
        cost: result_file::Cost { server_s: 0.0, server_cpu_s: 0.0, upload_bytes: 0, blocks: 1 },
    };
    let tagged = |tag: u8, json: serde_json::Result<Vec<u8>>| Ok::<_, io::Error>([vec![tag], json?].concat());
    write("stored", "manifest", &tagged(3, serde_json::to_vec(&manifest))?)?;
    write("stored", "header", &tagged(2, serde_json::to_vec(&header))?)
}
