//! What must not compile, and what the compiler then says of it.
//!
//! `TRYBUILD=overwrite cargo test --all-features --test ui` writes the expected output
//! anew.

#![cfg(all(feature = "macros", feature = "tokio", feature = "smol", feature = "async-std"))]

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
