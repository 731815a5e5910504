//! Without `crate`, the expansion calls the crate `::policy`.

// This file takes that crate's part.
extern crate self as policy;

#[path = "policy/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared by several test crates")]
mod stub;

pub use stub::{__private, main, test};

// A module of its own: at the root, `test` is now the macro.
mod tests {
    use super::stub::{SmolPolicy, take_calls};

    #[policy::main]
    async fn blocking() -> u8 {
        5
    }

    #[test]
    fn main_calls_it() {
        assert_eq!(blocking(), 5);
        assert_eq!(take_calls(), ["main_default"]);
    }

    #[policy::test]
    async fn test_calls_it() {
        assert_eq!(take_calls(), ["test_default"]);
    }

    #[policy::test(policies(SmolPolicy))]
    async fn test_calls_it_with_a_policy() {
        assert_eq!(take_calls(), ["test_with smol"]);
    }
}
