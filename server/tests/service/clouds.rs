//! Objects in buckets of S3 and of Google's cloud: what is there for a folder is there for them, uploads, computations, copies,
//! erasing, and what a killed service leaves behind. Both are at `moto`, which speaks S3's dialect; Google's client uses the XML API,
//! whose calls are the same for objects and lists. Without `moto` (`scripts/clouds`), the tests say so and pass.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::clinic::{PROGRAM, opened, owner_of, smokers};
use crate::people::{has_client, repository};
use crate::process::{Kills, Process, until_done};

const BUCKET: &str = "hqtest";
const ROWS: usize = 3_000;
const CHUNK_BYTES: u64 = 1 << 14;

/// Which cloud.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    S3,
    Google,
}

/// A cloud on this machine, with an empty bucket.
struct Cloud {
    kind: Kind,
    address: String,
    child: Child,
}

fn program(name: &str) -> Option<PathBuf> {
    let here = repository("target/clouds/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([here]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is needed: `scripts/clouds` installs it");
    }
    found
}

impl Cloud {
    fn new(kind: Kind) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let address = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(program("moto_server")?);
        command.args(["-H", "127.0.0.1", "-p", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        let cloud = Self { kind, address, child: command.spawn().unwrap() };
        let end = Instant::now() + Duration::from_secs(60);
        while ureq::put(format!("{}/{BUCKET}", cloud.address)).send_empty().is_err() {
            assert!(Instant::now() < end, "{} does not answer", cloud.address);
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(cloud)
    }

    fn put(&self, name: &str) {
        ureq::put(format!("{}/{BUCKET}/{name}", self.address)).send("x").unwrap();
    }

    /// Names of all objects.
    fn names(&self) -> Vec<String> {
        let url = format!("{}/{BUCKET}?list-type=2&max-keys=1000", self.address);
        let text = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
        let keys = text.split("<Key>").skip(1);
        keys.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }

    /// Names that begin so.
    fn count(&self, prefix: &str) -> usize {
        self.names().iter().filter(|name| name.starts_with(prefix)).count()
    }

    fn objects(&self, prefix: &str) -> String {
        let scheme = if self.kind == Kind::S3 { "s3" } else { "gs" };
        format!("objects = \"{scheme}://{BUCKET}/{prefix}\"")
    }

    /// As an operator sets them.
    fn variables(&self, plain: &str) -> Vec<(String, String)> {
        let variables: &[(&str, &str)] = match self.kind {
            Kind::S3 => &[
                ("AWS_ENDPOINT", &self.address),
                ("AWS_ALLOW_HTTP", plain),
                ("AWS_ACCESS_KEY_ID", "known-to-the-service"),
                ("AWS_SECRET_ACCESS_KEY", "secret-of-the-service"),
                ("AWS_REGION", "us-east-1"),
            ],
            Kind::Google => &[
                ("GOOGLE_BASE_URL", &self.address),
                ("GOOGLE_ALLOW_HTTP", plain),
                // `moto` looks for a region in it.
                ("GOOGLE_BEARER_TOKEN", "Credential=a/20261128/us-east-1/s3/aws4_request"),
            ],
        };
        variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn in_a_bucket(kind: Kind) {
    if !has_client("clear") {
        return;
    }
    let Some(cloud) = Cloud::new(kind) else { return };
    let mut service = Process::with(&cloud.objects("one/place"), cloud.variables("true"), CHUNK_BYTES);
    let mut kills = Kills::new(3);
    let owner = owner_of(service.person("owner"), "clear", ROWS);
    let ada = service.person("ada");
    ada.write("smokers.hq", PROGRAM);
    until_done(
        &mut service,
        &mut kills,
        &owner,
        "publish data --keys keys --researcher ada --custodian owner",
    );
    let chunks = cloud.count("one/place/datasets/clinic/1/");
    assert!(chunks > 3, "{chunks} chunks");
    assert!(!service.folder.path().join("data/objects").exists(), "nothing is beside the bucket");

    // Left over by a service that was killed, and of others.
    let orphans =
        ["clinic/results/gone", "clinic/parameters/gone", "clinic/2/age.hqc/0", "other/1/age.hqc/0"];
    for orphan in orphans {
        cloud.put(&format!("one/place/datasets/{orphan}"));
    }
    for foreign in ["one/place/README", "one/datasets/clinic/1/x", "datasets/clinic/1/x"] {
        cloud.put(foreign);
    }
    let submit = "submit smokers.hq --dataset clinic --purpose trial --detach --idempotency-key the-only-one";
    let job = until_done(&mut service, &mut kills, &ada, submit).trim().to_owned();
    until_done(&mut service, &mut kills, &ada, &format!("jobs watch {job}"));
    service.kill_and_begin();
    let mut kept: Vec<String> = cloud.names();
    kept.retain(|name| !name.starts_with("one/place/datasets/clinic/1/"));
    let result = format!("one/place/datasets/clinic/results/{job}");
    let wanted = ["datasets/clinic/1/x", "one/datasets/clinic/1/x", "one/place/README", &result];
    kept.sort();
    assert_eq!(kept, wanted);
    opened(&owner, &ada, &job, ROWS);

    // A copy, and its way back into another place.
    let (copy, keys) = (service.folder.path().join("copy"), service.folder.path().join("keys.json"));
    let [copy, keys] = [&copy, &keys].map(|path| path.to_str().unwrap());
    let backup = ["backup", copy, "--keys", keys];
    assert!(done(service.program(&backup)).contains(&format!("{} objects copied", chunks + 2)));
    assert!(done(service.program(&backup)).contains(": 0 objects copied"));
    service.kill();
    let again = service.again(&cloud.objects("another"));
    assert!(done(again.program(&["restore", copy, "--keys", keys])).contains("restored; 0 datasets"));
    assert_eq!(cloud.count("another/datasets/clinic/"), chunks + 2);
    let mut again = again;
    again.begin();
    for person in [&owner, &ada] {
        again.login(person);
    }
    let found = ada.json(&format!("result {job} --format json"));
    assert_eq!(found["groups"][0]["report"]["n"], smokers(ROWS)[0]);

    let receipt = owner.ok("erase clinic --yes");
    assert!(receipt.contains(&(chunks + 2).to_string()), "{receipt}");
    assert_eq!(cloud.count("another/"), 0);
    assert_eq!(cloud.count("one/place/datasets/"), chunks + 2, "another place is another's");
}

#[test]
fn in_a_bucket_of_s3_everything_is_as_in_a_folder() {
    in_a_bucket(Kind::S3);
}

#[test]
fn in_a_bucket_of_google_everything_is_as_in_a_folder() {
    in_a_bucket(Kind::Google);
}

/// Credentials would be read on the way.
#[test]
fn plain_http_is_spoken_where_it_is_allowed_alone() {
    for kind in [Kind::S3, Kind::Google] {
        let Some(cloud) = Cloud::new(kind) else { continue };
        for plain in ["false", ""] {
            let mut variables = cloud.variables(plain);
            variables.retain(|(_, value)| !value.is_empty());
            let service = Process::begun_not(&cloud.objects("x"), variables);
            let said = done_not(service.program(&["--dev"]));
            assert!(said.contains("AWS_ALLOW_HTTP=true"), "{said}");
        }
    }
    let service = Process::begun_not("objects = \"ftp://bucket\"", Vec::new());
    assert!(done_not(service.program(&["--dev"])).contains("s3://BUCKET/PREFIX"));
}

fn done_not(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}
