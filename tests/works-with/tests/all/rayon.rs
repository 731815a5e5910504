//! rayon.

use ::rayon::prelude::*;

use crate::support::on_every_loop;

#[test]
fn a_job_computes_on_its_threads() {
    on_every_loop(|| async {
        let sum = policy::spawn_blocking(|| (1..=1_000_u64).into_par_iter().sum::<u64>());
        assert_eq!(sum.await.unwrap(), 500_500);
    });
}

#[test]
fn its_threads_answer_a_task() {
    on_every_loop(|| async {
        let (answer, asked) = ::tokio::sync::oneshot::channel();
        let event_loop = policy::get_running_loop().unwrap();
        ::rayon::spawn(move || {
            // And may give work to the loop.
            let task = event_loop.spawn(async { 6 });
            answer.send(task).expect("it is waited for");
        });
        assert_eq!(asked.await.unwrap().await.unwrap(), 6);
    });
}

#[test]
fn its_pool_may_run_a_loops_blocking_jobs() {
    on_every_loop(|| async {
        let event_loop = policy::get_running_loop().unwrap();
        event_loop
            .set_default_executor(|job: policy::Job| {
                ::rayon::spawn(|| job.run());
                Ok(())
            })
            .unwrap();
        let inside = policy::spawn_blocking(::rayon::current_thread_index).await.unwrap();
        assert!(inside.is_some());
    });
}
