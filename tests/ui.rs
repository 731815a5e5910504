//! What must not compile, and what the compiler then says of it.
//!
//! `TRYBUILD=overwrite cargo test --all-features --test ui` writes the expected output
//! anew.

// With all features: what is in scope changes what the compiler says.
#![cfg(all(
    feature = "macros",
    feature = "tokio",
    feature = "smol",
    feature = "async-std",
    feature = "compio"
))]

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
