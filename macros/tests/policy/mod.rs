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
}

impl IntoPolicy for SmolPolicy {
    fn label(self) -> String {
        String::from("smol")
    }
}

#[doc(hidden)]
pub mod __private {
    use std::future::Future;
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
