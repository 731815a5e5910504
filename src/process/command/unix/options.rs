//! Options that only Unix has.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use super::Command;
use crate::process::cgroup::Cgroup;
use crate::process::start::Folder;
use crate::process::sys::{Limit, Resource};

impl Command {
    /// Sets `argv[0]`, the name that the program sees as its own.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("sh").arg0("shell").args(["-c", "echo $0"]).output().await?;
    ///     assert_eq!(output.stdout, b"shell\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        let arg = arg.as_ref();
        match &self.setup.taken {
            Some(taken) => taken.change(|std| std.arg0(arg)),
            None => self.setup.recipe().arg0 = Some(arg.to_owned()),
        }
        self
    }

    /// Sets the user that the child runs as.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// // As root: run as nobody.
    /// let mut command = Command::new("id");
    /// command.uid(65534);
    /// ```
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.setup.recipe().own.uid = Some(id);
        self
    }

    /// Sets the user group that the child runs as.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// // As root: run in the group of nobody.
    /// let mut command = Command::new("id");
    /// command.gid(65534);
    /// ```
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.setup.recipe().own.gid = Some(id);
        self
    }

    /// Puts the child into a process group; 0 makes it the leader of a new one, which does not
    /// receive a Ctrl-C on the terminal.
    ///
    /// The leader of a new group is in the background of the terminal: a child that reads from the
    /// terminal is stopped (SIGTTIN), and so never ends by itself.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     // Ctrl-C on the terminal does not reach it.
    ///     assert!(Command::new("true").process_group(0).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.setup.recipe().own.group = Some(group);
        self
    }

    /// Reaps the child if its [`Child`](crate::process::Child) was dropped before it exited, even
    /// if no loop is left then. On by default; if off, a zombie remains, for a program that reaps
    /// it by other means.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("true").reap_on_drop(false).spawn()?;
    ///     let pid = child.id();
    ///     drop(child);
    ///     assert!(policy::process::watch(pid).await?.success()); // ours to wait for
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn reap_on_drop(&mut self, reap: bool) -> &mut Self {
        self.setup.reap_on_drop = reap;
        self
    }

    /// Starts the child in a control group (Linux, cgroup v2), with limits on what it and all
    /// that it starts use together, or in one that exists.
    ///
    /// The child is born there (Linux 5.7), so that its limits hold from its first instruction;
    /// what it starts can't leave the group. [`kill_tree`](Self::kill_tree) then kills by this
    /// group.
    ///
    /// To start the child returns an error if it can't be in the group: of the kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if there are no control groups of version 2
    /// or not the controllers for its limits, [`InvalidInput`](crate::ErrorKind::InvalidInput) for a
    /// setting that the kernel does not take or a group that is frozen, else
    /// [`Io`](crate::ErrorKind::Io). It says what would help.
    ///
    /// ```
    /// use policy::process::{Cgroup, Command};
    ///
    /// policy::run(async {
    ///     let mut command = Command::shell("echo built");
    ///     match command.cgroup(Cgroup::new().pids_max(100)).output().await {
    ///         Ok(output) => assert_eq!(output.stdout, b"built\n"),
    ///         Err(error) => eprintln!("no limits here: {error}"),
    ///     }
    /// });
    /// ```
    pub fn cgroup(&mut self, cgroup: Cgroup) -> &mut Self {
        self.setup.cgroup = Some(Arc::new(cgroup));
        self
    }

    /// Makes the child the leader of a new session, without a terminal, and so of a process group.
    /// It can't also join an existing group: starting the child returns
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").session().status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn session(&mut self) -> &mut Self {
        self.setup.recipe().own.session = true;
        self
    }

    /// Gives the child a terminal of its own: its three standard streams and `/dev/tty`, in a new
    /// session. [`Child::pty`](crate::process::Child::pty) is this process's side of the terminal;
    /// [`output`](Self::output) collects what the child writes there.
    ///
    /// Excludes [`stdin`](Self::stdin), [`input`](Self::input) and the other streams, a
    /// [`process_group`](Self::process_group) of other processes, and
    /// [`foreground`](Self::foreground).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("tty").pty().output().await?;
    ///     assert!(output.status.success() && output.stdout.starts_with(b"/dev/"));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn pty(&mut self) -> &mut Self {
        self.setup.pty = true;
        self.session()
    }

    /// Puts the child, as the leader of a process group, into the foreground of this process's
    /// terminal, and takes the terminal back when the child has ended: for an editor, a pager, a
    /// shell. Meanwhile Ctrl-C and Ctrl-Z reach only the child and its group, and the system stops
    /// this process if it reads from the terminal.
    ///
    /// Only makes a group if this process has no terminal or is in its background. A child that
    /// Ctrl-Z stopped stays stopped until a process sends it SIGCONT.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let mut command = Command::new("true"); // or `vi`
    ///     assert!(command.foreground(true).kill_tree(true).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn foreground(&mut self, foreground: bool) -> &mut Self {
        self.setup.foreground = foreground;
        self
    }

    /// Sends the child a signal when this process ends, for whatever reason (Linux; elsewhere
    /// starting the child fails).
    ///
    /// The kernel sends it when the *thread* that started the child ends. So a thread that never
    /// ends, `policy-keeper`, starts such children, and it does not matter which thread calls.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").pdeathsig(15).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn pdeathsig(&mut self, signal: i32) -> &mut Self {
        self.setup.on_keeper = true;
        self.setup.recipe().own.death_signal = Some(signal);
        self
    }

    /// Sets the soft and hard limit of a resource of the child: `libc::RLIMIT_NOFILE` and so on.
    /// `u64::MAX` means no limit.
    pub fn rlimit(&mut self, resource: Resource, soft: u64, hard: u64) -> &mut Self {
        self.setup.recipe().own.limits.push((resource, Limit { soft, hard }));
        self
    }

    /// Passes one more descriptor to the child, under the number that it has here (asyncio's
    /// `pass_fds`). Other children never get it.
    ///
    /// ```
    /// use std::os::fd::AsRawFd;
    /// use policy::process::Command;
    ///
    /// let file = std::fs::File::open("Cargo.toml").expect("it is there");
    /// let line = format!("head -c 1 /dev/fd/{}", file.as_raw_fd());
    /// let output = policy::run(async { Command::shell(line).pass_fd(file).output().await })?;
    /// assert_eq!(output.stdout.len(), 1);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn pass_fd(&mut self, fd: impl Into<OwnedFd>) -> &mut Self {
        self.setup.recipe().own.passed.push(Arc::new(fd.into()));
        self
    }

    /// Sets the child's supplementary groups.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// // As root: in the group of nobody alone.
    /// let mut command = Command::new("id");
    /// command.gid(65534).groups([65534]);
    /// ```
    pub fn groups(&mut self, ids: impl IntoIterator<Item = u32>) -> &mut Self {
        self.setup.recipe().own.groups = Some(ids.into_iter().collect());
        self
    }

    /// Sets the child's nice value, from -20 to 19: the higher it is, the nicer the child is to
    /// other processes. Only root may set a lower value than this process has.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("nice").nice(19).output().await?;
    ///     assert_eq!(output.stdout, b"19\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn nice(&mut self, nice: i32) -> &mut Self {
        self.setup.recipe().own.nice = Some(nice);
        self
    }

    /// Sets the permissions that the files that the child creates do not get.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::shell("umask").umask(0o077).output().await?;
    ///     assert_eq!(output.stdout, b"0077\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn umask(&mut self, mask: u32) -> &mut Self {
        self.setup.recipe().own.umask = Some(mask);
        self
    }

    /// Sets the child's working directory by a descriptor: it stays this folder, even if its name
    /// changes meanwhile.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// let root = std::fs::File::open("/").expect("it is there");
    /// policy::run(async {
    ///     let output = Command::new("pwd").current_dir_fd(root).output().await?;
    ///     assert_eq!(output.stdout, b"/\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn current_dir_fd(&mut self, folder: impl Into<OwnedFd>) -> &mut Self {
        self.setup.recipe().folder = Some(Folder::Open(Arc::new(folder.into())));
        self
    }
}
