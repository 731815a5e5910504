//! How does a library stay out of the choice of an executor? It calls `policy::…`, and works in an
//! application that chose a policy, and in a plain tokio program that knows nothing of policies.
//!
//! ```text
//! cargo run --example library --features tokio
//! ```

/// The library. Its Cargo.toml says
/// `event-loop-policy = { version = "0.1", default-features = false }`: no executor
/// comes with it.
#[allow(unreachable_pub, reason = "a crate of its own, were this no example")]
mod slow_sum {
    use policy::task::JoinSet;
    use policy::time::{Duration, sleep, timeout};

    /// What went wrong in here.
    pub type Error = Box<dyn std::error::Error + Send + Sync>;

    /// Squares each number in a task of its own, slowly, and adds the squares.
    ///
    /// # Errors
    /// If no event loop runs here, or it all takes longer than ten seconds.
    pub async fn squares(numbers: impl IntoIterator<Item = u64>) -> Result<u64, Error> {
        let mut tasks = JoinSet::new();
        for number in numbers {
            // A library does not panic where the application forgot a loop.
            tasks.try_spawn(async move {
                sleep(Duration::from_millis(number)).await;
                number * number
            })?;
        }
        let sum = async {
            let mut sum = 0;
            while let Some(square) = tasks.join_next().await {
                sum += square?;
            }
            Ok(sum)
        };
        timeout(Duration::from_secs(10), sum).await?
    }
}

/// An application that has chosen: any policy will do.
fn under_a_policy() -> Result<(), slow_sum::Error> {
    let sum = policy::run(async {
        println!("on the loop {}", policy::get_running_loop()?.name());
        slow_sum::squares(1..=10).await
    })?;
    println!("  the sum of squares is {sum}");
    Ok(())
}

/// An application that only knows tokio: its runtime is found, and used.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn under_plain_tokio() -> Result<(), slow_sum::Error> {
    println!("under #[tokio::main], {:?}", tokio::runtime::Handle::current().runtime_flavor());
    let sum = slow_sum::squares(1..=10).await?;
    println!("  the sum of squares is {sum}");
    Ok(())
}

/// An application that forgot: an error that says what to do.
fn under_nothing() {
    match futures_lite::future::block_on(slow_sum::squares(1..=10)) {
        Ok(sum) => println!("  the sum of squares is {sum}"),
        Err(error) => println!("under nothing at all\n  {error}"),
    }
}

fn main() -> Result<(), slow_sum::Error> {
    under_a_policy()?;
    under_plain_tokio()?;
    under_nothing();
    Ok(())
}
