//! Can loops of different executors work together in one process? Each runs on its own thread; a
//! task of one awaits tasks of the other, as if they were its own.
//!
//! ```text
//! cargo run --example two_loops --features smol,tokio
//! ```

use std::sync::Arc;
use std::thread;

use policy::time::{Duration, sleep};
use policy::{Error, EventLoop, EventLoopPolicy, SmolPolicy, TokioPolicy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let smol = SmolPolicy::current_thread().new_event_loop()?;
    let tokio = TokioPolicy::current_thread().new_event_loop()?;

    // One loop is served on a thread of its own until somebody stops it …
    let server = thread::Builder::new().name("tokio-loop".to_owned()).spawn({
        let tokio = tokio.clone();
        move || tokio.run_forever()
    })?;

    // … the other is run here, and its tasks send work over there.
    let log = smol.run_until_complete(there_and_back(3, smol.clone(), tokio.clone()))?;
    log.iter().for_each(|line| println!("{line}"));

    tokio.stop();
    server.join().map_err(|_| "the thread of the tokio loop panicked")??;
    tokio.close()?;
    smol.close()?;
    Ok(())
}

/// Goes from loop to loop, and says where it was.
async fn there_and_back(
    times: usize,
    here: Arc<dyn EventLoop>,
    there: Arc<dyn EventLoop>,
) -> Vec<String> {
    let mut log = Vec::new();
    for time in 1..=times {
        log.push(format!("{time}: {}", place().await));
        // Awaiting it is ordinary: the handle knows no executor.
        let back = here.clone();
        let task = there.spawn(async move {
            let there = place().await;
            let here = back.spawn(place()).await;
            (there, here)
        });
        match task.await {
            Ok((there, Ok(here))) => log.push(format!("{time}: {there}, and back {here}")),
            Ok((_, Err(error))) | Err(error) => log.push(format!("{time}: {error}")),
        }
    }
    log
}

/// Sleeps by the timer of whichever loop runs this, and names the loop.
async fn place() -> String {
    sleep(Duration::from_millis(1)).await;
    let name = policy::get_running_loop().map(|event_loop| event_loop.name().to_owned());
    let thread = thread::current().name().unwrap_or("a worker").to_owned();
    format!("on {} in thread {thread}", name.unwrap_or_else(|error: Error| error.to_string()))
}
