//! Children on Windows, on every loop. The programs that are started are this one, which
//! does what `ROLE` says: `ci/windows` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[cfg(not(windows))]
fn main() {}

#[cfg(windows)]
fn main() {
    match std::env::var("ROLE") {
        Ok(role) => children::play(&role),
        Err(_) => children::test(),
    }
}

#[cfg(windows)]
mod children {
    use std::env;
    use std::io::{self, Write};
    use std::process::exit;
    use std::time::Duration;

    use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
    use policy::process::{Command, Stdio, set_max_children};
    use policy::time::timeout;
    use policy::{ErrorKind, Runner};

    const LONG: Duration = Duration::from_secs(60);
    const LARGE: usize = 4 << 20;

    /// What a child of a test does.
    pub(super) fn play(role: &str) {
        let mut words = role.split(' ');
        match words.next().unwrap() {
            "exit" => exit(words.next().unwrap().parse::<u32>().unwrap() as i32),
            "sleep" => std::thread::sleep(LONG * 10),
            "args" => env::args().skip(1).for_each(|arg| println!("<{arg}>")),
            "cat" => drop(io::copy(&mut io::stdin(), &mut io::stdout()).unwrap()),
            "flood" => {
                io::stderr().write_all(&vec![b'e'; LARGE]).unwrap();
                io::stdout().write_all(&vec![b'o'; LARGE]).unwrap();
            }
            // A tree: the grandchild has the same pipe, which ends when both have.
            "tree" => {
                let this = env::current_exe().unwrap();
                let mut leaf = std::process::Command::new(this);
                let mut leaf = leaf.env("ROLE", "sleep").stdin(Stdio::null()).spawn().unwrap();
                println!("grown");
                leaf.wait().unwrap();
            }
            role => panic!("no role is called {role}"),
        }
    }

    fn this(role: &str) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env("ROLE", role);
        command
    }

    type Test = (&'static str, fn() -> future::Boxed<()>);

    macro_rules! tests {
        ($($name:ident),* $(,)?) => {
            [$((stringify!($name), || Box::pin($name()))),*]
        };
    }

    pub(super) fn test() {
        let tests: [Test; 12] = tests![
            an_exit_code_is_told_to_the_last_bit,
            arguments_arrive_as_they_are,
            a_shell_runs_a_line,
            what_is_large_goes_both_ways,
            both_outputs_are_read_at_once,
            a_child_is_killed_once,
            what_nobody_holds_is_killed_if_asked_for,
            a_tree_is_killed_as_a_whole,
            a_wait_ends_in_time_and_can_be_repeated,
            too_much_output_is_an_error,
            what_cannot_be_started_is_an_error,
            children_are_counted,
        ];
        // As libtest's: a name, and `--skip` with the names of others.
        let mut args = env::args().skip(1);
        let mut only = None;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--skip" => drop(args.next()),
                arg if arg.starts_with('-') => {}
                name => only = Some(name.to_owned()),
            }
        }
        assert_eq!(policy::get_child_watcher().unwrap_err().kind(), ErrorKind::NotImplemented);
        let refused = this("exit 0").spawn().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NoRunningLoop);
        for name in policy::policy_names() {
            for (test, run) in &tests {
                if only.as_ref().is_some_and(|only| !test.contains(only.as_str())) {
                    continue;
                }
                println!("{name}: {test}");
                let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
                runner.run(async { timeout(LONG, run()).await.expect("it hangs") }).unwrap();
            }
        }
    }

    async fn an_exit_code_is_told_to_the_last_bit() {
        // 259 is what the system says of a process that runs.
        for code in [0_u32, 7, 259, 0xC000_0005] {
            let child = this(&format!("exit {code}")).spawn().unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(code as i32));
            assert_eq!(child.returncode(), Some(code as i32));
        }
    }

    async fn arguments_arrive_as_they_are() {
        let args = ["", "two words", "a\"quote", "back\\", "%PATH%", "x & y", "\u{fc}"];
        let output = this("args").args(args).output().await.unwrap();
        let expected: String = args.iter().map(|arg| format!("<{arg}>\n")).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }

    async fn a_shell_runs_a_line() {
        let output = Command::shell("echo \"hello\" & exit 3").output().await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "\"hello\"");
    }

    async fn what_is_large_goes_both_ways() {
        let mut child =
            this("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).start().await.unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let sent: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
        let mut got = Vec::new();
        let write = async {
            stdin.write_all(&sent).await.unwrap();
            stdin.flush().await.unwrap();
            drop(stdin);
        };
        future::zip(write, async { stdout.read_to_end(&mut got).await.unwrap() }).await;
        assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
        assert!(child.wait().await.unwrap().success());
    }

    async fn both_outputs_are_read_at_once() {
        let output = this("flood").output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (LARGE, LARGE));
        assert!(output.status.success());
    }

    async fn a_child_is_killed_once() {
        let child = this("sleep").spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().await.unwrap();
        assert_eq!(child.kill().await.unwrap_err().kind(), ErrorKind::ChildExited);
        assert_eq!(child.returncode(), Some(1));
    }

    async fn what_nobody_holds_is_killed_if_asked_for() {
        let mut child = this("sleep").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        drop(child);
        // The pipe ends with the process.
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
    }

    async fn a_tree_is_killed_as_a_whole() {
        let mut child = this("tree").stdout(Stdio::piped()).kill_tree(true).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 6]).await.unwrap();
        child.kill().await.unwrap();
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }

    async fn a_wait_ends_in_time_and_can_be_repeated() {
        let child = this("sleep").spawn().unwrap();
        assert!(timeout(Duration::from_millis(20), child.wait()).await.is_err());
        let killed = policy::spawn({
            let waits = std::sync::Arc::new(child);
            let other = waits.clone();
            async move {
                let both = future::zip(waits.wait(), async {
                    other.start_kill().unwrap();
                    other.wait().await
                });
                both.await
            }
        });
        let (one, other) = killed.await.unwrap();
        assert_eq!(one.unwrap(), other.unwrap());
    }

    async fn too_much_output_is_an_error() {
        let error = this("flood").max_output(1000).output().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitReached);
    }

    async fn what_cannot_be_started_is_an_error() {
        let error = Command::new("no such program").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let error = Command::new("cmd").env("A=B", "").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    async fn children_are_counted() {
        let first = this("sleep").kill_on_drop(true).spawn().unwrap();
        set_max_children(Some(1));
        let refused = this("exit 0").spawn().unwrap_err();
        set_max_children(None);
        assert_eq!(refused.kind(), ErrorKind::LimitReached);
        first.kill().await.unwrap();
    }
}
