//! All that a child does before it is its program, as data.
//!
//! Made before the process is: from then on nothing is allocated, locked or asked of
//! libc, in a copy of the process or in one that shares its memory.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::calls::{self, Errno};
use super::exec::{Exec, string};
use super::recipe::{Folder, Placing, Recipe};
use crate::process::cgroup::WayIn;
use crate::process::sys::{self, Limit, Resource};

/// What a child does, in this order, and nothing else.
#[derive(Debug)]
pub(super) struct Plan {
    streams: [Source; 3],
    steps: Vec<Step>,
    exec: Option<Exec>,
    /// Copies of descriptors whose own numbers are those of standard streams.
    _copies: Vec<OwnedFd>,
}

/// Where a standard stream comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Inherit,
    Null,
    Fd(RawFd),
}

/// Descriptors that a child makes use of before it is its program, which does not get them.
#[derive(Debug, Default)]
pub(in crate::process) struct Lent {
    pub(in crate::process) cgroup: Option<WayIn>,
    pub(in crate::process) terminal: Option<OwnedFd>,
    pub(in crate::process) foreground: Option<OwnedFd>,
}

impl Lent {
    pub(super) fn is_empty(&self) -> bool {
        let Self { cgroup, terminal, foreground } = self;
        cgroup.is_none() && terminal.is_none() && foreground.is_none()
    }
}

/// Something that a child does to itself.
#[derive(Debug)]
pub(super) enum Step {
    /// Into this control group, unless the child was born there.
    Cgroup {
        folder: RawFd,
        needs_copy: bool,
    },
    Session,
    Group(i32),
    /// The terminal of the new session.
    Terminal(RawFd),
    /// Its group, into the foreground of this terminal.
    Foreground(RawFd),
    /// No other descriptors than 0 to 2, and those that are passed.
    KeepNone,
    Keep(RawFd),
    Limit(Resource, Limit),
    Nice(i32),
    Umask(u32),
    Gid(u32),
    Groups(Vec<u32>),
    Uid(u32),
    Enter(CString),
    EnterOpen(RawFd),
    DeathSignal {
        signal: i32,
        parent: u32,
    },
}

/// Where a child is when its life begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BornIn {
    /// Where its parent is.
    Place,
    /// In the control group that it is to be in.
    #[cfg_attr(
        any(
            policy_force_std_start,
            not(target_os = "linux"),
            not(target_pointer_width = "64"),
            not(any(target_arch = "x86_64", target_arch = "aarch64"))
        ),
        allow(dead_code, reason = "std's children are not")
    )]
    Cgroup,
}

/// Where a child failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Failed {
    /// An index of the steps; those before and after them are [`STREAMS`] and [`EXEC`].
    pub(super) at: u32,
    pub(super) errno: Errno,
}

impl Failed {
    pub(super) const SIZE: usize = 8;

    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        let Self { at, errno } = self;
        (u64::from(at) << 32 | u64::from(errno as u32)).to_ne_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let both = u64::from_ne_bytes(bytes);
        Self { at: (both >> 32) as u32, errno: both as u32 as Errno }
    }
}

const STREAMS: u32 = u32::MAX;
const SIGNALS: u32 = u32::MAX - 1;
const EXEC: u32 = u32::MAX - 2;

/// What failed, for a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum At<'a> {
    Streams,
    Step(&'a Step),
    Signals,
    Exec,
}

impl Plan {
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a NUL in what must not have one.
    pub(super) fn new(
        recipe: &Arc<Recipe>,
        placing: Placing,
        lent: &Lent,
        streams: [Source; 3],
    ) -> io::Result<Self> {
        let Self { steps: own, _copies, .. } = Self::own(recipe, placing, lent)?;
        let mut steps = vec![Step::KeepNone];
        steps.extend(own);
        if let Some(Folder::At(path)) = &recipe.folder {
            steps.push(Step::Enter(string(path.as_os_str())?));
        }
        Ok(Self { streams, steps, exec: Some(Exec::new(recipe)?), _copies })
    }

