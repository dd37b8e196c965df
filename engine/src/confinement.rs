//! What a process that loads a plugin may do from then on: read what it computes with, write its folder if it has one, and use
//! the processor for a while. Workers of the service and processes apart (`apart`) have the same rules.

#[cfg(not(target_os = "linux"))]
use std::path::Path;

/// Why a process is not confined; it must not load anything then.
#[derive(Debug, thiserror::Error)]
#[error("this process cannot be confined, so it loads no plugin: {reason}")]
pub struct Unconfined {
    reason: String,
}

impl Unconfined {
    fn of(error: impl std::fmt::Display) -> Self {
        Self { reason: error.to_string() }
    }
}

/// What a process may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// CPU seconds.
    pub cpu_s: u64,
}

#[cfg(target_os = "linux")]
pub use linux::{confine, limit};

/// Bounds memory and time, and has no core dumped; the bounds hold for processes that it begins too.
///
/// # Errors
/// Never, but on Linux.
#[cfg(not(target_os = "linux"))]
pub fn limit(_: Limits) -> Result<(), Unconfined> {
    Ok(())
}

/// Nothing is refused on this system.
///
/// # Errors
/// Never, but on Linux.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &[&Path], _: Option<&Path>) -> Result<(), Unconfined> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::path::Path;

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
        path_beneath_rules,
    };
    use rustix::process::{Resource, Rlimit, setrlimit};
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch,
    };

    use super::{Limits, Unconfined};

    /// What loaders, allocators and thread pools read.
    const SYSTEM: &[&str] = &[
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        "/proc/self",
        "/sys/devices/system/cpu",
        "/sys/fs/cgroup",
        "/sys/kernel/mm",
        "/dev/urandom",
    ];

    /// Calls that are refused: other processes, programs and sockets, the kernel's own workings, and ways around the rules.
    const REFUSED: &[libc::c_long] = &[
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_kill,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_send_signal,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_open_by_handle_at,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_fork,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork,
    ];

    /// Bounds memory and time, and has no core dumped; the bounds hold for processes that it begins too.
    ///
    /// # Errors
    /// Bounds above those that hold already.
    pub fn limit(limits: Limits) -> Result<(), Unconfined> {
        let bounds =
            [(Resource::As, limits.memory_bytes), (Resource::Cpu, limits.cpu_s), (Resource::Core, 0)];
        for (resource, most) in bounds {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
                .map_err(|error| Unconfined::of(format!("a limit cannot be set: {error}")))?;
        }
        Ok(())
    }

    /// Confines this thread and those that it begins: `read` stays readable, `write` is the one folder that can be written. A kernel
    /// without landlock leaves the rules about files out.
    ///
    /// # Errors
    /// What the kernel does not do.
    pub fn confine(read: &[&Path], write: Option<&Path>) -> Result<(), Unconfined> {
        files(read, write).map_err(Unconfined::of)?;
        calls().map_err(Unconfined::of)
    }

    fn files(read: &[&Path], write: Option<&Path>) -> Result<(), landlock::RulesetError> {
        let abi = ABI::V4;
        let read = SYSTEM.iter().map(Path::new).chain(read.iter().copied());
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(read, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(write, AccessFs::from_all(abi)))?
            .restrict_self()
            .map(drop)
    }

    fn calls() -> Result<(), Box<dyn std::error::Error>> {
        let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
            REFUSED.iter().map(|call| (*call, Vec::new())).collect();
        // Threads are begun with this flag, processes without it.
        let thread = u64::try_from(libc::CLONE_THREAD)?;
        let process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
        refused.insert(libc::SYS_clone, vec![SeccompRule::new(vec![process])?]);
        apply(refused, libc::EPERM)?;
        // Its flags cannot be looked at; who is told that there is no such call uses the other.
        apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
    }

    fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<(), Box<dyn std::error::Error>> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let error = u32::try_from(error)?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(error), arch)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(seccompiler::apply_filter(&program)?)
    }

    #[cfg(test)]
    mod tests {
        #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

        use std::fs;
        use std::net::{TcpListener, TcpStream, UdpSocket};
        use std::os::unix::net::UnixStream;
        use std::process::Command;

        use super::*;

        #[test]
        fn a_confined_thread_computes_and_does_nothing_else() {
            let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (given, secret) = (outside.path().join("given"), outside.path().join("secret"));
            for path in [&given, &secret] {
                fs::write(path, "content").unwrap();
            }
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let folder = inside.path().to_owned();
            let confined = std::thread::spawn(move || {
                confine(&[&given], Some(&folder)).unwrap();
                let own = folder.join("own");
                fs::write(&own, "x").unwrap();
                assert_eq!(fs::read(&given).unwrap(), b"content");
                assert_eq!(std::thread::spawn(|| 1 + 1).join().unwrap(), 2);
                let refused = [
                    fs::read(&secret).map(drop),
                    fs::read("/etc/passwd").map(drop),
                    fs::write(&given, "y"),
                    fs::rename(&own, secret.with_file_name("moved")),
                    TcpStream::connect(address).map(drop),
                    UdpSocket::bind("127.0.0.1:0").map(drop),
                    UnixStream::pair().map(drop),
                    Command::new("/bin/true").status().map(drop),
                    // Threads that it begins are confined as well.
                    std::thread::spawn(move || fs::read(&secret).map(drop)).join().unwrap(),
                ];
                for (index, refusal) in refused.into_iter().enumerate() {
                    let error = refusal.unwrap_err();
                    assert!(
                        matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::EXDEV)),
                        "{index}: {error}"
                    );
                }
            });
            confined.join().unwrap();
        }
    }
}
