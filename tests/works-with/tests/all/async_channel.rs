//! async-channel.

use crate::support::on_every_loop;

#[test]
fn many_tasks_share_a_queue() {
    on_every_loop(|| async {
        let (send, receive) = ::async_channel::bounded(4);
        let workers: policy::task::JoinSet<i32> = (0..4)
            .map(|_| {
                let receive = receive.clone();
                async move {
                    let mut sum = 0;
                    while let Ok(number) = receive.recv().await {
                        sum += number;
                    }
                    sum
                }
            })
            .collect();
        drop(receive);
        for number in 0..1000 {
            send.send(number).await.unwrap();
        }
        drop(send);
        let sum: i32 = workers.join_all().await.into_iter().map(|sum| sum.unwrap()).sum();
        assert_eq!(sum, 499_500);
    });
}
