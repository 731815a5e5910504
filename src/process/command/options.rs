//! Options that std's command does not have.

use std::time::Duration;

use super::{Command, Stdio};

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
        self.setup.terms.kill_on_drop = kill;
        self
    }

    /// Lets [`kill`](crate::process::Child::kill), [`terminate`](crate::process::Child::terminate)
    /// and [`kill_on_drop`](Self::kill_on_drop) reach the child's whole tree: the processes that
    /// the child started die with it.
    ///
    /// On Windows puts the child into a job object, which no descendant can leave.
    ///
    /// On Unix makes the child the leader of a process group. Where cgroup v2 is mounted and this process
    /// may write to its own group there (Linux 5.14), also puts the child into a control group of
    /// its own, which no descendant can leave. Elsewhere, finds processes that left the process
    /// group by their parents, and daemons only if this process is a subreaper, as with
    /// `SubreaperChildWatcher`: it then sets the environment
    /// variable `POLICY_TREE` for the child, to recognize them.
    /// [`Child::tree_reach`](crate::process::Child::tree_reach) returns which of these applies.
    /// Signals reach the group of a child that was reaped from Linux 6.9 on.
    ///
    /// A new process group is in the background of the terminal: the system stops a child that
    /// reads from it, and a wait for that child doesn't end. To give it the terminal, use
    /// `foreground`.
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
        self.setup.terms.kill_tree = tree;
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
        self.setup.terms.wait_delay = Some(delay);
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
        self.setup.terms.timeout = Some(limit);
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
        self.setup.terms.input = Some(bytes.into().into());
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
        self.setup.terms.max_output = Some(bytes);
        self
    }
}
