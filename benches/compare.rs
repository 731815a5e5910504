//! `cargo bench --bench compare`, from the project's folder: goes on in `benches/compare`,
//! a package of its own, whose dependencies nobody else should have to build.
#![allow(clippy::panic, reason = "a bench that can't begin has nobody to hand an error to")]

use std::env;
use std::process::{Command, exit};

fn main() {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["bench", "-p", "event-loop-policy-compare", "--bench", "compare", "--"]);
    // Cargo's own, which would be said twice.
    cargo.args(env::args_os().skip(1).filter(|arg| arg != "--bench"));
    match cargo.status() {
        Ok(status) => exit(status.code().unwrap_or(1)),
        Err(error) => panic!("can't run {cargo:?}: {error}"),
    }
}
