//! The halves of a [`UnixStream`].

use super::UnixStream;

halves!(
    UnixStream,
    "unix",
    "# async fn example(mut stream: policy::net::UnixStream) -> std::io::Result<()> {"
);
