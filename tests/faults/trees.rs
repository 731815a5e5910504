//! Trees that end.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use futures_lite::AsyncBufReadExt;
use policy::process::{Child, Command, Stdio, TreeReach};

use crate::causes::{self, Call, refuse};
use crate::inside::Place;
use crate::table::{EACH_WATCHER, EACH_WATCHER_TWICE_AND_LOOP, Outcome, Row};
use crate::tools::{eventually, is_alive, sh};

pub const ROWS: &[Row] = &[
    Row::new(
        "F11 grace",
        "the shell ends at once, what it has started needs its time",
        EACH_WATCHER_TWICE_AND_LOOP,
        |place| f11_grace(place, || Ok(())),
    ),
    Row::new(
        "F11 grace without cgroups",
        "the same, by process group and parents",
        EACH_WATCHER,
        |place| f11_grace(place, no_cgroups),
    )
    .once("a filter stays for good"),
    Row::new(
        "F11 daemon",
        "a tree with a daemon that left parents, group and session is killed",
        EACH_WATCHER_TWICE_AND_LOOP,
        |place| f11_daemon(place, || Ok(())),
    ),
    Row::new(
        "F11 daemon without cgroups",
        "the same, by process group, parents and orphans",
        EACH_WATCHER,
        |place| f11_daemon(place, no_cgroups),
    )
    .once("a filter stays for good"),
];

fn no_cgroups() -> Outcome {
    refuse(&[Call(libc::SYS_mkdir, None), Call(libc::SYS_mkdirat, None)], libc::EROFS)
}

/// Returns the first line that a child writes.
async fn line_of(child: &mut Child) -> String {
    let mut said = String::new();
    let stdout = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
    { stdout }.read_line(&mut said).await.unwrap();
    said.trim().to_owned()
}

fn f11_grace(place: &Place, cause: fn() -> Outcome) -> Outcome {
    let done = causes::Scratch::folder();
    cause()?;
    place.run(async {
        let file = done.0.join("cleaned");
        let server = format!(
            "trap 'sleep 0.3; echo > {}; exit' TERM; echo ready; while :; do sleep 0.01; done",
            file.display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c \"$0\" & wait"]).arg(&server);
        let mut child = command.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(line_of(&mut child).await, "ready");
        let begun = Instant::now();
        let status = child.terminate(Duration::from_secs(20)).await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        assert!(file.exists(), "it had no time to clean up");
        assert!(begun.elapsed() < Duration::from_secs(19), "nothing was left to wait for");

        // What does not obey is killed, and not before its time.
        let mut command = sh("sh -c \"trap '' TERM; echo \\$\\$; exec sleep 1000\" & wait");
        let mut child = command.kill_tree(true).stdout(Stdio::piped()).spawn().unwrap();
        let stubborn = line_of(&mut child).await.parse().unwrap();
        let begun = Instant::now();
        child.terminate(Duration::from_millis(300)).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(300));
        eventually("the stubborn one is gone", || !is_alive(stubborn));
    });
    Ok(())
}

fn f11_daemon(place: &Place, cause: fn() -> Outcome) -> Outcome {
    cause()?;
    place.run(async {
        for end in ["kill", "terminate", "drop", "late"] {
            let mut command = sh("(setsid sh -c 'echo $$; exec sleep 1000' & ) ; exec sleep 1000");
            command.kill_tree(true).kill_on_drop(true).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let daemon: u32 = line_of(&mut child).await.parse().unwrap();
            let parent = || crate::tools::stat(daemon).map(|stat| stat.parent);
            eventually("its parent has left it", || parent() != Some(child.id()));
            let reach = child.tree_reach();
            println!("{end}: {reach:?}");
            let folder = causes::cgroup_of(daemon);
            match end {
                "kill" => child.kill().await.unwrap(),
                "terminate" => drop(child.terminate(Duration::from_secs(20)).await.unwrap()),
                "late" => {
                    child.send_signal(libc::SIGKILL).unwrap();
                    child.wait().await.unwrap();
                    let _reached = child.start_kill();
                }
                _ => {}
            }
            drop(child);
            match reach {
                TreeReach::Cgroup => {
                    eventually("the daemon is gone", || !is_alive(daemon));
                    let folder = folder.expect("it was in a group");
                    assert!(folder.to_string_lossy().contains("policy-tree-"), "{folder:?}");
                    eventually("its group is removed", || !folder.exists());
                }
                TreeReach::Orphans => eventually("the daemon is gone", || !is_alive(daemon)),
                TreeReach::Group => {
                    // As it says.
                    assert!(!place.watches_by(&["subreaper"]));
                    causes::signal(daemon, libc::SIGKILL);
                }
                other => panic!("{other:?}"),
            }
        }
        let child = sh("exit 1").spawn().unwrap();
        assert_eq!(child.tree_reach(), TreeReach::Child);
        child.wait().await.unwrap();
    });
    Ok(())
}
