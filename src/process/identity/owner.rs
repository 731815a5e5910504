//! Who reaps a child in place of us.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;

/// Reaps a child in place of the watchers of this crate.
///
/// The methods are called under a lock, so they must not wait, or use the [`ForeignChild`](crate::process::ForeignChild) itself.
///
/// ```
/// use std::io;
/// use std::process::{Child, Command, ExitStatus};
///
/// use policy::process::{ChildOwner, ForeignChild};
///
/// struct Mine(Child);
///
/// impl ChildOwner for Mine {
///     fn id(&self) -> Option<u32> {
///         Some(self.0.id())
///     }
///
///     fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
///         self.0.try_wait()
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let child = ForeignChild::new(Mine(Command::new("true").spawn()?));
/// assert!(policy::run(async { child.wait().await })?.success());
/// # Ok(())
/// # }
/// ```
pub trait ChildOwner: Send + 'static {
    /// Returns the process id, if it is still known. Called once.
    fn id(&self) -> Option<u32>;

    /// Reaps the child if it has exited, without waiting. Returns the same status each time.
    ///
    /// # Errors
    /// Returns the error of `waitpid`: ECHILD means that other code has taken the status.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>>;

    /// Closes the child's standard input, if it is a pipe that was not taken out.
    fn close_stdin(&mut self) {}
}

/// Asks the owner of a child, whose panic must not end the thread that asks.
pub(super) fn ask(owner: &mut dyn ChildOwner) -> io::Result<Option<ExitStatus>> {
    catch_unwind(AssertUnwindSafe(|| owner.try_wait()))
        .unwrap_or_else(|_| Err(io::Error::other("the owner of the child panicked")))
}
