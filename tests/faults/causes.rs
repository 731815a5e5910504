//! What causes faults: the kernel, told to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::table::Skip;
use crate::tools::{Stat, eventually, processes};

/// A system call; if a condition is given, only when that argument has that value.
pub struct Call(pub i64, pub Option<(u8, u64)>);

/// Makes system calls fail, in every thread and all that they start, until the process
/// ends.
///
/// # Errors
/// Where filters are not to be had.
pub fn refuse(calls: &[Call], errno: i32) -> Result<(), Skip> {
    filter(calls, SeccompAction::Errno(u32::try_from(errno).unwrap()))
}

/// Kills who makes one of these system calls, until the process ends.
///
/// # Errors
/// Where filters are not to be had.
pub fn kill_at(calls: &[Call]) -> Result<(), Skip> {
    filter(calls, SeccompAction::KillProcess)
}

fn filter(calls: &[Call], action: SeccompAction) -> Result<(), Skip> {
    let mut rules = BTreeMap::<i64, Vec<SeccompRule>>::new();
    for Call(number, condition) in calls {
        let rules = rules.entry(*number).or_default();
        if let Some((argument, value)) = condition {
            let (length, equal) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
            let condition = SeccompCondition::new(*argument, length, equal, *value).unwrap();
            rules.push(SeccompRule::new(vec![condition]).unwrap());
        }
    }
    let machine = std::env::consts::ARCH.try_into().map_err(Skip::because)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, machine).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter_all_threads(&program)
        .map_err(|error| Skip(format!("no seccomp filters here: {error}")))
}

/// Leaves so many descriptors free, until it is dropped.
pub struct FewDescriptors {
    before: Rlimit,
    _fillers: Vec<File>,
}

impl FewDescriptors {
    pub fn new(free: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<usize>().ok())
            .max()
            .unwrap();
        // No holes below.
        let mut fillers = Vec::new();
        loop {
            let filler = File::open("/dev/null").unwrap();
            let number = std::os::fd::AsRawFd::as_raw_fd(&filler) as usize;
            if number > highest {
                break;
            }
            fillers.push(filler);
        }
        let limit = (highest + 1 + free) as u64;
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..before }).unwrap();
        Self { before, _fillers: fillers }
    }
}

impl Drop for FewDescriptors {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

/// Allows as many descriptors as may be.
pub fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// This process, in a control group that limits how many processes and threads it has.
pub struct FewProcesses {
    parent: PathBuf,
    group: PathBuf,
}

impl FewProcesses {
    /// # Errors
    /// Where there is no such controller, or none for us.
    pub fn new() -> Result<Self, Skip> {
        let mounts = fs::read_to_string("/proc/mounts").map_err(Skip::because)?;
        let parent = mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ');
                let (path, kind, options) = (fields.nth(1)?, fields.next()?, fields.next()?);
                let path = PathBuf::from(path);
                match kind {
                    "cgroup" => options.split(',').any(|option| option == "pids").then_some(path),
                    "cgroup2" => fs::read_to_string(path.join("cgroup.subtree_control"))
                        .is_ok_and(|controllers| controllers.contains("pids"))
                        .then_some(path),
                    _ => None,
                }
            })
            .next()
            .ok_or_else(|| Skip::because("no control groups for processes here"))?;
        let group = parent.join(format!("policy-faults-{}", std::process::id()));
        fs::create_dir(&group).map_err(|error| Skip(format!("no control group: {error}")))?;
        let group = Self { parent, group };
        fs::write(group.group.join("cgroup.procs"), std::process::id().to_string())
            .map_err(|error| Skip(format!("can't join the control group: {error}")))?;
        Ok(group)
    }

    /// Leaves room for so many processes or threads more.
    pub fn leave(&self, free: usize) {
        let current = fs::read_to_string(self.group.join("pids.current")).unwrap();
        let current: usize = current.trim().parse().unwrap();
        fs::write(self.group.join("pids.max"), (current + free).to_string()).unwrap();
    }

    pub fn leave_all(&self) {
        fs::write(self.group.join("pids.max"), "max").unwrap();
    }
}

