//! Children of a given loop.

use policy_core::Error;

use super::On;
use crate::Within;
use crate::process::{Child, Command, Starting};

/// Children.
impl On {
    /// Like [`Command::start`]; the child belongs to the loop.
    ///
    /// ```
    /// use policy::prelude::*;
    /// use policy::process::Command;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// let child = event_loop.on().start(&mut Command::new("true"));
    /// let child = event_loop.run_until_complete(child)??;
    /// assert!(event_loop.run_until_complete(child.wait())??.success());
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn start(&self, command: &mut Command) -> Within<Starting> {
        self.within(self.scope(|| command.start()))
    }

    /// Like [`Command::spawn`]; the child belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`Command::spawn`].
    pub fn spawn_child(&self, command: &mut Command) -> Result<Child, Error> {
        self.scope(|| command.spawn())
    }
}
