//! A program, run as a user runs it.

use std::process::{Command, Output};

/// What a run gave to a user.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    pub(super) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Checks that all went well, and returns what was printed.
    #[track_caller]
    pub(super) fn printed(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "after printing:\n{}", self.out);
        self.out
    }
}
