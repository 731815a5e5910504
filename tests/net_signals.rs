//! Sockets in a process that is showered with signals. They belong to the process, so
//! this file has one test.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use net_support::{connected, on_every_loop};
use rustix::process::{Signal, getpid, kill_process};

#[test]
fn signals_disturb_no_socket() {
    const SIZE: usize = 4 << 20;
    let came = Arc::new(AtomicUsize::new(0));
    signal_hook::flag::register_usize(libc::SIGUSR1, came.clone(), 1).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (ended, sent) = (over.clone(), came.clone());
    let shower = thread::spawn(move || {
        while !ended.load(SeqCst) {
            kill_process(getpid(), Signal::USR1).unwrap();
            // So that signals come in the midst of calls, and not all at once.
            thread::sleep(Duration::from_micros(50));
        }
        assert!(sent.load(SeqCst) > 0, "signals have come");
    });
    on_every_loop(|| async {
        let (mut client, server) = connected().await;
        let echo = policy::spawn(async move { policy::io::copy(&server, &server).await.unwrap() });
        let (mut reader, mut writer) = client.split();
        let sending = async {
            writer.write_all(&vec![7; SIZE]).await.unwrap();
            writer.close().await.unwrap();
        };
        let mut all = Vec::new();
        let receiving = async { reader.read_to_end(&mut all).await.unwrap() };
        let (_, received) = futures_lite::future::zip(sending, receiving).await;
        assert_eq!(received, SIZE);
        assert!(all.iter().all(|byte| *byte == 7));
        assert_eq!(echo.await.unwrap(), SIZE as u64);
    });
    over.store(true, SeqCst);
    shower.join().unwrap();
}
