//! tracing: spans around futures.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ::tracing::{Instrument, info, info_span};
use ::tracing_subscriber::fmt::MakeWriter;

use crate::support::on_every_loop;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[::tracing::instrument(skip_all)]
async fn counts(number: u32) -> u32 {
    policy::task::yield_now().await;
    info!("counts {number}");
    number
}

#[test]
fn a_task_stays_in_its_span() {
    use ::tracing::instrument::WithSubscriber;

    on_every_loop(|| async {
        let lines = Lines::default();
        let subscriber = ::tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        // The subscriber goes with the future, from thread to thread.
        let story = async {
            let tasks: policy::task::JoinSet<u32> = (0..20)
                .map(|number| {
                    let span = info_span!("task", number);
                    counts(number).instrument(span).with_current_subscriber()
                })
                .collect();
            tasks.join_all().await;
            info!("outside");
        };
        story.with_subscriber(subscriber).await;
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        for number in 0..20 {
            let line = format!("task{{number={number}}}:counts: ");
            let line = written.lines().find(|written| written.contains(&line)).expect(&written);
            assert!(line.ends_with(&format!("counts {number}")), "{line}");
        }
        let outside = written.lines().find(|line| line.ends_with("outside")).unwrap();
        assert!(!outside.contains("task{"), "{outside}");
    });
}