    /// What std's command can't say, for a child that std starts.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub(super) fn own(recipe: &Recipe, placing: Placing, lent: &Lent) -> io::Result<Self> {
        let own = &recipe.own;
        let mut copies = Vec::new();
        let number = |fd: &Option<OwnedFd>| fd.as_ref().map(AsRawFd::as_raw_fd);
        let mut steps: Vec<_> = own.passed.iter().map(|fd| Step::Keep(fd.as_raw_fd())).collect();
        // First: whatever it does from then on counts there.
        steps.extend(lent.cgroup.as_ref().map(|way_in| Step::Cgroup {
            folder: way_in.folder.as_raw_fd(),
            needs_copy: way_in.needs_copy,
        }));
        match placing {
            Placing::Same => {}
            Placing::Group(group) => steps.push(Step::Group(group)),
            Placing::Session => steps.push(Step::Session),
        }
        steps.extend(number(&lent.terminal).map(Step::Terminal));
        steps.extend(number(&lent.foreground).map(Step::Foreground));
        // Before it becomes another user, who may not be allowed to.
        steps.extend(own.limits.iter().map(|&(resource, limit)| Step::Limit(resource, limit)));
        steps.extend(own.nice.map(Step::Nice));
        steps.extend(own.umask.map(Step::Umask));
        steps.extend(own.gid.map(Step::Gid));
        match &own.groups {
            Some(groups) => steps.push(Step::Groups(groups.clone())),
            // As std: who becomes another user keeps none of root's groups.
            None if own.uid.is_some() && rustix::process::getuid().is_root() => {
                steps.push(Step::Groups(Vec::new()));
            }
            None => {}
        }
        steps.extend(own.uid.map(Step::Uid));
        if let Some(Folder::Open(fd)) = &recipe.folder {
            steps.push(Step::EnterOpen(above_standard(fd, &mut copies)?));
        }
        // The kernel forgets it when the child becomes another user: after that.
        let parent = std::process::id();
        steps.extend(own.death_signal.map(|signal| Step::DeathSignal { signal, parent }));
        Ok(Self { streams: [Source::Inherit; 3], steps, exec: None, _copies: copies })
    }

    /// Returns true if the child may share this process's memory until it is its program.
    ///
    /// One that becomes another user may not: the kernel would note that of the memory, so
    /// of us (no core dumps, `/proc/self` is root's), and that user could look into it. Nor may
    /// one in a control group that may have no memory left. The kernel kills nobody there who
    /// shares his parent's memory for a moment, so such a child would ask for a page for ever;
    /// but in a group that is killed as one (`memory.oom.group`) it kills even the parent.
    #[cfg_attr(
        any(
            policy_force_std_start,
            not(target_os = "linux"),
            not(target_pointer_width = "64"),
            not(any(target_arch = "x86_64", target_arch = "aarch64"))
        ),
        allow(dead_code, reason = "std's children have copies")
    )]
    pub(super) fn may_share_memory(&self) -> bool {
        !self.steps.iter().any(|step| {
            matches!(
                step,
                Step::Uid(_)
                    | Step::Gid(_)
                    | Step::Groups(_)
                    | Step::Cgroup { needs_copy: true, .. }
            )
        })
    }

    /// Returns the control group that the child is to be in.
    #[cfg_attr(
        any(
            policy_force_std_start,
            not(target_os = "linux"),
            not(target_pointer_width = "64"),
            not(any(target_arch = "x86_64", target_arch = "aarch64"))
        ),
        allow(dead_code, reason = "std's children join one later")
    )]
    pub(super) fn cgroup(&self) -> Option<RawFd> {
        self.steps.iter().find_map(|step| match step {
            Step::Cgroup { folder, .. } => Some(*folder),
            _ => None,
        })
    }

    /// Runs in the child. Returns only if a step fails, or if there is no program.
    pub(super) fn run(&self, born: BornIn) -> Result<(), Failed> {
        let failed = |at| move |errno| Failed { at, errno };
        wire(&self.streams).map_err(failed(STREAMS))?;
        for (at, step) in (0..).zip(&self.steps) {
            if born == BornIn::Cgroup && matches!(step, Step::Cgroup { .. }) {
                continue;
            }
            step.run().map_err(failed(at))?;
        }
        calls::reset_sigpipe().map_err(failed(SIGNALS))?;
        // Last: from here on a signal ends the child, as it would its program.
        calls::unblock_signals().map_err(failed(SIGNALS))?;
        match &self.exec {
            Some(exec) => Err(failed(EXEC)(exec.run())),
            None => Ok(()),
        }
    }

    /// Returns true if the child does nothing but what std's command does.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.exec.is_none()
    }

    pub(super) fn at(&self, failed: Failed) -> At<'_> {
        match failed.at {
            STREAMS => At::Streams,
            SIGNALS => At::Signals,
            at => self.steps.get(at as usize).map_or(At::Exec, At::Step),
        }
    }
}

