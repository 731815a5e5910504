//! Accepting at the limit of descriptors: the limit is the process's, so this is one.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use policy::Runner;
use policy::proactor::Resource;
use rustix::process::{Resource as Limited, Rlimit, getrlimit, setrlimit};

/// A listener survives EMFILE: the error is told, the connection waits in its queue, and
/// is accepted when there is room; and so do waits and callbacks.
#[test]
fn a_listener_survives_the_limit_of_descriptors() {
    let names = policy::policy_names();
    for name in &names {
        println!("{name}");
        at_the_limit(name);
    }
    assert!(!names.is_empty());
}

fn at_the_limit(name: &str) {
    let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
    let event_loop = runner.get_loop().unwrap();
    runner
        .run(async {
            let proactor = event_loop.proactor().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let listener = Resource::from(listener);
            // The first is accepted before there is a limit: what the loop needs of
            // descriptors it has by then.
            let first = TcpStream::connect(address).unwrap();
            drop(proactor.accept(&listener).await.unwrap());
            let mut second = TcpStream::connect(address).unwrap();

            let before = getrlimit(Limited::Nofile);
            let taken = take_all_descriptors();
            let refused = proactor.accept(&listener).await;
            let waits = event_loop.selector().map(|selector| {
                (selector.add_reader(&listener, || ()), selector.remove_reader(&listener))
            });
            drop(taken);
            setrlimit(Limited::Nofile, before).unwrap();

            let emfile = Some(rustix::io::Errno::MFILE.raw_os_error());
            assert_eq!(refused.unwrap_err().raw_os_error(), emfile);
            if let Ok((added, removed)) = waits {
                let error = added.unwrap_err();
                assert_eq!(error.io_error().unwrap().raw_os_error(), emfile, "{error}");
                assert!(!removed);
            }
            let (accepted, peer) = proactor.accept(&listener).await.unwrap();
            assert_eq!(peer, second.local_addr().unwrap());
            drop((accepted, first));
            second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            assert_eq!(second.read(&mut [0]).unwrap(), 0);
        })
        .unwrap();
    runner.close().unwrap();
}

/// Leaves no descriptor.
fn take_all_descriptors() -> Vec<File> {
    let limit = getrlimit(Limited::Nofile);
    let few = limit.current.map_or(256, |current| current.min(256));
    setrlimit(Limited::Nofile, Rlimit { current: Some(few), ..limit }).unwrap();
    std::iter::repeat_with(|| File::open("/dev/null")).map_while(Result::ok).collect()
}
