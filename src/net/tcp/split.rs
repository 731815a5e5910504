//! The halves of a [`TcpStream`].

use super::TcpStream;

halves!(TcpStream);
