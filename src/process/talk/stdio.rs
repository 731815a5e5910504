//! What a child's standard stream is.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::process;
use std::sync::Arc;

/// The source or target of a child's standard stream.
///
/// Like [`std::process::Stdio`], whose values are accepted wherever this type is. std does not
/// expose what they contain, so std starts such a child, and not this crate in its own way: use
/// this type where that matters.
///
/// ```
/// use policy::process::{Command, Stdio};
///
/// let output = policy::run(async {
///     Command::new("echo").arg("hello").stdout(Stdio::piped()).stderr(Stdio::null()).output().await
/// })?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), policy::Error>(())
/// ```
pub struct Stdio(Given);

/// What a command was given for a stream.
pub(in crate::process) enum Given {
    Ours(Stream),
    /// Made by std, which alone knows what it is.
    Std(process::Stdio),
}

/// A stream that is known.
#[derive(Clone, Debug)]
pub(in crate::process) enum Stream {
    /// This process's own.
    Inherit,
    /// `/dev/null`.
    Null,
    /// A new pipe.
    Piped,
    /// An open file.
    // Shared: a command may start many children.
    Fd(Arc<OwnedFd>),
}

impl Stdio {
    /// Makes a new pipe between this process and the child.
    ///
    /// ```
    /// use policy::process::{Command, Stdio};
    ///
    /// policy::run(async {
    ///     let child = Command::new("echo").stdout(Stdio::piped()).spawn()?;
    ///     assert!(child.stdout.is_some());
    ///     child.wait().await?;
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn piped() -> Self {
        Self::known(Stream::Piped)
    }

    /// Uses the stream of this process.
    ///
    /// ```
    /// use policy::process::{Command, Stdio};
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").stdout(Stdio::inherit()).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn inherit() -> Self {
        Self::known(Stream::Inherit)
    }

    /// Uses `/dev/null`: a read returns the end, and written bytes are discarded.
    ///
    /// ```
    /// use policy::process::{Command, Stdio};
    ///
    /// policy::run(async {
    ///     assert!(Command::new("cat").stdin(Stdio::null()).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn null() -> Self {
        Self::known(Stream::Null)
    }

    fn known(stream: Stream) -> Self {
        Self(Given::Ours(stream))
    }

    pub(in crate::process) fn into_given(self) -> Given {
        self.0
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self::known(Stream::Fd(Arc::new(fd)))
    }
}

macro_rules! from_descriptors {
    ($($name:ty),*) => {
        $(
            impl From<$name> for Stdio {
                fn from(stream: $name) -> Self {
                    OwnedFd::from(stream).into()
                }
            }
        )*
    };
}

from_descriptors!(File, process::ChildStdin, process::ChildStdout, process::ChildStderr);

impl From<process::Stdio> for Stdio {
    fn from(stdio: process::Stdio) -> Self {
        Self(Given::Std(stdio))
    }
}

/// For std's own commands. A descriptor that another command shares is copied; where none
/// is left for that, the stream is `/dev/null`.
impl From<Stdio> for process::Stdio {
    fn from(stdio: Stdio) -> Self {
        match stdio.0 {
            Given::Std(stdio) => stdio,
            Given::Ours(stream) => stream.into_std(),
        }
    }
}

impl Stream {
    pub(in crate::process) fn into_std(self) -> process::Stdio {
        match self {
            Self::Inherit => process::Stdio::inherit(),
            Self::Null => process::Stdio::null(),
            Self::Piped => process::Stdio::piped(),
            Self::Fd(fd) => Arc::try_unwrap(fd)
                .or_else(|shared| shared.try_clone())
                .map_or_else(|_| process::Stdio::null(), process::Stdio::from),
        }
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Given::Ours(stream) => stream.fmt(f),
            Given::Std(stdio) => stdio.fmt(f),
        }
    }
}
