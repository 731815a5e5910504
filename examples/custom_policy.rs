//! How does a program decide for itself what an event loop is? With its own policy: asyncio's
//! recipe, which wraps the default policy and overrides one method.
//!
//! ```text
//! cargo run --example custom_policy
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use policy::{DefaultEventLoopPolicy, Error, EventLoop, EventLoopPolicy};

/// The default policy, and a count of the loops that it made.
///
/// What is not overridden is forwarded to `base`. `get_event_loop` is not, and
/// still counts: it is composed of the other methods, and asks for a new loop here.
struct MyEventLoopPolicy {
    base: DefaultEventLoopPolicy,
    made: Arc<AtomicUsize>,
}

impl EventLoopPolicy for MyEventLoopPolicy {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.base)
    }

    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        let event_loop = self.base.new_event_loop()?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        println!("loop {number} is made: {}", event_loop.name());
        Ok(event_loop)
    }
}

fn main() -> Result<(), Error> {
    let made = Arc::new(AtomicUsize::new(0));
    policy::set_event_loop_policy(MyEventLoopPolicy {
        base: DefaultEventLoopPolicy::new(),
        made: made.clone(),
    });

    // The loop of this thread is made when somebody asks for the first time, and kept.
    let event_loop = policy::get_event_loop()?;
    assert!(Arc::ptr_eq(&event_loop, &policy::get_event_loop()?));
    let product = event_loop.run_until_complete(async { 6 * 7 })?;
    println!("on that loop: 6 × 7 = {product}");

    // `run` makes another, and closes it.
    let sum = policy::run(async {
        let one = policy::spawn(async { 1 });
        let two = policy::spawn_blocking(|| 2);
        one.await.unwrap_or(0) + two.await.unwrap_or(0)
    });
    println!("on that one: 1 + 2 = {sum}");

    // This thread still has its own.
    assert!(Arc::ptr_eq(&event_loop, &policy::get_event_loop()?));
    event_loop.close()?;

    println!("{} loops were made", made.load(Ordering::Relaxed));
    policy::set_event_loop_policy(None); // the default again
    Ok(())
}
