//! Others' libraries, as their users write them, on every loop: a module for each, and a row for
//! each module in docs/guide/works-with.md, whose code is taken from here.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod async_channel;
mod async_trait;
mod async_tungstenite;
mod axum;
mod futures;
mod futures_rustls;
mod hyper_util;
mod page;
mod rayon;
mod reqwest;
mod rstest;
mod sqlx;
mod support;
mod test_log;
mod tokio;
mod tokio_rustls;
mod tokio_tungstenite;
mod tower;
mod tracing;
