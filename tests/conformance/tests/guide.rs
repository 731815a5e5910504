//! The guide docs/writing-an-adapter.md shows the minimal loop as it is, and all of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

use std::fs;
use std::path::Path;

/// The code of the guide, piece by piece.
fn pieces(guide: &str) -> Vec<&str> {
    let blocks = guide.split("```rust\n").skip(1);
    blocks.map(|block| block.split("\n```").next().expect("a block ends")).collect()
}

#[test]
fn the_pieces_of_the_guide_are_the_minimal_loop() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(here.join("../../docs/writing-an-adapter.md")).unwrap();
    let file = fs::read_to_string(here.join("tests/minimal_loop/mod.rs")).unwrap();
    let pieces = pieces(&guide);
    assert!(pieces.len() > 5, "{pieces:?}");
    for piece in &pieces {
        assert!(file.contains(piece), "not, or no longer, in the loop:\n{piece}");
    }
    // In order, and without a gap: who follows the guide has the whole file.
    let whole = &file[file.find("use ").unwrap()..file.find("\n\n// A child, ").unwrap()];
    assert_eq!(pieces.join("\n\n"), whole);
}

#[test]
fn the_minimal_loop_has_fewer_than_300_lines() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = fs::read_to_string(here.join("tests/minimal_loop/mod.rs")).unwrap();
    assert!(file.lines().count() < 300, "{} lines", file.lines().count());
}
