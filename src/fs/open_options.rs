//! Options for opening a file.

use std::io;
use std::path::Path;

use super::File;
use super::job::blocking;

/// Options for opening a file: std's [`OpenOptions`](std::fs::OpenOptions), off the loop.
///
/// Set other options on std's type and convert it: `OpenOptions::from(std_options)`.
///
/// ```
/// use policy::fs::OpenOptions;
///
/// # policy::run(async {
/// let program = OpenOptions::new().read(true).open(std::env::current_exe()?).await?;
/// assert!(program.metadata().await?.is_file());
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

/// Writes out the setters that are std's.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $(
            $(#[$doc])*
            ///
            /// ```
            #[doc = concat!("policy::fs::OpenOptions::new().", stringify!($name), "(true);")]
            /// ```
            pub fn $name(&mut self, yes: bool) -> &mut Self {
                self.0.$name(yes);
                self
            }
        )+
    };
}

impl OpenOptions {
    /// Makes options without any option set; set at least one.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// let file = policy::fs::OpenOptions::new().read(true).open("Cargo.toml").await?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::new_without_default, reason = "as std's, which open nothing as they are")]
    pub fn new() -> Self {
        Self(std::fs::OpenOptions::new())
    }

    setters! {
        /// Sets whether to open the file for reading.
        read;
        /// Sets whether to open the file for writing.
        write;
        /// Sets whether each write appends to the end of the file, wherever that is by then.
        append;
        /// Sets whether to truncate an existing file.
        truncate;
        /// Sets whether to create the file if it does not exist.
        create;
        /// Sets whether to create the file, and to fail if it exists.
        create_new;
    }

    /// Sets the permissions of a new file; the process's umask is removed from them.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # async fn example() -> std::io::Result<()> {
    /// let mut options = policy::fs::OpenOptions::new();
    /// let key = options.write(true).create(true).mode(0o600).open("key").await?;
    /// # drop(key);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.0, mode);
        self
    }

    /// Adds flags for the system's `open`, such as `O_NOFOLLOW` or `O_DIRECT`; an access mode among
    /// them is ignored. See
    /// [`OpenOptionsExt::custom_flags`](std::os::unix::fs::OpenOptionsExt::custom_flags).
    ///
    /// ```no_run
    /// # #[cfg(target_os = "linux")]
    /// policy::fs::OpenOptions::new().read(true).custom_flags(0o400000 /* O_NOFOLLOW */);
    /// ```
    #[cfg(unix)]
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.0, flags);
        self
    }

    /// Adds flags for the system's `CreateFile2`, such as `FILE_FLAG_DELETE_ON_CLOSE`; see
    /// [`OpenOptionsExt::custom_flags`](std::os::windows::fs::OpenOptionsExt::custom_flags).
    #[cfg(windows)]
    pub fn custom_flags(&mut self, flags: u32) -> &mut Self {
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut self.0, flags);
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Returns the errors of [`std::fs::OpenOptions::open`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// let log = policy::fs::OpenOptions::new().append(true).open("log.txt").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        blocking(move || options.open(path)).await.map(File::from_std)
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> Self {
        Self(options)
    }
}
