//! The contract drags nothing in: few crates, and no executor.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::collections::BTreeSet;
use std::process::Command;

const EXECUTORS: [&str; 14] = [
    "tokio",
    "mio",
    "smol",
    "async-",
    "compio",
    "monoio",
    "glommio",
    "embassy",
    "futures-executor",
    "blocking",
    "polling",
    "io-uring",
    "nio",
    "bastion",
];

#[test]
fn the_contract_needs_at_most_eight_crates_and_no_executor() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", env!("CARGO_PKG_NAME")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let crates: BTreeSet<_> = said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != env!("CARGO_PKG_NAME"))
        .collect();
    assert!(crates.contains("log"), "not a tree of this crate: {said}");
    assert!(crates.len() <= 8, "{} crates: {crates:?}", crates.len());
    let executors: Vec<_> = crates
        .iter()
        .filter(|name| EXECUTORS.iter().any(|executor| name.starts_with(executor)))
        .collect();
    assert!(executors.is_empty(), "executors: {executors:?}");
}
