//! tokio's children, for who takes them over: `policy::process::ForeignChild`.
//!
//! Such a child is asked whether it has exited ([`Child::try_wait`]), which needs no
//! runtime, and never waited for by tokio's future, which needs one that is driven.

pub use tokio::process::Child;
