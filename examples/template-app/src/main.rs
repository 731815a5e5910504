//! An application that runs on any executor: it starts a child, ticks beside it, and ends
//! cleanly on Ctrl-C.
//!
//! ```text
//! cargo run
//! EVENT_LOOP_POLICY=tokio:multi_thread cargo run
//! ```

use policy::Error;
use policy::process::Command;
use policy::time::{Duration, interval};

#[policy::main(env = "EVENT_LOOP_POLICY")]
async fn main() -> Result<(), Error> {
    let event_loop = policy::get_running_loop()?;
    println!("running on {}", event_loop.name());

    let ticks = policy::spawn(tick());
    // If this future is dropped, by Ctrl-C for example, the child is killed and reaped.
    let output = Command::new("sleep").arg("0.1").kill_on_drop(true).output().await?;
    ticks.abort();
    println!("the child ended: {}", output.status);
    Ok(())
}

/// Prints a dot every 10 milliseconds, until the task is aborted.
async fn tick() {
    let mut interval = interval(Duration::from_millis(10));
    loop {
        interval.tick().await;
        println!(".");
    }
}
