//! A library that runs on any executor, and names none.

use std::time::Duration;

use policy::task::JoinSet;
use policy::time::{Elapsed, timeout};

/// Runs `jobs` as tasks, side by side, and returns what they returned, in the order in which
/// they ended.
///
/// # Errors
/// [`Elapsed`] if they have not all ended after `limit`; those that are left are cancelled.
///
/// # Panics
/// If no event loop runs here, or if a job panicked.
pub async fn all_within<T, F>(
    limit: Duration,
    jobs: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, Elapsed>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for job in jobs {
        tasks.spawn(job);
    }
    timeout(limit, async {
        let mut results = Vec::new();
        while let Some(result) = tasks.join_next().await {
            results.push(result.expect("a job panicked"));
        }
        results
    })
    .await
}
