//! test-log: a test's log, where it fails.

#[::test_log::test(policy::test)]
async fn a_test_logs() {
    ::tracing::info!("shown if this fails");
    assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
}

#[::test_log::test(policy::test(all))]
async fn a_test_logs_on_every_loop() {
    ::tracing::info!("shown if this fails");
    assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
}
