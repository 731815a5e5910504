// A stand-in for the crate `policy`: it has the functions that the expansions
// call, with the facade's signatures, and notes which were called.
//
// No `//!` and no `#![…]`: the doc examples `include!` this file.

#[allow(unused_imports)]
pub use policy_macros::{main, test};

/// Calls of `__private` on this thread, in order.
pub fn take_calls() -> Vec<String> {
    CALLS.with(|calls| calls.take())
}

std::thread_local! {
    static CALLS: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

pub trait IntoPolicy {
    fn label(self) -> String;
}

#[derive(Debug, Default)]
pub struct TokioPolicy(usize);

impl TokioPolicy {
    pub fn multi_thread() -> Self {
        Self(1)
    }

    #[must_use]
    pub fn worker_threads(self, count: usize) -> Self {
        Self(count)
    }
}

impl IntoPolicy for TokioPolicy {
    fn label(self) -> String {
        format!("tokio:{}", self.0)
    }
}

#[derive(Debug, Default)]
pub struct SmolPolicy;

impl SmolPolicy {
    pub fn new() -> Self {
        Self
    }

    pub fn current_thread() -> Self {
        Self
    }
}

impl IntoPolicy for SmolPolicy {
    fn label(self) -> String {
        String::from("smol")
    }
}

#[doc(hidden)]
pub mod __private {
    use std::future::Future;
    use std::process::{ExitCode, Termination};
    use std::task::{Context, Poll, Waker};

    use super::{CALLS, IntoPolicy};

    pub fn main_default<F: Future>(f: F) -> F::Output {
        run(String::from("main_default"), f)
    }

    pub fn main_with<P: IntoPolicy, F: Future>(p: P, f: F) -> F::Output {
        run(format!("main_with {}", p.label()), f)
    }

    pub fn main_named<F: Future>(name: &str, f: F) -> F::Output {
        run(format!("main_named {name}"), f)
    }

    pub fn main_from_env<F: Future>(var: &str, f: F) -> F::Output {
        run(format!("main_from_env {var}"), f)
    }

    pub fn test_default<F: Future>(f: impl FnOnce() -> F) -> F::Output {
        run(String::from("test_default"), f())
    }

    pub fn test_with<P: IntoPolicy, F: Future>(p: P, f: impl FnOnce() -> F) -> F::Output {
        run(format!("test_with {}", p.label()), f())
    }

    #[derive(Debug)]
    pub struct TestOptions {
        pub name: &'static str,
        pub requires: &'static [&'static str],
        pub worker_threads: Option<usize>,
        pub timeout: Option<std::time::Duration>,
        pub clock: TestClock,
    }

    #[derive(Debug)]
    pub enum TestClock {
        Real,
        Virtual,
        Manual,
    }

    impl TestOptions {
        // Without the name, which begins with the crate's.
        fn label(&self) -> String {
            let Self { name, requires, worker_threads, timeout, clock } = self;
            let name = name.rsplit("::").next().unwrap_or(name);
            format!("{name} {requires:?} {worker_threads:?} {timeout:?} {clock:?}")
        }
    }

    pub fn test_flavor<F: Future<Output: Termination>>(
        multi_thread: bool,
        options: TestOptions,
        f: impl FnOnce() -> F + Send + 'static,
    ) -> ExitCode {
        run(format!("test_flavor {multi_thread} {}", options.label()), f()).report()
    }

    pub fn test_loop<F: Future<Output: Termination>>(
        which: &'static str,
        options: TestOptions,
        f: impl FnOnce() -> F + Send + 'static,
    ) -> ExitCode {
        run(format!("test_loop {which} {}", options.label()), f()).report()
    }

    pub fn test_policy<P: IntoPolicy, F: Future<Output: Termination>>(
        policy: P,
        which: &str,
        options: TestOptions,
        f: impl FnOnce() -> F + Send + 'static,
    ) -> ExitCode {
        run(format!("test_policy {} {which} {}", policy.label(), options.label()), f()).report()
    }

    #[allow(unused_macros)]
    macro_rules! each_loop {
        ($flavor:ident $name:ident { $($import:tt)* } [ $($attr:tt)* ] [ $($output:tt)* ]) => {
            #[cfg(test)]
            mod $name {
                $($import)*
                #[test]
                $($attr)*
                fn $flavor() $($output)* { super::$name("this one") }
            }
        };
    }
    #[allow(unused_imports)]
    pub(crate) use each_loop;

    fn run<F: Future>(call: String, future: F) -> F::Output {
        CALLS.with(|calls| calls.borrow_mut().push(call));
        let mut future = std::pin::pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
    }
}
