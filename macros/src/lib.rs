//! The attribute macros of event-loop-policy: [`macro@main`] and
//! [`macro@test`].
//!
//! Use them through the crate `policy`, which re-exports them: the code that
//! they write calls `policy::__private`, and so the two crates have to be of
//! the same release.
//!
//! Both take an `async fn` without arguments, keep its attributes, visibility,
//! name, return type and body, and make it a plain `fn` that runs the body on
//! an event loop. Which loop is the policy's choice; which policy is the
//! attribute's.
//!
//! # The crate's name
//!
//! The expansions begin with `::policy`. Where the crate has another name, or
//! is only reachable through a re-export, say so with `crate`:
//!
//! ```standalone_crate
//! # mod framework { pub mod policy {
//! #     include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/mod.rs"));
//! # } }
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
/// | `#[policy::main]` | the one in force: the default, unless the program set another |
/// | `#[policy::main(policy = EXPR)]` | `EXPR`, anything that is `IntoPolicy` |
/// | `#[policy::main(name = "tokio:multi_thread:4")]` | the one that `policy::from_name` finds |
/// | `#[policy::main(env = "EVENT_LOOP_POLICY")]` | the one that this environment variable names |
///
/// `policy`, `name` and `env` exclude each other. Each form, the first too,
/// takes `crate = path::to::policy` besides, for a crate `policy` that is
/// not at `::policy`.
///
/// ```standalone_crate
/// # extern crate self as policy;
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/mod.rs"));
/// # mod example {
/// use policy::TokioPolicy;
///
/// #[policy::main(policy = TokioPolicy::multi_thread().worker_threads(2))]
/// # pub
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let port: u16 = "8080".parse()?;
///     println!("would listen on {port}");
///     Ok(())
/// }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { example::main() }
/// ```
///
/// # The function
///
/// It may return what any `main` may (nothing, a `Result`, an `ExitCode`), and
/// `?` and `return` leave the body, not the caller. Within the body the
/// function's name means the `async fn`.
///
/// The attribute is not only for `main`: on any `async fn` without arguments
/// it makes a synchronous function that blocks until the body is done. There
/// the return type is free.
///
/// ```standalone_crate
/// # extern crate self as policy;
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/mod.rs"));
/// # mod example {
/// #[policy::main]
/// async fn answer() -> u32 {
///     42
/// }
///
/// # pub
/// fn main() {
///     assert_eq!(answer(), 42);
/// }
/// # }
/// # fn main() { example::main() }
/// ```
///
/// The expression of `policy` is evaluated outside of the body, before the
/// loop exists: it can't `.await`, and its `?` leaves the synchronous
/// function.
///
/// # Panics
///
/// As `policy::run`: when this thread already runs a loop, and when the policy
/// can't be had or can't make a loop. `policy::try_run` is the twin that
/// returns the error.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    main_macro::expand(args.into(), item.into()).into()
}

/// Makes a `#[test]` of an `async fn`: on the default loop, or on each of
/// several policies.
///
/// | written | makes |
/// |---|---|
/// | `#[policy::test]` | one `#[test]`, on a loop of the default policy |
/// | `#[policy::test(policies(EXPR, EXPR))]` | one `#[test]` for each policy, named after it |
///
/// Both take `crate = path::to::policy` besides. The policies are expressions,
/// so a test can also run on a policy that only this test suite has.
///
/// ```standalone_crate
/// # extern crate self as policy;
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/mod.rs"));
/// # fn main() {}
/// # mod example {
/// # #![allow(unused_imports)]
/// use policy::{SmolPolicy, TokioPolicy};
///
/// #[policy::test]
/// async fn numbers_parse() -> Result<(), std::num::ParseIntError> {
///     let number: u8 = "7".parse()?;
///     assert_eq!(number, 7);
///     Ok(())
/// }
///
/// #[policy::test(policies(SmolPolicy::new(), TokioPolicy::multi_thread().worker_threads(2)))]
/// #[should_panic(expected = "out of reach")]
/// async fn far_things_are_refused() {
///     panic!("out of reach");
/// }
/// # }
/// ```
///
/// Write it with its path: imported, `test` would hide the standard attribute.
///
/// # Names
///
/// The second test above becomes two, in a module with its name:
/// `far_things_are_refused::smol` and
/// `far_things_are_refused::tokio_multi_thread_worker_threads_2`. A name is
/// the expression's identifiers and literals in snake case. `policy`, `new`,
/// `default` and `unwrap` are left out, unless two different policies would
/// then have one name; equal ones are numbered `_2`, `_3`.
///
/// `cargo test far_things_are_refused::smol` runs it on that policy alone.
///
/// # What is kept
///
/// The return type: anything that a `#[test]` may return. The attributes:
/// `#[ignore]`, `#[should_panic]` and those of other crates go to each test,
/// lint levels stay with the body. The scope: body and policies mean what they
/// mean where they are written, `super::` included.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    test_macro::expand(args.into(), item.into()).into()
}
