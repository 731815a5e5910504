//! Time: the clock that is waited by stands elsewhere.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use policy::process::Command;

use crate::causes;
use crate::inside::Place;
use crate::table::{AUTO, DEFAULT_LOOP, LOOPS, Needs, Outcome, Row, WATCHERS};
use crate::tools::{eventually, is_alive, sh};

pub const ROWS: &[Row] = &[Row::new(
    "T1",
    "the monotonic clock is 11 days ahead: nothing is early, nothing is that late",
    &[(DEFAULT_LOOP, WATCHERS), (LOOPS, AUTO)],
    t1,
)
.needs(Needs::TimeNamespace)];

fn t1(place: &Place) -> Outcome {
    const SOME: Duration = Duration::from_millis(200);
    place.run(async {
        let begun = Instant::now();
        policy::time::sleep(SOME).await;
        assert!(begun.elapsed() >= SOME, "too early");

        let child = sh("trap '' TERM; while :; do sleep 0.01; done");
        let child = { child }.kill_tree(true).spawn().unwrap();
        let begun = Instant::now();
        let status = child.terminate(SOME).await.unwrap();
        if status.signal() == Some(libc::SIGKILL) {
            assert!(begun.elapsed() >= SOME, "no grace");
        }

        let begun = Instant::now();
        let mut command = sh("sleep 1000 & echo $!");
        let output = command.wait_delay(SOME).output().await.unwrap();
        assert!(output.truncated && begun.elapsed() >= SOME);
        let grandchild: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        causes::signal(grandchild, libc::SIGKILL);
        eventually("it is gone", || !is_alive(grandchild));

        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(policy::time::timeout(SOME, child.wait()).await.is_err());
        child.kill().await.unwrap();
    });
    Ok(())
}
