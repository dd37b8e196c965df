//! A library that does what it should not as soon as it is loaded, and writes into its working folder what became of that.
#![expect(unsafe_code, reason = "what is begun when a library is loaded stands in a section of its own")]

use std::fmt::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::{env, fs, io, process};

#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    // A job's folder is data/work/JOB: the keys of the service stand two folders above.
    let folder = env::current_dir().unwrap_or_default();
    let data = folder.parent().and_then(|work| work.parent()).unwrap_or(&folder);
    let tried: [(&str, io::Result<()>); 7] = [
        ("read the master key", fs::read(data.join("master.key")).map(drop)),
        ("read the database", fs::read(data.join("hq.sqlite")).map(drop)),
        ("read a file of the system", fs::read("/etc/passwd").map(drop)),
        ("write an object", fs::write(data.join("objects/own"), "x")),
        ("connect", TcpStream::connect("127.0.0.1:80").map(drop)),
        ("send", UdpSocket::bind("127.0.0.1:0").and(UnixStream::pair()).map(drop)),
        ("start a program", process::Command::new("/bin/true").status().map(drop)),
    ];
    let mut text = String::new();
    for (what, outcome) in tried {
        let refused = outcome.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let _ = writeln!(text, "{what}: {}", if refused { "refused" } else { "DONE" });
    }
    let _ = fs::write("probe", text);
}
