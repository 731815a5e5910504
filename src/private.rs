//! Code that the macros generate calls to. Not for direct use.

mod each_loop;
mod testing;

use std::future::Future;

use policy_core::{Error, IntoPolicy};

use crate::{Runner, ambient};

pub use crate::__policy_each_loop as each_loop;
pub use testing::{TestClock, TestOptions, test_flavor, test_loop, test_policy};

/// Runs `#[policy::main]`.
#[track_caller]
pub fn main_default<F: Future>(future: F) -> F::Output {
    crate::run(future)
}

/// Runs `#[policy::main(policy = …)]`: the policy becomes the process's.
#[track_caller]
pub fn main_with<P: IntoPolicy, F: Future>(policy: P, future: F) -> F::Output {
    crate::set_event_loop_policy(policy);
    crate::run(future)
}

/// Runs `#[policy::main(name = "…")]`.
#[track_caller]
pub fn main_named<F: Future>(name: &str, future: F) -> F::Output {
    main_with(or_exit(crate::from_name(name)), future)
}

/// Runs `#[policy::main(env = "…")]`.
#[track_caller]
pub fn main_from_env<F: Future>(variable: &str, future: F) -> F::Output {
    main_with(or_exit(crate::from_env(variable)), future)
}

/// A name is the user's input at run time: one line and exit code 2, no panic.
fn or_exit<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        std::process::exit(2)
    })
}

/// Runs a `#[policy::test]` on the default loop, whatever policy the process has:
/// tests share a process.
#[track_caller]
pub fn test_default<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    test_with(crate::DefaultEventLoopPolicy::new(), test)
}

/// Runs a `#[policy::test]` on a loop of `policy`.
#[track_caller]
pub fn test_with<P: IntoPolicy, F: Future>(policy: P, test: impl FnOnce() -> F) -> F::Output {
    // With one thread for tests that is the main one; Ctrl-C ends them all.
    let mut runner = Runner::with_policy(policy).handle_sigint(false);
    match runner.run(async { test().await }) {
        Ok(output) => output,
        Err(error) => ambient::fail(&error),
    }
}
