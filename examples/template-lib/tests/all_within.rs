//! The library on each executor, with a clock that does not wait.

use std::time::Duration;

use my_library::all_within;
use policy::time::sleep;

#[policy::test(all, clock = virtual)]
async fn jobs_run_side_by_side() {
    let jobs = [30, 10, 20].map(|seconds| async move {
        sleep(Duration::from_secs(seconds)).await;
        seconds
    });
    assert_eq!(all_within(Duration::from_secs(31), jobs).await, Ok(vec![10, 20, 30]));
}

#[policy::test(all, clock = virtual)]
async fn jobs_that_take_too_long_are_cancelled() {
    let jobs = [1, 60].map(|seconds| sleep(Duration::from_secs(seconds)));
    assert!(all_within(Duration::from_secs(31), jobs).await.is_err());
}
