//! Choosing a policy by name, at run time.

use std::env;
use std::num::NonZeroUsize;
use std::sync::Arc;

use policy_core::{Error, ErrorKind, EventLoopPolicy, limits};

use crate::DefaultEventLoopPolicy;

type Make = fn(Option<usize>) -> Arc<dyn EventLoopPolicy>;

/// One policy that can be named.
struct Entry {
    name: &'static str,
    /// Whether `:N` may follow, for N worker threads.
    threads: bool,
    /// Whether it is one of [`policy_names`]: not, if the system may well refuse it, or
    /// if another of them is the same in all but that.
    listed: bool,
    make: Make,
}

/// The policies that are compiled in. The first of an executor is what its bare
/// name means.
fn known() -> Vec<Entry> {
    vec![
        Entry {
            name: "default",
            threads: false,
            listed: true,
            make: |_| Arc::new(DefaultEventLoopPolicy::new()),
        },
        #[cfg(feature = "smol")]
        Entry {
            name: "smol:current_thread",
            threads: false,
            listed: true,
            make: |_| Arc::new(crate::SmolPolicy::current_thread()),
        },
        #[cfg(feature = "smol")]
        Entry {
            name: "smol:multi_thread",
            threads: true,
            listed: true,
            make: |threads| {
                let policy = crate::SmolPolicy::multi_thread();
                Arc::new(match threads {
                    Some(threads) => policy.worker_threads(threads),
                    None => policy,
                })
            },
        },
        #[cfg(feature = "tokio")]
        Entry {
            name: "tokio:multi_thread",
            threads: true,
            listed: true,
            make: |threads| {
                let policy = crate::TokioPolicy::multi_thread();
                Arc::new(match threads {
                    Some(threads) => policy.worker_threads(threads),
                    None => policy,
                })
            },
        },
        #[cfg(feature = "tokio")]
        Entry {
            name: "tokio:current_thread",
            threads: false,
            listed: true,
            make: |_| Arc::new(crate::TokioPolicy::current_thread()),
        },
        #[cfg(feature = "async-std")]
        Entry {
            name: "async-std",
            threads: false,
            listed: true,
            make: |_| Arc::new(crate::AsyncStdPolicy::new()),
        },
        #[cfg(feature = "compio")]
        Entry {
            name: "compio",
            threads: false,
            listed: true,
            make: |_| Arc::new(crate::CompioPolicy::new()),
        },
        #[cfg(all(feature = "compio", target_os = "linux"))]
        Entry {
            name: "compio:io_uring",
            threads: false,
            listed: false,
            make: |_| Arc::new(crate::CompioPolicy::new().driver(crate::CompioDriver::IoUring)),
        },
        #[cfg(all(feature = "compio", unix))]
        Entry {
            name: "compio:polling",
            threads: false,
            listed: false,
            make: |_| Arc::new(crate::CompioPolicy::new().driver(crate::CompioDriver::Polling)),
        },
    ]
}

/// Features that this crate has; a name of one that is off gets its own remedy.
pub(crate) const FEATURES: [&str; 4] = ["tokio", "smol", "async-std", "compio"];

/// Whether each of [`FEATURES`] is on.
pub(crate) fn on() -> [bool; 4] {
    [
        cfg!(feature = "tokio"),
        cfg!(feature = "smol"),
        cfg!(feature = "async-std"),
        cfg!(feature = "compio"),
    ]
}

/// All names that are compiled in, also those that [`policy_names`] leaves out.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    known().into_iter().map(|entry| entry.name)
}

/// Returns the names that [`from_name`] knows: those of the compiled-in adapters, without
/// `compio:io_uring` and `compio:polling`, which force one driver.
///
/// ```
/// assert!(policy::policy_names().contains(&"default"));
/// ```
pub fn policy_names() -> Vec<&'static str> {
    known().iter().filter(|entry| entry.listed).map(|entry| entry.name).collect()
}

/// Makes a policy by its name: `executor`, `executor:flavour` or
/// `executor:flavour:threads`, as in `tokio:multi_thread:4`.
///
/// The names are `default`, `smol:current_thread`, `smol:multi_thread`, `tokio:multi_thread`,
/// `tokio:current_thread`, `async-std`, `compio`, `compio:io_uring` and `compio:polling`, if their
/// features are on and the system has them. An executor without a flavour means the first of its
/// flavours.
///
/// # Errors
/// Returns [`ErrorKind::UnknownPolicy`], which lists the compiled-in names, if the name is unknown,
/// and [`ErrorKind::InvalidInput`] if the number of threads is invalid.
///
/// ```
/// let policy = policy::from_name("default")?;
/// policy::set_event_loop_policy(policy);
///
/// let Err(error) = policy::from_name("twisted") else { unreachable!() };
/// assert!(error.to_string().contains("default"));
/// # Ok::<(), policy::Error>(())
/// ```
pub fn from_name(name: &str) -> Result<Arc<dyn EventLoopPolicy>, Error> {
    // So that its policies have the default watcher, before this crate is asked for one.
    crate::default::begin();
    let asked = name.trim();
    let (flavour, threads) = match asked.rsplit_once(':') {
        Some((flavour, threads))
            if threads.starts_with(|c: char| c.is_ascii_digit() || c == '-') =>
        {
            (flavour, Some(parse_threads(asked, threads)?))
        }
        _ => (asked, None),
    };
    let known = known();
    let entry = known
        .iter()
        .find(|entry| entry.name == flavour)
        .or_else(|| known.iter().find(|entry| entry.name.split(':').next() == Some(flavour)))
        .ok_or_else(|| unknown(asked))?;
    if threads.is_some() && !entry.threads {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{:?} takes no count of threads; leave `:N` away", entry.name),
        ));
    }
    Ok((entry.make)(threads))
}

fn parse_threads(name: &str, threads: &str) -> Result<usize, Error> {
    let asked = threads.parse().ok().map(limits::worker_threads).transpose()?;
    asked.map(NonZeroUsize::get).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{threads} is no count of worker threads in {name:?}; ask for 1 to {}",
                limits::WORKER_THREADS
            ),
        )
    })
}

fn unknown(name: &str) -> Error {
    let executor = name.split(':').next().unwrap_or(name);
    let off =
        FEATURES.contains(&executor) && !policy_names().iter().any(|n| n.starts_with(executor));
    let remedy = if off { format!(", or turn on the feature `{executor}`") } else { String::new() };
    Error::new(
        ErrorKind::UnknownPolicy,
        format!(
            "no event loop policy is called {name:?}; choose one of {}{remedy}",
            policy_names().join(", ")
        ),
    )
}

/// Makes the policy that an environment variable names; returns the default policy if the variable
/// is not set, or empty.
///
/// # Errors
/// Returns the errors of [`from_name`], and [`ErrorKind::InvalidInput`] if the value is not
/// Unicode.
///
/// ```
/// let policy = policy::from_env("EVENT_LOOP_POLICY")?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn from_env(variable: &str) -> Result<Arc<dyn EventLoopPolicy>, Error> {
    // std's functions panic on such a name in some versions; it can't be set anyway.
    if variable.is_empty() || variable.contains(['=', '\0']) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{variable:?} can't be the name of an environment variable; choose another"),
        ));
    }
    match env::var(variable) {
        Ok(name) if name.trim().is_empty() => from_name("default"),
        Ok(name) => from_name(&name),
        Err(env::VarError::NotPresent) => from_name("default"),
        Err(env::VarError::NotUnicode(_)) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "the value of {variable} is not Unicode; choose one of {}",
                policy_names().join(", ")
            ),
        )),
    }
}
