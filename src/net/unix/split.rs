//! The halves of a [`UnixStream`].

use super::UnixStream;

halves!(UnixStream);
