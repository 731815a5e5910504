//! Where the programs are.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of an example, built as this test was: cargo builds it for `cargo test`,
/// yet not for `cargo test --test …`, and what lies there may be old.
pub(crate) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn build() -> PathBuf {
    // target/debug/deps/quickstart-0123 → target/debug
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet"]);
    cargo
        .args(["--example", "quickstart", "--example", "doctor", "--target-dir"])
        .arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // With the very arguments of the test command, so that nothing is built again.
    if cfg!(feature = "compio") {
        cargo.args(["--workspace", "--all-features"]);
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    profile.join("examples")
}
