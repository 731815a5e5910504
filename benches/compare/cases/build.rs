//! What depending on us costs whoever builds: crates, time, and the size of a program.
//!
//! A package that depends on `policy` beside one that depends on the executor alone, with
//! the features that the adapter turns on in it; the same `Cargo.lock` for all of them,
//! and a new build folder each time. They stand in the build folder of the benchmark.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::harness::{Aim, Measure, Plan, Row};
use crate::report;

const TIME: Measure = ("time to build", "s");
const SIZE: Measure = ("size", "B");
const CRATES: Measure = ("crates", "");

const ROUNDS: usize = 3;

pub fn rows(plan: &Plan) -> Vec<Row> {
    let policy = |features: &str| {
        let root = report::root();
        let name = "policy = { package = \"event-loop-policy\"";
        format!("{name}, path = {:?}, default-features = false{features} }}", root.display())
    };
    let tokio = "tokio = { version = \"1\", default-features = false, features = [\"rt\", \"rt-multi-thread\", \"time\", \"net\", \"process\"] }";
    let smol = "async-executor = \"1\"\nasync-io = \"2\"\nblocking = \"1\"";
    let packages = [
        Package::new("policy-alone", &policy("")),
        Package::new("policy-default", &policy(", features = [\"default\"]")),
        Package::new("policy-tokio", &policy(", features = [\"tokio\"]")),
        Package::new("tokio-alone", tokio),
        Package::new("smol-parts-alone", smol),
    ];
    let pairs = [
        ("policy, no features", 0, "tokio alone", 3, (8.0, 1.5)),
        ("policy, no features", 0, "async-executor, async-io, blocking", 4, (8.0, 1.5)),
        ("policy, default features", 1, "async-executor, async-io, blocking", 4, (24.0, 2.0)),
        ("policy, feature tokio only", 2, "tokio alone", 3, (18.0, 2.0)),
    ];
    let mut rows = sizes(plan, &policy, tokio, smol);
    if pairs.iter().all(|(case, ..)| plan.leaves_out(case)) {
        return rows;
    }
    let crates: Vec<f64> = packages.iter().map(Package::crates).collect();
    let mut times = vec![Vec::new(); packages.len()];
    if !plan.is_quick {
        for round in 0..plan.rounds.min(ROUNDS) {
            for turn in 0..packages.len() {
                let at = (turn + round) % packages.len();
                times[at].push(packages[at].build());
            }
        }
    }
    for (case, ours, against, theirs, (few, quick)) in pairs {
        let (a, b) = ([crates[ours]], [crates[theirs]]);
        rows.push(Row::of("build", case, CRATES, against, &a, &b, Some(Aim::Ours(few))));
        if !plan.is_quick {
            let (a, b) = (&times[ours], &times[theirs]);
            rows.push(Row::of("build", case, TIME, against, a, b, Some(Aim::AtMost(quick))));
        }
    }
    rows
}

const BY_POLICY: &str = r#"
fn main() {
    let mut runner = policy::Runner::with_policy(POLICY);
    let hello = async {
        let task = policy::spawn(async {
            policy::time::sleep(std::time::Duration::from_millis(1)).await;
            println!("hello, world");
        });
        task.await.unwrap();
    };
    runner.run(hello).unwrap();
}
"#;

const BY_TOKIO: &str = r#"
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hello = async {
        let task = tokio::spawn(async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            println!("hello, world");
        });
        task.await.unwrap();
    };
    runtime.block_on(hello);
}
"#;

const BY_SMOL: &str = r#"
fn main() {
    let executor = async_executor::Executor::new();
    let hello = async {
        let task = executor.spawn(async {
            async_io::Timer::after(std::time::Duration::from_millis(1)).await;
            println!("hello, world");
        });
        task.await;
    };
    async_io::block_on(executor.run(hello));
}
"#;

/// Programs that spawn a task which sleeps and says hello: release, stripped.
fn sizes(plan: &Plan, policy: &dyn Fn(&str) -> String, tokio: &str, smol: &str) -> Vec<Row> {
    const AIM: Option<Aim> = Some(Aim::AtMost(1.15));
    let by_policy = |made: &str| BY_POLICY.replace("POLICY", made);
    let on_tokio = by_policy("policy::TokioPolicy::current_thread()");
    let by_default = by_policy("policy::DefaultEventLoopPolicy::new()");
    let pairs = [
        (
            "hello world, feature tokio only",
            ("hello-policy-tokio", policy(", features = [\"tokio\"]"), on_tokio.as_str()),
            "tokio alone",
            ("hello-tokio", tokio.to_owned(), BY_TOKIO),
        ),
        (
            "hello world, default loop only",
            ("hello-policy-default", policy(", features = [\"default-loop\"]"), &by_default),
            "async-executor, async-io",
            ("hello-smol", smol.to_owned(), BY_SMOL),
        ),
    ];
    let mut rows = Vec::new();
    for (case, ours, against, theirs) in pairs {
        // Two release builds each are too much for a look whether all of it runs.
        if plan.is_quick || plan.leaves_out(case) {
            continue;
        }
        let size = |(name, dependencies, source): (&str, String, &str)| {
            [Package::new(name, &dependencies).program(source)]
        };
        rows.push(Row::of("build", case, SIZE, against, &size(ours), &size(theirs), AIM));
    }
    rows
}

/// A package with nothing but a dependency.
struct Package {
    folder: PathBuf,
}

impl Package {
    fn new(name: &str, dependencies: &str) -> Self {
        let folder = report::folder().join("build").join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), "").unwrap();
        // A workspace of its own: it stands inside of ours.
        let manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::copy(report::root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        Self { folder }
    }

    /// How many crates are built for it, itself not counted.
    fn crates(&self) -> f64 {
        let args = ["tree", "--offline", "--prefix", "none", "-e", "normal", "-f", "{p}"];
        let output = self.cargo().args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<&str> = text
            .lines()
            .map(|line| line.trim_end_matches(" (*)"))
            .filter(|line| !line.is_empty())
            .collect();
        lines.sort_unstable();
        lines.dedup();
        lines.len() as f64 - 1.0
    }

    /// Builds it from nothing; seconds.
    fn build(&self) -> f64 {
        let target = self.folder.join("target");
        let _new = fs::remove_dir_all(&target);
        let began = Instant::now();
        let output = self.cargo().args(["build", "--offline", "-q", "-j2"]).output().unwrap();
        let took = began.elapsed().as_secs_f64();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let _smaller = fs::remove_dir_all(&target);
        took
    }

    /// Builds a program as it is released; its size in bytes.
    fn program(&self, source: &str) -> f64 {
        fs::write(self.folder.join("src/main.rs"), source).unwrap();
        let target = self.folder.join("target");
        let mut cargo = self.cargo();
        cargo.args(["build", "--offline", "-q", "-j2", "--release"]);
        let output = cargo.env("CARGO_PROFILE_RELEASE_STRIP", "true").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let program = target.join("release").join(self.folder.file_name().unwrap());
        let size = fs::metadata(program).unwrap().len() as f64;
        let _smaller = fs::remove_dir_all(&target);
        size
    }

    fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.current_dir(&self.folder).env("CARGO_TARGET_DIR", self.folder.join("target"));
        command
    }
}
