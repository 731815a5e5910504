//! The attribute macros of event-loop-policy: [`macro@main`] and
//! [`macro@test`].
//!
//! Use them through the crate `policy`, which re-exports them: the code that they generate calls
//! `policy::__private`, so the two crates must have the same version.
//!
//! Both take an `async fn` without arguments, keep its attributes, visibility, name, return type
//! and body, and make it a plain `fn` that runs the body on an event loop. The policy chooses the
//! loop; the attribute chooses the policy.
//!
//! # The crate's name
//!
//! The expansions begin with `::policy`. If the crate has another name, or is only reachable
//! through a re-export, name it with `crate`:
//!
//! ```
//! mod framework {
//!     pub use ::policy;
//! }
//!
//! #[framework::policy::main(crate = framework::policy)]
//! async fn main() {
//!     println!("on the loop");
//! }
//! ```

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

mod args;
mod errors;
mod function;
mod main_macro;
mod names;
mod test_macro;

/// Runs an `async fn` on a new event loop, as `policy::run` does.
///
/// | written | the policy |
/// |---|---|
/// | `#[policy::main]` | the current one: the default, unless the program set another |
/// | `#[policy::main(policy = EXPR)]` | `EXPR`, any value that implements `IntoPolicy` |
/// | `#[policy::main(name = "tokio:multi_thread:4")]` | the one that `policy::from_name` finds |
/// | `#[policy::main(env = "EVENT_LOOP_POLICY")]` | the one that this environment variable names |
///
/// `policy`, `name` and `env` exclude each other. Each form, also the first, may add
/// `crate = path::to::policy`, for a crate `policy` that is not at `::policy`.
///
/// ```
/// use policy::TokioPolicy;
///
/// #[policy::main(policy = TokioPolicy::multi_thread().worker_threads(2))]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let port: u16 = "8080".parse()?;
///     println!("would listen on {port}");
///     Ok(())
/// }
/// ```
///
/// # The function
///
/// It may return whatever any `main` may (nothing, a `Result`, an `ExitCode`). `?` and `return`
/// leave the body, not the caller. Within the body the function's name refers to the `async fn`.
///
/// You can use the attribute on functions other than `main`: it turns any `async fn` without
/// arguments into a synchronous function that blocks until the body completes. Its return type may
/// then be any.
///
/// ```
/// #[policy::main]
/// async fn answer() -> u32 {
///     42
/// }
///
/// fn main() {
///     assert_eq!(answer(), 42);
/// }
/// ```
///
/// The expression of `policy` is evaluated outside the body, before the loop exists: it can't
/// `.await`, and its `?` leaves the synchronous function.
///
/// # Panics
///
/// Panics where `policy::run` does: when this thread already runs a loop, and when there is no
/// policy or it can't make a loop. `policy::try_run` returns the error instead.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    main_macro::expand(args.into(), item.into()).into()
}

/// Turns an `async fn` into a `#[test]`: on the default loop, on each of several policies, or on
/// every loop that is compiled in.
///
/// | written | makes |
/// |---|---|
/// | `#[policy::test]` | one `#[test]`, on a loop of the default policy |
/// | `#[policy::test(policies(EXPR, EXPR))]` | one `#[test]` for each policy, named after it |
/// | `#[policy::test(all)]` | one `#[test]` for each loop that the features of `policy` add: `my_test::tokio_multi_thread` |
///
/// The policies are expressions, so a test can also run on a policy that only this test suite has.
/// Each form may add these options:
///
/// | option | means |
/// |---|---|
/// | `requires(children, jump)` | skips the test on a loop that lacks one of these, and prints why |
/// | `flavor = "multi_thread"` | with `all`: only loops of this flavor, or of `"current_thread"`; alone: the loop on the default's executor (smol) with worker threads |
/// | `worker_threads = 2` | for multi-threaded loops, with `all` or `flavor`; 2 is the default |
/// | `timeout = "5s"` | a test that takes longer fails by its name, also if it blocks its thread; a string (`ms`, `s`, `m`), or an expression of type `Duration` |
/// | `clock = virtual` | the clock of the loop is paused before the test begins, and jumps: see `policy::time::pause` |
/// | `clock = manual` | it is paused, and moves by `policy::time::advance` only |
/// | `crate = path::to::policy` | for a crate `policy` that is not at `::policy` |
///
/// ```
/// # fn main() {}
/// use policy::{SmolPolicy, TokioPolicy};
///
/// #[policy::test]
/// async fn numbers_parse() -> Result<(), std::num::ParseIntError> {
///     let number: u8 = "7".parse()?;
///     assert_eq!(number, 7);
///     Ok(())
/// }
///
/// #[policy::test(policies(SmolPolicy::current_thread(), TokioPolicy::multi_thread().worker_threads(2)))]
/// #[should_panic(expected = "out of reach")]
/// async fn far_things_are_refused() {
///     panic!("out of reach");
/// }
/// ```
///
/// Write it with its path: an imported `test` would hide the standard attribute.
///
/// # All loops, and what they can do
///
/// ```
/// # fn main() {}
/// #[policy::test(all, requires(children), timeout = "30s")]
/// async fn a_child_is_waited_for() { /* … */ }
///
/// #[policy::test(all, clock = virtual)]
/// async fn an_hour_passes_in_no_time() { /* … */ }
/// ```
///
/// `cargo test tokio` then runs the tests on tokio's loops. `requires` knows `children`, `jump`
/// (time that moves by itself, under `clock = virtual`), `local` (tasks that are not `Send`),
/// `net`, `proactor`, `selector` and `signals`. The test asks the loop for them at run time; if it
/// lacks one, the test is skipped and writes a line to the standard error:
/// `test my_test::tokio_multi_thread ... skipped, needs …`, with the loop's own reason. With `all`,
/// `clock = virtual` requires `jump`; otherwise a test on a loop that can't jump fails with
/// `ErrorKind::Unsupported`, and `clock = manual` works there.
///
/// With `timeout` the test runs on a thread of its own, which is left behind when the time runs
/// out. The timeout uses real time, whatever the clock.
///
/// # Names
///
/// The second test above becomes two, in a module with its name:
/// `far_things_are_refused::smol_current_thread` and
/// `far_things_are_refused::tokio_multi_thread_worker_threads_2`. A name consists of the
/// expression's identifiers and literals in snake case. `policy`, `new`, `default` and `unwrap` are
/// left out, unless two different policies would then have one name; equal ones are numbered `_2`,
/// `_3`.
///
/// `cargo test far_things_are_refused::smol` runs it on that policy alone.
///
/// # What is kept
///
/// The return type: anything that a `#[test]` may return (with options, the result is reported
/// where the test ran, and the test returns the `ExitCode`). The attributes: `#[ignore]`,
/// `#[should_panic]` and those of other crates go to each test, lint levels stay with the body. The
/// scope: body and policies are resolved where they are written, `super::` included.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    test_macro::expand(args.into(), item.into()).into()
}