/// Returns the number of a descriptor that the standard streams do not replace.
fn above_standard(fd: &OwnedFd, copies: &mut Vec<OwnedFd>) -> io::Result<RawFd> {
    if fd.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(fd.as_raw_fd());
    }
    let copy = sys::above_standard(fd.try_clone()?)?;
    let number = copy.as_raw_fd();
    copies.push(copy);
    Ok(number)
}

/// Gives the standard streams their numbers.
fn wire(streams: &[Source; 3]) -> Result<(), Errno> {
    const PROGRAMS: RawFd = 3;

    // First away from the numbers that are about to be given, all of them: each may be the
    // source of another.
    let mut sources = *streams;
    for source in &mut sources {
        if let Source::Fd(fd) = source {
            if *fd < PROGRAMS {
                *fd = calls::dup_above(*fd, PROGRAMS)?;
            }
        }
    }
    for (number, source) in (0..).zip(sources) {
        match source {
            Source::Inherit => {}
            Source::Fd(fd) => calls::dup_onto(fd, number)?,
            Source::Null => {
                let flags = if number == 0 { libc::O_RDONLY } else { libc::O_WRONLY };
                // It may get a number of those that this process has closed.
                match calls::open_null(flags)? {
                    fd if fd == number => calls::keep(fd)?,
                    fd => calls::dup_onto(fd, number)?,
                }
            }
        }
    }
    Ok(())
}

impl Step {
    #[allow(unsafe_code, reason = "one call takes a string by pointer")]
    fn run(&self) -> Result<(), Errno> {
        match self {
            Self::Session => match calls::new_session() {
                // The leader of a group can't be the leader of a new session, and a command
                // of std's may have made it one. Back in the group of its parent it can; the
                // session's leader then leads a group of the same number.
                Err(libc::EPERM) => {
                    calls::join_group(calls::group_of(calls::parent()?)?)?;
                    calls::new_session()
                }
                result => result,
            },
            Self::Group(group) => calls::join_group(*group),
            Self::Cgroup { folder, .. } => calls::join_cgroup(*folder),
            Self::Terminal(terminal) => calls::control(*terminal),
            Self::Foreground(terminal) => calls::come_forward(*terminal),
            // Linux 5.11. All that Rust opens is closed by itself.
            Self::KeepNone => {
                let _older = calls::keep_none_from(3);
                Ok(())
            }
            Self::Keep(fd) => calls::keep(*fd),
            Self::Limit(resource, limit) => calls::set_limit(*resource, *limit),
            Self::Nice(nice) => calls::set_nice(*nice),
            Self::Umask(mask) => calls::set_umask(*mask),
            Self::Gid(id) => calls::set_gid(*id),
            Self::Groups(groups) => calls::set_groups(groups),
            Self::Uid(id) => calls::set_uid(*id),
            // SAFETY: a `CString` ends in NUL.
            Self::Enter(folder) => unsafe { calls::enter(folder.as_ptr()) },
            Self::EnterOpen(folder) => calls::enter_open(*folder),
            Self::DeathSignal { signal, parent } => {
                calls::set_death_signal(*signal)?;
                match calls::parent()? {
                    // In another pid namespace, where it has no number.
                    0 => Ok(()),
                    now if now == *parent => Ok(()),
                    // It has gone before that; then nobody would send it.
                    _ => Err(libc::ESRCH),
                }
            }
        }
    }
}
