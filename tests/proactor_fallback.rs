//! Pipes and terminals on systems that can't be told for one call not to block: a filter
//! refuses `preadv2` and `pwritev2`, as old kernels do. It stays with its thread and the
//! threads that come from it, so this is a process.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails panics")]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use policy::proactor::Resource;
use policy::{EventLoop, Runner};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};

#[test]
fn pipes_and_terminals_work_where_no_call_can_be_told_not_to_block() {
    refuse_flagged_calls();
    let names = policy::policy_names();
    for name in &names {
        println!("{name}");
        // After the filter: the threads of the loop have it too.
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        let event_loop = runner.get_loop().unwrap();
        runner.run(pipes(event_loop.clone())).unwrap();
        runner.run(terminals(event_loop)).unwrap();
        runner.close().unwrap();
    }
    assert!(!names.is_empty());
}

/// `preadv2` and `pwritev2` give ENOSYS on this thread from now on.
fn refuse_flagged_calls() {
    let calls = [libc::SYS_preadv2, libc::SYS_pwritev2];
    let rules: BTreeMap<i64, Vec<SeccompRule>> = calls.map(|call| (call, Vec::new())).into();
    let refuse = SeccompAction::Errno(libc::ENOSYS as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

async fn pipes(event_loop: Arc<dyn EventLoop>) {
    let proactor = event_loop.proactor().unwrap();
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (reader, writer) = (Resource::from(reader), Resource::from(writer));
    let all: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (own, sent) = (proactor.clone(), all.clone());
    let writing = event_loop.spawn(async move {
        let (first, rest) = sent.split_at(10);
        let parts = vec![Vec::new(), first.to_vec()];
        assert_eq!(own.write_vectored(&writer, parts).await.0.unwrap(), 10);
        own.write_all(&writer, rest.to_vec()).await.0
    });
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 10_000]);
    loop {
        let (read, filled) = proactor.read(&reader, buffer).await;
        if read.unwrap() == 0 {
            break;
        }
        seen.extend_from_slice(&filled);
        buffer = filled;
    }
    assert!(seen == all, "other bytes");
    assert_eq!(writing.await.unwrap().unwrap(), 999_990);
    assert!(!rustix::fs::fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
}

async fn terminals(event_loop: Arc<dyn EventLoop>) {
    let proactor = event_loop.proactor().unwrap();
    let main = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::unlockpt(&main).unwrap();
    let name = rustix::pty::ptsname(&main, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal: OwnedFd = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
    let terminal = Resource::from(terminal);
    let (own, reads) = (proactor.clone(), terminal.clone());
    let reading = event_loop.spawn(async move { own.read(&reads, vec![0; 64]).await });
    policy::task::yield_now().await;
    rustix::io::write(&main, b"a line\n").unwrap();
    let (read, line) = reading.await.unwrap();
    assert_eq!((read.unwrap(), &line[..]), (7, &b"a line\n"[..]));

    // More than a terminal holds, which nobody takes yet: the loop goes on meanwhile.
    let (own, writes) = (proactor.clone(), terminal.clone());
    let writing =
        event_loop.spawn(async move { own.write_all(&writes, vec![b'x'; 100_000]).await.0 });
    for _ in 0..100 {
        policy::task::yield_now().await;
    }
    let reader = event_loop.spawn_blocking(move || {
        let mut seen = 0;
        while seen < 100_000 {
            let mut buffer = [0; 4096];
            let read = rustix::io::read(&main, &mut buffer).unwrap();
            // Without the echo of the line that was typed.
            seen += buffer[..read].iter().filter(|byte| **byte == b'x').count();
        }
    });
    assert_eq!(writing.await.unwrap().unwrap(), 100_000);
    reader.await.unwrap();
}
