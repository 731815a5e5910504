//! Files, without blocking the loop.
//!
//! Systems have no readiness for files, so each call here runs as a job on the loop's threads for
//! blocking work, as in tokio and smol. If the loop completes operations itself (io_uring, IOCP),
//! [`File::read_at`] and [`File::write_at`] go to the system without a thread.
//!
//! | I want … | use |
//! |---|---|
//! | a whole file | [`read`], [`read_to_string`], [`write()`] |
//! | a stream of bytes | [`File`], which is futures-io's `AsyncRead`, `AsyncWrite` and `AsyncSeek` |
//! | pieces at positions | [`File::read_at`], [`File::write_at`] |
//! | many small steps that belong together | [`spawn_blocking`](crate::spawn_blocking) and `std::fs` |
//!
//! Dropping one of these futures does not undo what has begun: the file may still be written.
//! Outside any loop they all return the error [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop),
//! inside an [`io::Error`].

mod file;
mod folder;
mod job;
mod open_options;

use std::fs::{Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

pub use file::File;
pub use folder::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use open_options::OpenOptions;

use job::blocking;

/// Writes out the functions that are std's, in a job.
macro_rules! as_in_std {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident),+) -> $result:ty;)+) => {
        $(
            $(#[$doc])*
            pub async fn $name($($arg: impl AsRef<Path>),+) -> io::Result<$result> {
                $(let $arg = $arg.as_ref().to_owned();)+
                blocking(move || std::fs::$name($($arg),+)).await
            }
        )+
    };
}

as_in_std! {
    /// Returns the path with all links resolved; see [`std::fs::canonicalize`].
    ///
    /// ```
    /// # policy::run(async {
    /// assert!(policy::fs::canonicalize(".").await?.is_absolute());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn canonicalize(path) -> PathBuf;

    /// Copies a file and its permissions, and returns how many bytes; see
    /// [`std::fs::copy`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::copy("from.txt", "to.txt").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn copy(from, to) -> u64;

    /// Makes a folder; see [`std::fs::create_dir`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::create_dir("folder").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn create_dir(path) -> ();

    /// Makes a folder and those above it; see [`std::fs::create_dir_all`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::create_dir_all("a/b/c").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn create_dir_all(path) -> ();

    /// Gives a file another name, too; see [`std::fs::hard_link`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::hard_link("file", "the same file").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn hard_link(original, link) -> ();

    /// Returns what is known of a file, links followed; see [`std::fs::metadata`].
    ///
    /// ```
    /// # policy::run(async {
    /// assert!(policy::fs::metadata(".").await?.is_dir());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn metadata(path) -> Metadata;

    /// Reads a whole file; see [`std::fs::read`].
    ///
    /// ```
    /// # policy::run(async {
    /// let program = policy::fs::read(std::env::current_exe()?).await?;
    /// assert!(!program.is_empty());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn read(path) -> Vec<u8>;

    /// Returns where a link leads; see [`std::fs::read_link`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// println!("{}", policy::fs::read_link("link").await?.display());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn read_link(path) -> PathBuf;

    /// Reads a whole file of text; see [`std::fs::read_to_string`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// println!("{}", policy::fs::read_to_string("notes.txt").await?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn read_to_string(path) -> String;

    /// Removes an empty folder; see [`std::fs::remove_dir`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::remove_dir("folder").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn remove_dir(path) -> ();

    /// Removes a folder and all that is in it; see [`std::fs::remove_dir_all`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::remove_dir_all("folder").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn remove_dir_all(path) -> ();

    /// Removes a file; see [`std::fs::remove_file`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::remove_file("notes.txt").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn remove_file(path) -> ();

    /// Gives a file another name, and replaces what had it; see [`std::fs::rename`].
    ///
    /// ```no_run
    /// # policy::run(async {
    /// policy::fs::rename("notes.new", "notes.txt").await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn rename(from, to) -> ();

    /// Returns what is known of a file, or of the link itself; see
    /// [`std::fs::symlink_metadata`].
    ///
    /// ```
    /// # policy::run(async {
    /// assert!(!policy::fs::symlink_metadata(".").await?.is_symlink());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    fn symlink_metadata(path) -> Metadata;
}

/// Sets the permissions of a file; see [`std::fs::set_permissions`].
///
/// ```no_run
/// # policy::run(async {
/// let mut permissions = policy::fs::metadata("notes.txt").await?.permissions();
/// permissions.set_readonly(true);
/// policy::fs::set_permissions("notes.txt", permissions).await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    blocking(move || std::fs::set_permissions(path, permissions)).await
}

/// Creates a symbolic link.
///
/// ```no_run
/// # policy::run(async {
/// policy::fs::symlink("file", "link").await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[cfg(unix)]
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    blocking(move || std::os::unix::fs::symlink(original, link)).await
}

/// Returns whether the path exists; see [`std::fs::exists`].
///
/// ```
/// # policy::run(async {
/// assert!(policy::fs::try_exists(".").await?);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    blocking(move || path.try_exists()).await
}

/// Writes a whole file, and replaces its contents; see [`std::fs::write`].
///
/// ```no_run
/// # policy::run(async {
/// policy::fs::write("notes.txt", "remember").await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, contents) = (path.as_ref().to_owned(), contents.as_ref().to_owned());
    blocking(move || std::fs::write(path, contents)).await
}
