//! What does not compile, and what the compiler then says.
//!
//! `TRYBUILD=overwrite cargo test -p event-loop-policy-macros --test compile_errors`
//! writes the expected output anew.

#[test]
fn each_misuse_of_main_names_its_remedy() {
    trybuild::TestCases::new().compile_fail("tests/ui/main/*.rs");
}

#[test]
fn each_misuse_of_test_names_its_remedy() {
    trybuild::TestCases::new().compile_fail("tests/ui/test/*.rs");
}

// These messages are rustc's own: what is ours in them is the place that the
// arrows point at, the user's line and not the attribute.
#[test]
fn an_error_in_the_body_points_at_the_body() {
    trybuild::TestCases::new().compile_fail("tests/ui/body/*.rs");
}
