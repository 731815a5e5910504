//! What `#[policy::main]` expands to, compiled and run.

// A `main` without `.await` is no fault of the user's: the macro asks for `async`.
#![deny(clippy::unused_async)]

#[allow(dead_code, unreachable_pub, reason = "shared by several test crates")]
mod policy;

use std::cell::Cell;
use std::process::ExitCode;
use std::task::Poll;

use policy::{SmolPolicy, TokioPolicy, take_calls};

/// Pending once, so that a body really is polled as a future.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn without_options_the_policy_in_force_runs_the_body() {
    #[policy::main(crate = policy)]
    async fn main() {
        yield_now().await;
    }

    main();
    assert_eq!(take_calls(), ["main_default"]);
}

#[test]
fn a_policy_is_any_expression() {
    const WORKERS: usize = 2;

    #[policy::main(policy = TokioPolicy::multi_thread().worker_threads(WORKERS * 2), crate = policy)]
    async fn main() {}

    main();
    assert_eq!(take_calls(), ["main_with tokio:4"]);
}

#[test]
fn commas_inside_of_a_policy_do_not_end_it() {
    fn second<A, B>(_: A, second: B) -> B {
        second
    }

    #[policy::main(policy = second::<u8, SmolPolicy>(1, SmolPolicy), crate = policy,)]
    async fn main() {}

    main();
    assert_eq!(take_calls(), ["main_with smol"]);
}

#[test]
fn a_policy_that_fails_leaves_by_the_return_type() {
    #[policy::main(policy = Err::<SmolPolicy, String>("no policy".into())?, crate = policy)]
    async fn main() -> Result<(), String> {
        Ok(())
    }

    assert_eq!(main(), Err(String::from("no policy")));
    assert!(take_calls().is_empty());
}

#[test]
fn a_name_is_handed_on() {
    #[policy::main(crate = policy, name = "tokio:multi_thread:4")]
    async fn main() {}

    main();
    assert_eq!(take_calls(), ["main_named tokio:multi_thread:4"]);
}

#[test]
fn an_environment_variable_is_handed_on() {
    #[policy::main(env = "EVENT_LOOP_POLICY", crate = crate::policy)]
    async fn main() {}

    main();
    assert_eq!(take_calls(), ["main_from_env EVENT_LOOP_POLICY"]);
}

#[test]
fn a_literal_may_come_from_a_macro() {
    macro_rules! main_named {
        ($name:literal, $krate:path, $body:block) => {
            #[policy::main(name = $name, crate = $krate)]
            async fn main() -> u8 $body
        };
    }
    main_named!("smol", crate::policy, { 3 });

    assert_eq!(main(), 3);
    assert_eq!(take_calls(), ["main_named smol"]);
}

#[test]
fn the_question_mark_leaves_the_body_and_converts_the_error() {
    #[policy::main(crate = policy)]
    async fn main() -> Result<u8, Box<dyn std::error::Error>> {
        let number: u8 = "256".parse()?;
        Ok(number)
    }

    let message = main().map_err(|error| error.to_string());
    assert_eq!(message, Err(String::from("number too large to fit in target type")));
}

#[test]
fn an_error_coerces_to_the_return_type() {
    #[policy::main(crate = policy)]
    async fn main() -> Result<(), Box<dyn std::error::Error>> {
        yield_now().await;
        Err(Box::new(std::fmt::Error))
    }

    assert!(main().is_err());
}

#[test]
fn an_early_return_skips_the_rest() {
    std::thread_local!(static REACHED: Cell<bool> = const { Cell::new(false) });

    #[policy::main(crate = policy)]
    async fn main() -> Result<(), String> {
        if REACHED.get() {
            return Err("impossible".into());
        }
        for turn in 0.. {
            yield_now().await;
            if turn == 2 {
                return Ok(());
            }
        }
        REACHED.set(true);
        Ok(())
    }

    assert_eq!(main(), Ok(()));
    assert!(!REACHED.get());
}

#[test]
fn an_exit_code_is_returned() {
    #[policy::main(crate = policy)]
    async fn main() -> ExitCode {
        ExitCode::from(3)
    }

    assert_eq!(format!("{:?}", main()), format!("{:?}", ExitCode::from(3)));
}

#[test]
fn an_opaque_type_is_returned() {
    #[policy::main(crate = policy)]
    async fn main() -> impl std::process::Termination + std::fmt::Debug {
        Ok::<(), String>(())
    }

    assert_eq!(format!("{:?}", main()), "Ok(())");
}

#[test]
fn a_body_may_never_return() {
    #[policy::main(crate = policy)]
    async fn main() -> ! {
        yield_now().await;
        std::panic::resume_unwind(Box::new("left"))
    }

    let outcome = std::panic::catch_unwind(|| {
        main();
    });
    assert_eq!(
        outcome.err().and_then(|payload| payload.downcast::<&str>().ok()),
        Some(Box::new("left"))
    );
}

#[test]
fn the_body_need_not_be_send() {
    #[policy::main(crate = policy)]
    async fn main() -> usize {
        let shared = std::rc::Rc::new(7);
        yield_now().await;
        *shared
    }

    assert_eq!(main(), 7);
}

#[test]
fn the_name_means_the_async_function_inside() {
    std::thread_local!(static DEPTH: Cell<u8> = const { Cell::new(0) });

    #[policy::main(crate = policy)]
    async fn descend() -> u8 {
        DEPTH.set(DEPTH.get() + 1);
        if DEPTH.get() < 3 {
            return Box::pin(descend()).await;
        }
        DEPTH.get()
    }

    assert_eq!(descend(), 3);
    assert_eq!(take_calls(), ["main_default"]);
}

mod elsewhere {
    use super::policy;

    /// Documented, visible, and under a lint level of its own.
    #[policy::main(crate = super::policy)]
    #[must_use]
    #[deny(missing_docs)]
    #[allow(non_snake_case)]
    pub(super) async fn Answer() -> u32 {
        #![allow(unused_variables)]
        let Unused = super::yield_now().await;
        42
    }
}

#[test]
fn attributes_and_visibility_are_kept() {
    assert_eq!(elsewhere::Answer(), 42);
}
