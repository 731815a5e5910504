//! Makes a control group as a command asks for it, or says what stands in the way.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::{Error, ErrorKind};
use rustix::fs::{Mode, OFlags, fstatfs, openat};

use super::own::{OwnCgroup, folder_of_this_process, open_folder};
use super::{Home, WayIn};

type Settings = [(String, String)];

pub(super) fn below_own(settings: &Settings) -> Result<Home, Error> {
    let Some(folder) = folder_of_this_process() else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this process is in no control group of version 2 that can be seen here; mount `cgroup2`, or leave out `cgroup`",
        ));
    };
    below(&folder, settings)
}

pub(super) fn below(parent: &Path, settings: &Settings) -> Result<Home, Error> {
    check_kind(open(parent)?.as_fd(), parent)?;
    pass_on(parent, settings)?;
    let own = OwnCgroup::new(parent).map_err(|error| {
        Error::io(
            format!(
                "can't make a control group in `{}`; let it be delegated to this user, or name another with `Cgroup::below`",
                parent.display()
            ),
            error,
        )
    })?;
    for (file, value) in settings {
        write(&own.folder().join(file), value).map_err(|error| not_set(file, value, error))?;
    }
    let mut way_in = own.way_in().map_err(|error| cant_open(own.folder(), error))?;
    way_in.needs_copy = settings.iter().any(|(file, _)| file.starts_with("memory."));
    check_thawed(way_in.folder.as_fd(), parent)?;
    Ok(Home { own: Some(own), way_in })
}

pub(super) fn existing(folder: &Path, kills: bool) -> Result<Home, Error> {
    join(open(folder)?, folder, kills)
}

pub(super) fn existing_fd(folder: &Arc<OwnedFd>, kills: bool) -> Result<Home, Error> {
    let name = fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let name = name.unwrap_or_else(|_| PathBuf::from("the folder that was given"));
    let folder = folder.try_clone().map_err(|error| cant_open(&name, error))?;
    join(folder, &name, kills)
}

fn join(folder: OwnedFd, name: &Path, kills: bool) -> Result<Home, Error> {
    check_kind(folder.as_fd(), name)?;
    check_thawed(folder.as_fd(), name)?;
    if kills {
        // Killed by the group itself, the others in it would die as well.
        let own = OwnCgroup::new(name).ok().filter(OwnCgroup::can_kill);
        if let Some((own, way_in)) = own.and_then(|own| own.way_in().ok().map(|way| (own, way))) {
            return Ok(Home { own: Some(own), way_in });
        }
    }
    Ok(Home { own: None, way_in: WayIn { folder, needs_copy: true } })
}

/// Lets the groups below have the controllers of what is set there.
fn pass_on(parent: &Path, settings: &Settings) -> Result<(), Error> {
    let mut missing: BTreeSet<&str> =
        settings.iter().filter_map(|(file, _)| Some(file.split_once('.')?.0)).collect();
    missing.remove("cgroup");
    let control = parent.join("cgroup.subtree_control");
    let names = |file: &Path| fs::read_to_string(file).map_err(|error| cant_open(parent, error));
    if !missing.is_empty() {
        let passed_on = names(&control)?;
        missing.retain(|name| !passed_on.split_ascii_whitespace().any(|passed| passed == *name));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let there = names(&parent.join("cgroup.controllers"))?;
    for name in &missing {
        if !there.split_ascii_whitespace().any(|there| there == *name) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the control group `{}` has no controller `{name}`; let the groups above pass it on (`cgroup.subtree_control`), and check that it is not mounted as version 1",
                    parent.display()
                ),
            ));
        }
    }
    // The kernel lets one that can be shared out among threads be passed on even then, makes the
    // group one for threads, and no process can be below it any more.
    let has_members = || fs::read(parent.join("cgroup.procs")).is_ok_and(|pids| !pids.is_empty());
    // The root has no type.
    if parent.join("cgroup.type").exists() && has_members() {
        return Err(not_passed_on(parent, &missing, io::Error::from_raw_os_error(libc::EBUSY)));
    }
    let wanted: Vec<String> = missing.iter().map(|name| format!("+{name}")).collect();
    write(&control, &wanted.join(" ")).map_err(|error| not_passed_on(parent, &missing, error))
}

fn not_passed_on(parent: &Path, controllers: &BTreeSet<&str>, error: io::Error) -> Error {
    let remedy = match error.raw_os_error() {
        // The kernel's rule: no processes where limits are shared out, but for its root.
        Some(libc::EBUSY) => {
            "processes are in it, and then it can't limit others; move them to a group below it, or name another with `Cgroup::below`"
        }
        _ => "let it be delegated to this user, or name another with `Cgroup::below`",
    };
    let names: Vec<_> = controllers.iter().map(|name| format!("`{name}`")).collect();
    let (parent, names) = (parent.display(), names.join(", "));
    Error::io(format!("the control group `{parent}` can't pass on {names}: {remedy}"), error)
}

fn write(file: &Path, value: &str) -> io::Result<()> {
    // At once, as the kernel takes it; and nothing is created.
    File::options().write(true).open(file)?.write_all(value.as_bytes())
}

fn not_set(file: &str, value: &str, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ENOENT) => Error::new(
            ErrorKind::Unsupported,
            format!("control groups have no `{file}` here; check the name, and the kernel's version"),
        )
        .with_source(error),
        Some(libc::EINVAL | libc::ERANGE | libc::ENODEV) => Error::new(
            ErrorKind::InvalidInput,
            format!(
                "the kernel does not take {value:?} for `{file}` of a control group; see its documentation of cgroup v2"
            ),
        )
        .with_source(error),
        _ => Error::io(
            format!("can't write {value:?} to `{file}` of a control group; see the source of this error"),
            error,
        ),
    }
}

fn open(folder: &Path) -> Result<OwnedFd, Error> {
    open_folder(folder).map_err(|error| cant_open(folder, error))
}

fn cant_open(folder: &Path, error: io::Error) -> Error {
    Error::io(
        format!("can't open the control group `{}`; check that it is there", folder.display()),
        error,
    )
}

/// Version 1 has folders, too, where nothing of this holds.
fn check_kind(folder: BorrowedFd<'_>, name: &Path) -> Result<(), Error> {
    // Its type is another one on each system.
    #[allow(clippy::unnecessary_cast, reason = "not everywhere")]
    let is_one =
        fstatfs(folder).is_ok_and(|of| of.f_type as u64 == libc::CGROUP2_SUPER_MAGIC as u64);
    if is_one {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!(
            "`{}` is no control group of version 2; name a folder where `cgroup2` is mounted",
            name.display()
        ),
    ))
}

/// Who is born in a group that is frozen becomes its program when that is thawed, and
/// whoever starts it waits as long.
fn check_thawed(folder: BorrowedFd<'_>, name: &Path) -> Result<(), Error> {
    let mut events = String::new();
    // The root has no such file.
    if let Ok(file) =
        openat(folder, "cgroup.events", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    {
        let _read = File::from(file).read_to_string(&mut events);
    }
    if events.lines().any(|line| line == "frozen 1") {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "the control group `{}` is frozen; thaw it first (`cgroup.freeze`)",
                name.display()
            ),
        ));
    }
    Ok(())
}
