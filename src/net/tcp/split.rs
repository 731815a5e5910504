//! The halves of a [`TcpStream`].

use super::TcpStream;

halves!(
    TcpStream,
    "tcp",
    "# async fn example(mut stream: policy::net::TcpStream) -> std::io::Result<()> {"
);
