//! futures: its `select!`, and streams.

use std::time::Duration;

use ::futures::stream::{FuturesUnordered, StreamExt};
use ::futures::{FutureExt, channel, select};

use crate::support::on_every_loop;

#[test]
fn its_select_takes_what_is_first() {
    on_every_loop(|| async {
        let (send, receive) = channel::oneshot::channel();
        let task = policy::spawn(async move { send.send(7) });
        let first = select! {
            number = receive.fuse() => number.unwrap(),
            () = policy::time::sleep(crate::support::LONG).fuse() => panic!("nothing comes"),
        };
        assert_eq!(first, 7);
        task.await.unwrap().unwrap();
    });
}

#[test]
fn its_streams_hold_our_futures() {
    on_every_loop(|| async {
        let sleeps: FuturesUnordered<_> = [30, 1, 15]
            .into_iter()
            .map(|millis| async move {
                policy::time::sleep(Duration::from_millis(millis)).await;
                policy::spawn(async move { millis }).await.unwrap()
            })
            .collect();
        let mut in_order: Vec<u64> = sleeps.collect().await;
        in_order.sort_unstable();
        assert_eq!(in_order, [1, 15, 30]);
    });
}
