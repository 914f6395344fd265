//! What a process that handles a stranger's document may still do: compute, and talk to its parent over its pipes.
//!
//! Two locks, both of the kernel: Landlock closes the file system but for a few folders to be read, and a seccomp filter
//! refuses the calls that a parser has no business with: sockets, other programs, other processes, writing anywhere. Either
//! holds whatever code runs. A kernel that lacks one of them is served with the other; limits of memory and time hold always.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, apply_filter_all_threads,
};

/// Where PDFium looks for fonts that a document names and does not bring.
pub(crate) const FONTS: [&str; 4] =
    ["/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/X11/fonts/Type1", "/usr/share/X11/fonts/TTF"];

/// Closes the file system for this thread, those that it starts and what they become, except for reading beneath those
/// places; with `run`, programs there may be run. Says whether the kernel does it.
pub(crate) fn close_files<P: AsRef<Path>>(readable: &[P], run: bool) -> io::Result<bool> {
    /// What the crate was tried with; newer kernels do the same.
    const KNOWN: ABI = ABI::V5;
    let run = if run { AccessFs::Execute.into() } else { landlock::BitFlags::EMPTY };
    let access = AccessFs::ReadFile | AccessFs::ReadDir | run;
    let closed = || {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .create()?;
        // Places that do not exist are left out.
        ruleset.add_rules(path_beneath_rules(readable, access))?.restrict_self()
    };
    let status = closed().map_err(io::Error::other)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Whose calls are refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of every thread of this process.
    Process,
    /// Those of this thread, and of what it becomes.
    Thread,
}

/// Refuses the calls that a parser has no business with. With `programs`, other programs and threads may be started.
pub(crate) fn refuse_calls(whose: Whose, programs: bool) -> io::Result<()> {
    let filter = filter(programs).map_err(io::Error::other)?;
    match whose {
        Whose::Process => apply_filter_all_threads(&filter),
        Whose::Thread => apply_filter(&filter),
    }
    .map_err(io::Error::other)
}

/// Calls that are refused always.
const REFUSED: &[i64] = &[
    // Networks: there is no socket, and none can be made.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_io_uring_setup,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_tkill,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // Files: nothing is written, renamed or removed, whatever Landlock the kernel has.
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_memfd_create,
    // The machine.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_personality,
];

/// The same under names that only older machines have.
#[cfg(target_arch = "x86_64")]
const REFUSED_TOO: &[i64] = &[
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_TOO: &[i64] = &[libc::SYS_renameat];

/// What starts programs, processes and threads.
const STARTING: &[i64] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_clone, libc::SYS_clone3];

#[cfg(target_arch = "x86_64")]
const STARTING_TOO: &[i64] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const STARTING_TOO: &[i64] = &[];

fn filter(programs: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let starting = STARTING.iter().chain(STARTING_TOO).filter(|_| !programs);
    for call in REFUSED.iter().chain(REFUSED_TOO).chain(starting) {
        rules.insert(*call, Vec::new());
    }
    // Signals go to this process alone: it ends itself with one.
    let own = u64::from(std::process::id());
    let elsewhere = || SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own);
    rules.insert(libc::SYS_kill, vec![SeccompRule::new(vec![elsewhere()?])?]);
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![elsewhere()?])?]);
    // Files are opened for reading. The flags are the third argument, or the second of the older call.
    let writing = |argument| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        let bits = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC].into_iter();
        let bits = bits.map(|bit| u64::from(bit.unsigned_abs()));
        let is_set = |bit| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bit), bit);
        bits.map(|bit| SeccompRule::new(vec![is_set(bit)?])).collect()
    };
    rules.insert(libc::SYS_openat, writing(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, writing(1)?);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    filter.try_into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;
    use std::thread;

    use super::*;

    /// What goes on in a thread that is confined; others are not. It is told whether the kernel has Landlock: from before
    /// Linux 5.13, or where it is turned off, it has not, and what is read is not kept from anybody.
    fn confined<T: Send + 'static>(doing: impl FnOnce(bool) -> T + Send + 'static) -> T {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("font"), "glyphs").unwrap();
        let readable = folder.path().to_owned();
        let confined = move || {
            let closed = close_files(&[&readable], false).unwrap();
            refuse_calls(Whose::Thread, false).unwrap();
            assert_eq!(fs::read_to_string(readable.join("font")).unwrap(), "glyphs");
            doing(closed)
        };
        thread::spawn(confined).join().unwrap()
    }

    fn refused<T>(outcome: io::Result<T>) -> bool {
        outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn no_file_is_read_or_written() {
        let writable = tempfile::tempdir().unwrap();
        let path = writable.path().join("new");
        assert!(confined(|closed| !closed || refused(fs::read("/etc/passwd")) && refused(fs::read_dir("/"))));
        assert!(confined({
            let path = path.clone();
            move |closed| refused(fs::write(&path, "left behind")) && (!closed || refused(fs::create_dir(&path)))
        }));
        assert!(!path.exists());
    }

    #[test]
    fn nobody_is_called_and_nothing_is_started() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        assert!(TcpStream::connect(address).is_ok(), "whoever is not confined is let in");
        assert!(confined(move |_| refused(TcpStream::connect(address))));
        assert!(confined(|_| refused(Command::new("/bin/true").status())));
        assert!(confined(|_| refused(thread::Builder::new().spawn(|| ()).map(|_| ()))));
    }

    #[test]
    fn signals_go_to_oneself_alone() {
        use rustix::process::{Pid, Signal, kill_process, test_kill_process};
        let mut other = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&other);
        let outcome =
            confined(move |_| (kill_process(pid, Signal::KILL), test_kill_process(rustix::process::getpid())));
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(outcome, (Err(rustix::io::Errno::PERM), Ok(())));
    }
}
