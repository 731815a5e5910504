//! The guide docs/writing-an-adapter.md shows the minimal loop as it is, and all of it;
//! each of its steps compiles, and the crate in the end without a warning.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn guide() -> String {
    fs::read_to_string(project().join("docs/writing-an-adapter.md")).unwrap()
}

fn minimal_loop() -> String {
    fs::read_to_string(project().join("examples/template-adapter/src/lib.rs")).unwrap()
}

/// The code of the guide, piece by piece.
fn pieces<'a>(guide: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let blocks = guide.split(fence.as_str()).skip(1);
    blocks.map(|block| block.split("\n```").next().expect("a block ends")).collect()
}

#[test]
fn the_pieces_of_the_guide_are_the_minimal_loop() {
    let (guide, file) = (guide(), minimal_loop());
    let pieces = pieces(&guide, "rust");
    assert!(pieces.len() > 5, "{pieces:?}");
    for piece in &pieces {
        assert!(file.contains(piece), "not, or no longer, in the loop:\n{piece}");
    }
    // In order, and without a gap: who follows the guide has the whole file.
    let whole = file[file.find("use ").unwrap()..].trim_end();
    assert_eq!(pieces.join("\n\n"), whole);
}

#[test]
fn the_minimal_loop_has_fewer_than_150_lines() {
    let lines = minimal_loop().lines().count();
    assert!(lines < 150, "{lines} lines");
}

/// Each step as an example, all of them together as the library, with the suite.
#[test]
fn each_step_of_the_guide_compiles_and_the_crate_has_no_warning() {
    let (project, guide) = (project(), guide());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("my-loop");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::create_dir_all(folder.join("examples")).unwrap();
    let published = pieces(&guide, "toml").concat();
    let by_path = |name: &str, path: &str| {
        format!("[patch.crates-io.{name}]\npath = {:?}\n", project.join(path))
    };
    let manifest = format!(
        "[package]\nname = \"my-loop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{published}\n\n{}{}[workspace]\n",
        by_path("event-loop-policy", "."),
        by_path("event-loop-policy-conformance", "tests/conformance"),
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The versions that the workspace has: nothing is looked up.
    fs::copy(project.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    let steps = pieces(&guide, "rust");
    for number in 1..=steps.len() {
        let step = format!("{}\n\nfn main() {{}}\n", steps[..number].join("\n\n"));
        fs::write(folder.join(format!("examples/step_{number}.rs")), step).unwrap();
    }
    let suite = pieces(&guide, "text").into_iter().find(|block| block.contains("suite!")).unwrap();
    let library = format!("#![deny(warnings)]\n{}\n\n{suite}\n", steps.join("\n\n"));
    fs::write(folder.join("src/lib.rs"), library).unwrap();

    let checked = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--all-targets"])
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("my-loop-target"))
        .env_remove("RUSTFLAGS")
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
