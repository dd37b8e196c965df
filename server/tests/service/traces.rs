//! Spans that go to a collector: what was asked and how it ended, and nothing of a program or a value.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::clinic::{PROGRAM, await_computed, opened, owner_of};
use crate::people::has_client;
use crate::process::Process;

/// Takes one request after the other; their bodies go where the test is.
fn collect(listener: TcpListener, bodies: Sender<Vec<u8>>) {
    for stream in listener.incoming() {
        let (stream, bodies) = (stream.unwrap(), bodies.clone());
        std::thread::spawn(move || {
            while let Some(body) = take(&stream) {
                if bodies.send(body).is_err() {
                    return;
                }
            }
        });
    }
}

fn take(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    Some(body)
}

#[test]
fn requests_and_jobs_are_told_to_a_collector() {
    if !has_client("clear") {
        return;
    }
    const ROWS: usize = 300;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("traces = \"http://{}/v1/traces\"", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    std::thread::spawn(move || collect(listener, sender));
    let often = ("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "100".to_owned());
    let service = Process::with(&settings, vec![often], 1 << 16);
    let owner = owner_of(service.person("owner"), "clear", ROWS);
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let ada = service.person("ada");
    ada.write("smokers.hq", PROGRAM);
    let job = ada.ok("submit smokers.hq --dataset clinic --purpose secrecy --detach").trim().to_owned();
    await_computed(&ada, &job);
    opened(&owner, &ada, &job, ROWS);

    let (mut told, end) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    let is_told = |told: &[u8], word: &str| memchr::memmem::find(told, word.as_bytes()).is_some();
    let wanted =
        ["hq-server", "POST /v1/datasets/{dataset}/jobs", "PUT /v1/jobs/{job}/release", "finished", &job];
    while !wanted.iter().all(|word| is_told(&told, word)) {
        let missing: Vec<_> = wanted.iter().filter(|word| !is_told(&told, word)).collect();
        assert!(Instant::now() < end, "not told: {missing:?}");
        if let Ok(body) = bodies.recv_timeout(Duration::from_secs(1)) {
            told.extend(body);
        }
    }
    for word in ["secrecy", "query smokers", "Bearer", "ada"] {
        assert!(!is_told(&told, word), "{word} is told");
    }
}
