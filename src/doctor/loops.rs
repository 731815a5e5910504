//! The loops: each is made once, and closed.

use std::sync::Arc;

use policy_core::EventLoop;

use super::{Report, Topic};
use crate::names;

pub(super) fn examine(report: &mut Report) {
    in_force(report);
    // On a thread of its own: no executor likes to be closed inside another.
    let made = std::thread::scope(|scope| {
        let examined =
            std::thread::Builder::new().name("policy-doctor".into()).spawn_scoped(scope, || {
                let mut loops = Report::default();
                made_and_closed(&mut loops);
                loops
            });
        examined.map(std::thread::ScopedJoinHandle::join)
    });
    match made {
        Ok(Ok(loops)) => report.append(loops),
        Ok(Err(_panic)) => report.problem(
            Topic::Loops,
            "loops",
            "one of them panicked while it was made",
            "run with RUST_BACKTRACE=1, and report it",
        ),
        Err(error) => report.problem(
            Topic::Loops,
            "loops",
            format!("no thread can be started to look at them: {error}"),
            "raise the limit of threads (`ulimit -u`)",
        ),
    }
}

fn is_native(_event_loop: &Arc<dyn EventLoop>) -> bool {
    #[cfg(feature = "proactor")]
    return _event_loop.proactor().is_ok_and(|proactor| proactor.is_native());
    #[cfg(not(feature = "proactor"))]
    false
}

fn made_and_closed(report: &mut Report) {
    for name in names::all() {
        match names::from_name(name).and_then(|policy| policy.new_event_loop()) {
            Ok(event_loop) => {
                let kind = format!("{:?}", event_loop.kind()).to_lowercase();
                let native = match is_native(&event_loop) {
                    true => "completes operations natively",
                    false => "waits for readiness",
                };
                let closed = event_loop.close();
                let detail = format!("{}: {kind}, {native}", event_loop.name());
                match closed {
                    Ok(()) => report.yes(Topic::Loops, name, detail),
                    Err(error) => report.problem(
                        Topic::Loops,
                        name,
                        detail,
                        format!("it could not be closed: {error}"),
                    ),
                }
            }
            Err(error) => {
                // The message ends in its remedy, as all of ours do.
                report.no(Topic::Loops, name, "no loop can be made here", error.to_string());
            }
        }
    }
    for (feature, on) in names::FEATURES.into_iter().zip(names::on()) {
        if !on {
            let remedy = format!("turn on the feature `{feature}` of event-loop-policy");
            report.no(Topic::Loops, feature, "not compiled in", remedy);
        }
    }
}

/// What a call on this thread would find now.
fn in_force(report: &mut Report) {
    match crate::get_running_loop() {
        Ok(running) => report.yes(
            Topic::Loops,
            "running here",
            format!("{}, found on this thread", running.name()),
        ),
        Err(_) => report.no(
            Topic::Loops,
            "running here",
            "no loop runs on this thread",
            "none is needed before `policy::run`; inside one, or in a tokio runtime with the \
             feature `tokio`, it is found",
        ),
    }
}
