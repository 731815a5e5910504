//! Options that std's command does not have.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::{Command, Folder, Stdio};
use crate::process::cgroup::Cgroup;
use crate::process::sys::{Limit, Resource};

impl Command {
    /// Kills the child when its [`Child`](crate::process::Child) is dropped before it has exited. Off by
    /// default.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
    ///     drop(child); // dead and reaped, soon
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.setup.kill_on_drop = kill;
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

    /// Lets [`kill`](crate::process::Child::kill), [`terminate`](crate::process::Child::terminate)
    /// and [`kill_on_drop`](Self::kill_on_drop) reach the child's whole tree: the processes that
    /// the child started die with it.
    ///
    /// Makes the child the leader of a process group. Where cgroup v2 is mounted and this process
    /// may write to its own group there (Linux 5.14), also puts the child into a control group of
    /// its own, which no descendant can leave. Elsewhere, finds processes that left the process
    /// group by their parents, and daemons only if this process is a subreaper, as with
    /// [`SubreaperChildWatcher`](crate::SubreaperChildWatcher): it then sets the environment
    /// variable `POLICY_TREE` for the child, to recognize them.
    /// [`Child::tree_reach`](crate::process::Child::tree_reach) returns which of these applies.
    /// Signals reach the group of a child that was reaped from Linux 6.9 on.
    ///
    /// A new process group is in the background of the terminal: the system stops a child that
    /// reads from it, and a wait for that child doesn't end. To give it the terminal, use
    /// [`foreground`](Self::foreground).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::shell("sleep 1000 & sleep 1000").kill_tree(true).spawn()?;
    ///     child.kill().await?; // both sleepers as well
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn kill_tree(&mut self, tree: bool) -> &mut Self {
        self.setup.kill_tree = tree;
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
        self.recipe().own.session = true;
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
        self.recipe().own.death_signal = Some(signal);
        self
    }

    /// Sets the soft and hard limit of a resource of the child: `libc::RLIMIT_NOFILE` and so on.
    /// `u64::MAX` means no limit.
    pub fn rlimit(&mut self, resource: Resource, soft: u64, hard: u64) -> &mut Self {
        self.recipe().own.limits.push((resource, Limit { soft, hard }));
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
        self.recipe().own.passed.push(Arc::new(fd.into()));
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
        self.recipe().own.groups = Some(ids.into_iter().collect());
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
        self.recipe().own.nice = Some(nice);
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
        self.recipe().own.umask = Some(mask);
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
        self.recipe().folder = Some(Folder::Open(Arc::new(folder.into())));
        self
    }

    /// Limits how long [`output`](Self::output) continues to read after the child has exited, while
    /// another process, such as a grandchild, still holds its pipes. Then it returns the output so
    /// far, and [`Output::truncated`](crate::process::Output::truncated) is true. No limit by
    /// default.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use std::time::Duration;
    ///
    ///     // The sleeper keeps the pipe open; nobody waits for it.
    ///     let output = Command::shell("sleep 5 & echo done")
    ///         .wait_delay(Duration::from_millis(50))
    ///         .output()
    ///         .await?;
    ///     assert!(output.truncated);
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn wait_delay(&mut self, delay: Duration) -> &mut Self {
        self.setup.wait_delay = Some(delay);
        self
    }

    /// Kills the child after `limit`, counted from its start, with its tree if
    /// [`kill_tree`](Self::kill_tree) is set. [`output`](Self::output) and
    /// [`communicate`](crate::process::Child::communicate) return the output so far, and
    /// [`Output::timed_out`](crate::process::Output::timed_out) is true; [`status`](Self::status)
    /// returns [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut). No limit by default.
    ///
    /// Only these methods apply the limit. To limit a [`wait`](crate::process::Child::wait), put it
    /// into [`policy::time::timeout`](crate::time::timeout), where it loses nothing.
    ///
    /// ```
    /// use policy::process::Command;
    /// use std::time::Duration;
    ///
    /// policy::run(async {
    ///     let mut command = Command::shell("echo first; exec sleep 1000");
    ///     let output = command.timeout(Duration::from_millis(200)).output().await?;
    ///     assert!(output.timed_out && !output.status.success());
    ///     assert_eq!(output.stdout, b"first\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn timeout(&mut self, limit: Duration) -> &mut Self {
        self.setup.timeout = Some(limit);
        self
    }

    /// Sets the child's whole standard input. Replaces the setting of [`stdin`](Self::stdin), and
    /// applies to each child that this command starts.
    ///
    /// The bytes are there before the child runs, in a file in memory (Linux; elsewhere a thread
    /// writes them to a pipe): it is no error if a child reads only a part of them, or nothing, and
    /// no task has to write meanwhile.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("wc").arg("-c").input("hello").output().await?;
    ///     assert_eq!(output.stdout.trim_ascii(), b"5");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn input(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.stream(0, Stdio::null());
        self.setup.input = Some(bytes.into().into());
        self
    }

    /// Limits how many bytes [`output`](Self::output) collects, of both streams together. A child
    /// that writes more is killed, and the call returns
    /// [`ErrorKind::LimitReached`](crate::ErrorKind::LimitReached), with the bytes that were read
    /// ([`PartialOutput`](crate::process::PartialOutput)). No limit by default.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::shell("yes | head -c 100000").max_output(1000).output().await;
    ///     assert_eq!(output.unwrap_err().kind(), policy::ErrorKind::LimitReached);
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn max_output(&mut self, bytes: usize) -> &mut Self {
        self.setup.max_output = Some(bytes);
        self
    }
}
