//! The guide: how to do what, page by page.
//!
//! | to … | read |
//! |---|---|
//! | run a first program | [`start_here`] |
//! | choose between loops, and between child watchers | [`choosing`] |
//! | write a library that runs on every executor | [`libraries`] |
//! | use sockets and files, selectors and proactors | [`io`] |
//! | start children and wait for them | [`children`] |
//! | handle Ctrl-C and other signals, and shut down | [`signals`] |
//! | test, with a clock that does not wait | [`testing`] |
//! | run inside another main loop (GTK, winit, a game, C) | [`guests`] |
//! | bring another executor | [`adapters`] |
//! | know what it costs, and where it ends | [`costs`], [`limits`], [`features`] |
//! | use libraries of others: axum, reqwest, sqlx … | [`works_with`] |
//! | move in from elsewhere | [`coming_from_tokio`], [`coming_from_asyncio`], [`coming_from_async_std`] |
//! | know why | [`why`] |

#![allow(rustdoc::redundant_explicit_links, reason = "pages are read outside of rustdoc, too")]

macro_rules! pages {
    ($($page:ident: $file:literal),* $(,)?) => {
        $(
            #[doc = include_str!(concat!("../docs/guide/", $file))]
            pub mod $page {}
        )*
    };
}

pages! {
    start_here: "start-here.md",
    choosing: "choosing.md",
    libraries: "libraries.md",
    io: "io.md",
    children: "children.md",
    signals: "signals.md",
    testing: "testing.md",
    guests: "guests.md",
    adapters: "adapters.md",
    works_with: "works-with.md",
    coming_from_tokio: "coming-from-tokio.md",
    coming_from_asyncio: "coming-from-asyncio.md",
    coming_from_async_std: "coming-from-async-std.md",
    costs: "costs.md",
    limits: "limits.md",
    features: "features.md",
    why: "why.md",
}
