//! tokio's channels, locks and `select!`, which need no runtime.

use std::sync::Arc;
use std::time::Duration;

use ::tokio::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

use crate::support::on_every_loop;

#[test]
fn channels_join_tasks() {
    on_every_loop(|| async {
        let (send, mut receive) = mpsc::channel(1);
        let sending = policy::spawn(async move {
            for number in 0..1000 {
                send.send(number).await.unwrap();
            }
        });
        let mut sum = 0;
        while let Some(number) = receive.recv().await {
            sum += number;
        }
        sending.await.unwrap();
        assert_eq!(sum, 499_500);

        let (answer, asked) = oneshot::channel();
        drop(policy::spawn(async move { answer.send(42) }));
        assert_eq!(asked.await, Ok(42));

        let (tell, mut told) = broadcast::channel(4);
        let also = policy::spawn({
            let mut told = tell.subscribe();
            async move { told.recv().await }
        });
        tell.send("all").unwrap();
        assert_eq!((told.recv().await, also.await.unwrap()), (Ok("all"), Ok("all")));

        let (set, mut seen) = watch::channel(0);
        let setting = policy::spawn(async move { set.send(7) });
        assert_eq!(*seen.wait_for(|value| *value == 7).await.unwrap(), 7);
        setting.await.unwrap().unwrap();
    });
}

#[test]
fn locks_keep_tasks_apart() {
    on_every_loop(|| async {
        let count = Arc::new(Mutex::new(0));
        let tasks: policy::task::JoinSet<()> = (0..8)
            .map(|_| {
                let count = count.clone();
                async move {
                    for _ in 0..50 {
                        let mut count = count.lock().await;
                        let before = *count;
                        // Held while others run.
                        policy::task::yield_now().await;
                        *count = before + 1;
                    }
                }
            })
            .collect();
        tasks.join_all().await;
        assert_eq!(*count.lock().await, 400);

        let shared = RwLock::new(1);
        assert_eq!(*shared.read().await + *shared.read().await, 2);
        *shared.write().await = 2;

        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().acquire_owned().await.unwrap();
        let next = policy::spawn(async move { drop(places.acquire_owned().await.unwrap()) });
        policy::task::yield_now().await;
        assert!(!next.is_finished());
        drop(place);
        next.await.unwrap();

        let bell = Arc::new(Notify::new());
        let rings = policy::spawn({
            let bell = bell.clone();
            async move { bell.notify_one() }
        });
        bell.notified().await;
        rings.await.unwrap();
    });
}

#[test]
fn its_select_takes_what_is_first() {
    on_every_loop(|| async {
        let (send, mut receive) = mpsc::unbounded_channel();
        let mut ticks = policy::time::interval(Duration::from_millis(2));
        let task = policy::spawn(async move { send.send("a message") });
        let mut seen = (0, None);
        while seen.0 < 3 || seen.1.is_none() {
            ::tokio::select! {
                _ = ticks.tick() => seen.0 += 1,
                Some(message) = receive.recv() => seen.1 = Some(message),
                () = policy::time::sleep(crate::support::LONG) => panic!("nothing comes"),
            }
        }
        assert_eq!(seen.1, Some("a message"));
        task.await.unwrap().unwrap();
        let (one, two) = ::tokio::join!(async { 1 }, policy::spawn(async { 2 }));
        assert_eq!((one, two.unwrap()), (1, 2));
    });
}