impl Drop for FewProcesses {
    fn drop(&mut self) {
        let me = std::process::id().to_string();
        let _moved = fs::write(self.parent.join("cgroup.procs"), me);
        for _ in 0..500 {
            if fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Threads that take every status there is.
pub struct Thieves {
    stop: Arc<AtomicBool>,
    stolen: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Thieves {
    pub fn new(count: usize) -> Self {
        let (stop, stolen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..count)
            .map(|_| {
                let (stop, stolen) = (stop.clone(), stolen.clone());
                std::thread::spawn(move || {
                    while !stop.load(SeqCst) {
                        let mut status = 0;
                        if unsafe { libc::waitpid(-1, &raw mut status, 0) } > 0 {
                            stolen.fetch_add(1, SeqCst);
                        } else {
                            // No children just now.
                            std::thread::sleep(Duration::from_micros(50));
                        }
                    }
                })
            })
            .collect();
        Self { stop, stolen, threads }
    }

    /// Returns how many they got. There must be no child that runs.
    pub fn stop(self) -> usize {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.stolen.load(SeqCst)
    }
}

/// Waits for a child behind the library's back. Returns true if there was a status to
/// be had.
pub fn steal(pid: u32) -> bool {
    let mut status = 0;
    unsafe { libc::waitpid(pid as i32, &raw mut status, 0) == pid as i32 }
}

/// Starts processes until one has this number, which must be free.
pub fn recycle(
    pid: u32,
    mut start: impl FnMut() -> std::process::Child,
) -> Result<std::process::Child, Skip> {
    for _ in 0..1000 {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())
            .map_err(|error| Skip(format!("no checkpoint support in this kernel: {error}")))?;
        let mut process = start();
        if process.id() == pid {
            return Ok(process);
        }
        process.kill().unwrap();
        // Gone already, where a watcher reaps everything.
        let _gone = process.wait();
    }
    panic!("the number {pid} does not come again");
}

/// Sets what SIGCHLD does.
pub fn handle_sigchld(handler: libc::sighandler_t) {
    assert_ne!(unsafe { libc::signal(libc::SIGCHLD, handler) }, libc::SIG_ERR);
}

/// A handler that takes no notice of the one before.
pub fn rude_handler() -> libc::sighandler_t {
    extern "C" fn ignore(_: libc::c_int) {}
    ignore as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// Blocks SIGCHLD in this thread and all that it starts.
pub fn block_sigchld() {
    let mut set = std::mem::MaybeUninit::uninit();
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        let null = std::ptr::null_mut();
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), null), 0);
    }
}

pub fn signal(pid: u32, signal: i32) -> bool {
    unsafe { libc::kill(pid as i32, signal) == 0 }
}

pub fn become_subreaper() {
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Ends what is left of a session, and reaps what came to us of it. Returns what still
/// ran.
pub fn kill_session(session: u32) -> Vec<String> {
    let mut left = Vec::new();
    for process in of_session(session) {
        if process.state != 'Z' && process.state != 'X' {
            signal(process.pid, libc::SIGKILL);
            left.push(format!("{} ({})", process.name, process.pid));
        }
    }
    eventually("a session is cleared", || {
        let rest: Vec<Stat> = of_session(session).collect();
        for process in rest.iter().filter(|process| process.state == 'Z') {
            if process.parent == std::process::id() {
                steal(process.pid);
            }
        }
        rest.is_empty()
    });
    left
}

fn of_session(session: u32) -> impl Iterator<Item = Stat> {
    // The leader is waited for by who started it.
    processes().filter(move |process| process.session == session && process.pid != session)
}

/// A file without a name.
pub fn scratch_file() -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    rustix::fs::memfd_create("said", flags).unwrap().into()
}

/// An executable file with this content.
pub fn program(content: &[u8], mode: u32) -> Scratch {
    use std::os::unix::fs::PermissionsExt;

    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("policy-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
    let path = std::env::temp_dir().join(name);
    let mut file = File::create_new(&path).unwrap();
    file.write_all(content).unwrap();
    file.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
    Scratch(path)
}

/// A file or a folder, removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn folder() -> Self {
        // A file's name, with something after it, is free too.
        let folder = program(b"", 0o600).0.with_extension("d");
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone =
            if self.0.is_dir() { fs::remove_dir_all(&self.0) } else { fs::remove_file(&self.0) };
    }
}

/// How much processor time this process has used.
pub fn cpu_time() -> Duration {
    let usage = usage(libc::RUSAGE_SELF);
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// True if this process has ever reaped a child: a child that ran had page faults.
pub fn has_reaped() -> bool {
    usage(libc::RUSAGE_CHILDREN).ru_minflt > 0
}

fn usage(whose: libc::c_int) -> libc::rusage {
    let mut usage = unsafe { std::mem::zeroed() };
    assert_eq!(
        unsafe { libc::getrusage(whose, &raw mut usage) },
        0,
        "{}",
        io::Error::last_os_error()
    );
    usage
}

/// Where the cgroup v2 of a process lies.
pub fn cgroup_of(pid: u32) -> Option<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    Some(PathBuf::from(mount.split(' ').nth(1)?).join(path))
}
