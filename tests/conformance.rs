//! Every loop that is compiled in, clause by clause: `cargo test --test conformance tokio`
//! runs those of tokio's loops.

#[cfg(feature = "default-loop")]
mod default {
    policy_conformance::suite!(policy::DefaultEventLoopPolicy::new());
}

#[cfg(feature = "smol")]
mod smol_current_thread {
    policy_conformance::suite!(policy::SmolPolicy::current_thread());
}

#[cfg(feature = "smol")]
mod smol_multi_thread {
    policy_conformance::suite!(policy::SmolPolicy::multi_thread().worker_threads(2));
}

#[cfg(feature = "tokio")]
mod tokio_current_thread {
    policy_conformance::suite!(policy::TokioPolicy::current_thread());
}

#[cfg(feature = "tokio")]
mod tokio_multi_thread {
    policy_conformance::suite!(policy::TokioPolicy::multi_thread().worker_threads(2));
}

/// Loops on a runtime that somebody else made, and keeps.
#[cfg(feature = "tokio")]
mod tokio_handle {
    use std::sync::LazyLock;
    use tokio::runtime::{Builder, Runtime};

    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = Builder::new_multi_thread();
        match builder.worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => unreachable!("tokio gives no runtime: {error}"),
        }
    });

    policy_conformance::suite!(policy::TokioPolicy::from_handle(RUNTIME.handle().clone()));
}

#[cfg(feature = "async-std")]
mod async_std {
    policy_conformance::suite!(policy::AsyncStdPolicy::new());
}

#[cfg(feature = "compio")]
mod compio {
    policy_conformance::suite!(policy::CompioPolicy::new());
}

/// Where io_uring is refused, as `tests/compio_refused.rs` shows, or there is none.
#[cfg(all(feature = "compio", target_os = "linux"))]
mod compio_polling {
    policy_conformance::suite!(policy::CompioPolicy::new().driver(policy::CompioDriver::Polling));
}
