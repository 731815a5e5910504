//! Names of signals.

use std::fmt;

/// A signal, by its number.
///
/// Not every number can be listened to; functions that take a kind return an error for those.
///
/// ```
/// use policy_core::signal::SignalKind;
///
/// # #[cfg(unix)]
/// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalKind(i32);

impl SignalKind {
    /// Makes a kind from the system's number, such as `libc::SIGUSR1`.
    ///
    /// ```
    /// use policy_core::signal::SignalKind;
    ///
    /// assert_eq!(SignalKind::from_raw(34).as_raw(), 34); // a real-time signal of Linux
    /// ```
    pub const fn from_raw(signal: i32) -> Self {
        Self(signal)
    }

    /// Returns the system's number.
    ///
    /// ```
    /// use policy_core::signal::SignalKind;
    ///
    /// # #[cfg(unix)]
    /// assert_eq!(SignalKind::interrupt().as_raw(), 2);
    /// ```
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

macro_rules! kinds {
    ($($(#[$cfg:meta])* $name:ident = $signal:ident, $about:literal;)*) => {
        #[cfg(unix)]
        impl SignalKind {
            $(
                #[doc = concat!(
                    stringify!($signal), ": ", $about, "\n\n```\nuse policy_core::signal::SignalKind;\n\n",
                    "let kind = SignalKind::", stringify!($name), "();\n",
                    "assert_eq!(format!(\"{kind:?}\"), \"", stringify!($signal), "\");\n```"
                )]
                $(#[$cfg])*
                pub const fn $name() -> Self {
                    Self(libc::$signal)
                }
            )*

            fn name(self) -> Option<&'static str> {
                $($(#[$cfg])* if self.0 == libc::$signal {
                    return Some(stringify!($signal));
                })*
                None
            }
        }
    };
}

kinds! {
    interrupt = SIGINT, "Ctrl-C at the terminal.";
    terminate = SIGTERM, "a polite request to end, what `kill` sends.";
    hangup = SIGHUP, "the terminal has gone; for a daemon, by custom, \"read your configuration again\".";
    quit = SIGQUIT, "Ctrl-\\ at the terminal.";
    child = SIGCHLD, "a child has exited, stopped or gone on.";
    user_defined1 = SIGUSR1, "whatever the program says.";
    user_defined2 = SIGUSR2, "whatever the program says.";
    pipe = SIGPIPE, "a write to a pipe that nobody reads.";
    alarm = SIGALRM, "a timer of the system.";
    window_change = SIGWINCH, "the terminal has another size.";
    io = SIGIO, "a descriptor is ready.";
    #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly"
    ))]
    info = SIGINFO, "Ctrl-T at the terminal.";
}

impl From<i32> for SignalKind {
    fn from(signal: i32) -> Self {
        Self(signal)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(unix)]
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        write!(f, "signal {}", self.0)
    }
}
