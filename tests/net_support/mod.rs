//! What the tests of sockets share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses a part, and a test that fails panics"
)]

use std::future::Future;
use std::time::Duration;

use policy::Runner;
use policy::net::{TcpListener, TcpStream};

/// Longer than anything here takes on a loaded machine: a guard against hanging.
pub const LONG: Duration = Duration::from_secs(60);

/// Runs a story on every loop that is compiled in.
pub fn on_every_loop<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        // Shown if the test fails.
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        runner
            .run(async { policy::time::timeout(LONG, story()).await.expect("it does not hang") })
            .unwrap();
        runner.close().unwrap();
    }
}

/// Makes a connection, and returns both ends.
pub async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}
