//! Accepting where the system says that a connection has gone: a filter answers each accept
//! of a thread with such an error. It stays with the thread and those that come from it, so
//! each error has a thread of its own.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::collections::BTreeMap;
use std::future::Future;
use std::net;
use std::thread;

use futures_lite::future;
use policy::Runner;
use policy::net::TcpListener;
use policy::proactor::Resource;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};

// An accept used to end with it, and the server with the accept.
#[test]
fn an_error_of_one_connection_is_not_the_listeners() {
    for error in [libc::ECONNABORTED, libc::EPROTO, libc::ENETDOWN, libc::ETIMEDOUT] {
        let listener = thread::spawn(move || {
            refuse_connections(error);
            let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
            let _client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            for name in policy::policy_names() {
                println!("{name}, {}", std::io::Error::from_raw_os_error(error));
                on_loop(name, listener.try_clone().unwrap());
            }
            listener
        });
        let listener = listener.join().unwrap();
        // Nothing else became of it.
        listener.set_nonblocking(false).unwrap();
        listener.accept().unwrap();
    }
}

fn on_loop(name: &str, listener: net::TcpListener) {
    let resource = Resource::from(listener.try_clone().unwrap());
    let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
    let event_loop = runner.get_loop().unwrap();
    runner
        .run(async {
            let listener = TcpListener::from_std(listener).unwrap();
            others_run_during(async { listener.accept().await.map(drop) }).await;
            let proactor = event_loop.proactor().unwrap();
            // What completes operations is under no filter of system calls.
            if !proactor.is_native() {
                others_run_during(async { proactor.accept(&resource).await.map(drop) }).await;
            }
        })
        .unwrap();
    runner.close().unwrap();
}

/// Neither does the accept end, nor does it keep the thread.
async fn others_run_during(accept: impl Future<Output = std::io::Result<()>>) {
    let other = policy::spawn(async {
        for _ in 0..100 {
            policy::task::yield_now().await;
        }
    });
    let accepted = future::or(async { Some(accept.await) }, async {
        other.await.unwrap();
        None
    });
    if let Some(ended) = accepted.await {
        panic!("the accept ended: {ended:?}");
    }
}

/// Each accept of this thread gives an error from now on.
fn refuse_connections(error: i32) {
    let calls = [libc::SYS_accept4, libc::SYS_accept];
    let rules: BTreeMap<i64, Vec<SeccompRule>> = calls.map(|call| (call, Vec::new())).into();
    let refuse = SeccompAction::Errno(error as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}
