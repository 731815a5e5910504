//! tower: limits, and timeouts.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use policy::compat::with_tokio;

use crate::support::on_every_loop;

#[test]
fn no_more_calls_than_the_limit_run_at_once() {
    on_every_loop(|| async {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (running, peak) = (now.clone(), most.clone());
        let service = ServiceBuilder::new().concurrency_limit(2).service(service_fn(move |()| {
            let (running, peak) = (running.clone(), peak.clone());
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                policy::time::sleep(Duration::from_millis(2)).await;
                running.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(())
            }
        }));
        let calls: policy::task::JoinSet<_> = (0..8).map(|_| service.clone().oneshot(())).collect();
        for call in calls.join_all().await {
            call.unwrap().unwrap();
        }
        assert_eq!((now.load(Ordering::Relaxed), most.load(Ordering::Relaxed)), (0, 2));
    });
}

#[test]
fn timeouts_and_rates_are_kept_inside_the_bridge() {
    on_every_loop(|| async {
        with_tokio(async {
            let slow = service_fn(|()| async {
                policy::time::sleep(Duration::from_secs(3600)).await;
                Ok::<_, BoxError>(())
            });
            let limited = ServiceBuilder::new().timeout(Duration::from_millis(5)).service(slow);
            let late = limited.oneshot(()).await.unwrap_err();
            assert!(late.is::<::tower::timeout::error::Elapsed>(), "{late}");

            let quick = service_fn(|()| async { Ok::<_, Infallible>(()) });
            let period = Duration::from_millis(20);
            let mut rated = ServiceBuilder::new().rate_limit(1, period).service(quick);
            let began = std::time::Instant::now();
            for _ in 0..3 {
                rated.ready().await.unwrap().call(()).await.unwrap();
            }
            assert!(began.elapsed() >= 2 * period);
        })
        .await;
    });
}
