//! The application, run as a user runs it.

use std::process::Command;

#[test]
fn it_runs_on_the_executor_that_the_environment_names() {
    for name in ["default", "tokio:current_thread", "tokio:multi_thread"] {
        let mut app = Command::new(env!("CARGO_BIN_EXE_my-app"));
        let output = app.env("EVENT_LOOP_POLICY", name).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {printed}");
        assert!(printed.contains("the child ended: exit status: 0"), "{name}: {printed}");
        assert!(printed.matches('.').count() > 1, "the timer ticks on {name}: {printed}");
    }
}
