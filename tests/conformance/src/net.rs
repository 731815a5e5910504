//! Streams of TCP: what they carry, who may use them, and to which loop they belong.

use std::future::poll_fn;
use std::io::{self, ErrorKind as IoErrorKind, IoSlice, Read};
use std::pin::{Pin, pin};

use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt, future};
use policy::ErrorKind;
use policy::net::{TcpListener, TcpStream};

use crate::support::{
    Gate, block_on, connected, driven, in_thread, inner_kind, needs_selector, new_loop, on_loop,
    on_selector,
};
use crate::{Make, Skipped};

/// Bytes go both ways, and a half-close is an end for the peer and none for us.
///
/// Proves: 'each direction ends by itself'
pub fn a_stream_carries_bytes_both_ways(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"ping").await.unwrap();
        client.close().await.unwrap();
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.unwrap();
        assert_eq!(asked, "ping");
        server.write_all(b"pong").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "pong");
    })
}

/// 64 MiB arrive as they were sent, though the system takes a little at a time.
///
/// Proves: 'the size of a write does not matter'
pub fn what_is_larger_than_any_buffer_arrives_whole(make: Make<'_>) -> Result<(), Skipped> {
    const SIZE: usize = 64 << 20;
    // Of a length that divides no buffer: what is lost or doubled shows. Longer than a piece and
    // compared as a whole: byte by byte took a minute without optimisation, on 32 bits.
    const PERIOD: usize = 251;
    let pattern: Vec<u8> = (0..PERIOD as u8).collect::<Vec<_>>().repeat(400);
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        let mut sent_bytes = pattern.repeat(SIZE / pattern.len() + 1);
        sent_bytes.truncate(SIZE);
        let sent = policy::spawn(async move {
            client.write_all(&sent_bytes).await.unwrap();
            client.close().await.unwrap();
        });
        let (mut at, mut chunk) = (0, vec![0; 100_000]);
        loop {
            let read = server.read(&mut chunk).await.unwrap();
            if read == 0 {
                break;
            }
            assert!(chunk[..read] == pattern[at % PERIOD..][..read], "at {at}");
            at += read;
        }
        assert_eq!(at, SIZE);
        sent.await.unwrap();
    })
}

/// Several buffers are read and written by one call, also more than the system takes.
///
/// Proves: 'several buffers go by one call'
pub fn several_buffers_go_by_one_call(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        let bytes: Vec<[u8; 2]> = (0..5000_u16).map(u16::to_be_bytes).collect();
        let mut slices: Vec<_> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let written = client.write_vectored(left).await.unwrap();
            assert!(written > 2, "many buffers at once");
            IoSlice::advance_slices(&mut left, written);
        }
        client.close().await.unwrap();
        let mut read: Vec<u8> = Vec::new();
        loop {
            let (mut a, mut b) = ([0; 3], [0; 4096]);
            let mut slices = [io::IoSliceMut::new(&mut a), io::IoSliceMut::new(&mut b)];
            match server.read_vectored(&mut slices).await.unwrap() {
                0 => break,
                n => read.extend(a.iter().chain(&b).take(n)),
            }
        }
        assert_eq!(read, bytes.concat());
    })
}

/// One task reads while another writes, both by shared reference.
///
/// Proves: 'a stream can be used in halves'
pub fn two_tasks_use_one_stream_at_once(make: Make<'_>) -> Result<(), Skipped> {
    const SIZE: usize = 1 << 20;
    on_selector(make, async {
        let (client, server) = connected().await;
        let client = std::sync::Arc::new(client);
        let echo = policy::spawn(async move { policy::io::copy(&server, &server).await.unwrap() });
        let writing = client.clone();
        let written = policy::spawn(async move {
            let mut writer = &*writing;
            writer.write_all(&vec![7; SIZE]).await.unwrap();
            writer.close().await.unwrap();
        });
        let mut all = vec![0; SIZE];
        (&*client).read_exact(&mut all).await.unwrap();
        written.await.unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
        drop(client);
        assert_eq!(echo.await.unwrap(), SIZE as u64);
    })
}

/// The halves go to tasks of their own and come together again; halves of two streams
/// don't. A writing half that is dropped is an end for the peer.
///
/// Proves: 'a stream can be used in halves'
pub fn halves_go_apart_and_come_together(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (client, mut server) = connected().await;
        let (other, _peer) = connected().await;
        let (reader, writer) = client.into_split();
        let (other_reader, other_writer) = other.into_split();
        let wrong = reader.reunite(other_writer).unwrap_err();
        let (reader, other_writer) = (wrong.0, wrong.1);
        drop(other_reader.reunite(other_writer).unwrap());
        let task = policy::spawn(async move {
            let mut writer = writer;
            writer.write_all(b"half").await.unwrap();
            writer
        });
        let client = reader.reunite(task.await.unwrap()).unwrap();
        let (mut reader, writer) = client.into_split();
        drop(writer);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "half");
        let (_, mut back) = server.split();
        back.write_all(b"still").await.unwrap();
        let mut still = [0; 5];
        reader.read_exact(&mut still).await.unwrap();
        assert_eq!(&still, b"still");
    })
}

/// A read that is dropped has taken nothing, however often that happens, and a peek
/// takes nothing either.
///
/// Proves: 'what is cancelled loses nothing'
pub fn a_read_that_is_dropped_loses_nothing(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        let mut byte = [0];
        for n in 0..100 {
            // Polled once, and dropped while it waits.
            assert!(future::poll_once(server.read(&mut byte)).await.is_none());
            client.write_all(&[n]).await.unwrap();
            if n % 2 == 0 {
                assert_eq!(server.peek(&mut byte).await.unwrap(), 1);
            }
            server.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [n]);
        }
    })
}

/// An accept that is dropped has taken no connection.
///
/// Proves: 'what is cancelled loses nothing'
pub fn an_accept_that_is_dropped_loses_nothing(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..50 {
            assert!(future::poll_once(listener.accept()).await.is_none());
            assert!(future::poll_once(listener.incoming().next()).await.is_none());
            let client = TcpStream::connect(address).await.unwrap();
            let (server, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert_eq!(server.local_addr().unwrap(), address);
        }
    })
}

/// Of many tasks that wait for one listener each gets its connection: no wake-up is
/// lost.
///
/// Proves: 'the right result or a typed error on every loop'
pub fn many_tasks_accept_from_one_listener(make: Make<'_>) -> Result<(), Skipped> {
    const TASKS: usize = 16;
    on_selector(make, async {
        let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        for _ in 0..10 {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let listener = listener.clone();
                    policy::spawn(async move { listener.accept().await.unwrap().1 })
                })
                .collect();
            let mut clients = Vec::new();
            for _ in 0..TASKS {
                clients.push(TcpStream::connect(address).await.unwrap());
            }
            let mut served = Vec::new();
            for task in tasks {
                served.push(task.await.unwrap());
            }
            let mut came: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
            served.sort();
            came.sort();
            assert_eq!(served, came);
        }
    })
}

/// Two waits of one task for the same socket are both served.
///
/// Proves: 'the right result or a typed error on every loop'
pub fn two_waits_of_one_task_are_both_served(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, server) = connected().await;
        let (mut a, mut b) = ([0], [0]);
        let (mut one, mut two) = (&server, &server);
        let both = future::zip(one.read_exact(&mut a), two.read_exact(&mut b));
        let mut both = pin!(both);
        assert!(future::poll_once(both.as_mut()).await.is_none());
        client.write_all(b"x").await.unwrap();
        assert!(future::poll_once(both.as_mut()).await.is_none());
        client.write_all(b"y").await.unwrap();
        let (first, second) = both.await;
        first.unwrap();
        second.unwrap();
        assert_eq!([a[0].min(b[0]), a[0].max(b[0])], *b"xy");
    })
}

/// A stream goes from task to task, and on a loop of several threads from thread to
/// thread, in the midst of what it carries.
///
/// Proves: 'a stream goes from task to task'
pub fn a_stream_moves_between_tasks(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, mut server) = connected().await;
        for n in 0..100_u8 {
            client = policy::spawn(async move {
                client.write_all(&[n]).await.unwrap();
                client
            })
            .await
            .unwrap();
            server = policy::spawn(async move {
                let mut byte = [0];
                server.read_exact(&mut byte).await.unwrap();
                assert_eq!(byte, [n]);
                // Left waiting, with the waker of a task that ends.
                assert!(future::poll_once(server.read(&mut byte)).await.is_none());
                server
            })
            .await
            .unwrap();
        }
    })
}

/// A task that reads or waits for a connection can be aborted, and the loop closed while
/// others wait: their sockets go, and their peers notice.
///
/// Proves: 'who waits goes with its loop'
pub fn a_loop_that_closes_drops_who_waits(make: Make<'_>) -> Result<(), Skipped> {
    needs_selector(make)?;
    let mut peer = on_loop(make, |event_loop| {
        event_loop
            .run_until_complete(async {
                let (client, mut server) = connected().await;
                let reads = Gate::default();
                let opened = reads.clone();
                drop(policy::spawn(async move {
                    let mut byte = [0];
                    let mut read = pin!(server.read(&mut byte));
                    poll_fn(|cx| {
                        let polled = read.as_mut().poll(cx);
                        opened.open();
                        polled
                    })
                    .await
                }));
                reads.wait().await;
                client.into_std().unwrap()
            })
            .unwrap()
    });
    // Blocking, and outside any loop: the end of the stream.
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    Ok(())
}

/// A stream whose loop is closed says so; what has come already can still be read, and
/// by way of std it goes to another loop.
///
/// Proves: 'what was made stays with its loop', 'a stream that can not be served says so'
pub fn a_stream_outlives_its_loop_and_says_so(make: Make<'_>) -> Result<(), Skipped> {
    needs_selector(make)?;
    let (mut client, mut server) = on_loop(make, |event_loop| {
        event_loop
            .run_until_complete(async {
                let (mut client, mut server) = connected().await;
                let mut byte = [0];
                // Both have waited: they belong to this loop.
                assert!(future::poll_once(server.read(&mut byte)).await.is_none());
                assert!(future::poll_once(client.read(&mut byte)).await.is_none());
                client.write_all(b"late").await.unwrap();
                (client, server)
            })
            .unwrap()
    });
    on_loop(make, |other| {
        other.run_until_complete(async move {
            let mut late = [0; 4];
            server.read_exact(&mut late).await.unwrap();
            assert_eq!(&late, b"late");
            let refused = server.read(&mut late).await.unwrap_err();
            assert_eq!(inner_kind(&refused), Some(ErrorKind::LoopClosed), "{refused}");
            assert!(refused.to_string().contains("from_std"), "{refused}");
            let mut server = TcpStream::from_std(server.into_std().unwrap()).unwrap();
            let reading = policy::spawn(async move { server.read(&mut [0; 4]).await.unwrap() });
            client.write_all(b"here").await.unwrap();
            assert_eq!(reading.await.unwrap(), 4);
        })
    })
    .unwrap();
    Ok(())
}

/// What need not wait needs no loop; what has to wait outside of any loop is an error
/// that names the remedy, and nothing was sent.
///
/// Proves: 'the loop that a call means', 'errors come before side effects'
pub fn without_a_loop_nothing_is_waited_for(make: Make<'_>) -> Result<(), Skipped> {
    needs_selector(make)?;
    in_thread(|| {
        policy::with_event_loop_policy(policy::DefaultEventLoopPolicy::new(), || {
            let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let refused = block_on(TcpStream::connect(address)).unwrap_err();
            assert_eq!(inner_kind(&refused), Some(ErrorKind::NoRunningLoop), "{refused}");
            assert!(refused.to_string().contains("policy::run"), "{refused}");
            let nobody = block_on(listener.accept()).unwrap_err();
            assert_eq!(inner_kind(&nobody), Some(ErrorKind::NoRunningLoop), "nobody came");
            let _client = std::net::TcpStream::connect(address).unwrap();
            assert!(block_on(listener.accept()).is_ok(), "it is there already");
        });
    });
    Ok(())
}

/// A stream that belongs to a loop which nobody runs can't be waited for elsewhere: a
/// typed error, and no hang. While the loop runs, any thread may wait for it, if the loop
/// serves other threads at all.
///
/// Proves: 'a stream that can not be served says so'
pub fn a_stream_of_a_loop_at_rest_says_so(make: Make<'_>) -> Result<(), Skipped> {
    needs_selector(make)?;
    let event_loop = new_loop(make);
    // In a thread that ends: a loop that is bound to one may be run by another then.
    let (mut client, mut server) = in_thread(|| {
        event_loop.run_until_complete(async {
            let (client, mut server) = connected().await;
            assert!(future::poll_once(server.read(&mut [0])).await.is_none());
            (client, server)
        })
    })
    .unwrap();
    if !event_loop.is_self_driving() {
        let refused = block_on(server.read(&mut [0])).unwrap_err();
        assert!(inner_kind(&refused).is_some(), "{refused}");
    }
    let (mut server, read) = driven(&event_loop, || {
        in_thread(|| {
            block_on(async {
                let reading = async {
                    let read = server.read(&mut [0]).await;
                    (server, read)
                };
                let writing = async {
                    // Polled after the read: it waits.
                    client.write_all(b"x").await.unwrap();
                };
                future::zip(reading, writing).await.0
            })
        })
    });
    match read {
        Ok(read) => assert_eq!(read, 1),
        Err(refused) => {
            assert!(inner_kind(&refused).is_some(), "a typed error: {refused}");
            event_loop
                .run_until_complete(async { assert_eq!(server.read(&mut [0]).await.unwrap(), 1) })
                .unwrap();
        }
    }
    event_loop.close().unwrap();
    Ok(())
}

/// `readable` and `writable` tell when an operation would not wait, and an end is
/// readable.
///
/// Proves: 'the right result or a typed error on every loop'
pub fn readiness_is_told_and_takes_nothing(make: Make<'_>) -> Result<(), Skipped> {
    on_selector(make, async {
        let (mut client, server) = connected().await;
        server.writable().await.unwrap();
        let mut waiting = Box::pin(server.readable());
        assert!(future::poll_once(&mut waiting).await.is_none());
        assert_eq!(server.try_read(&mut [0]).unwrap_err().kind(), IoErrorKind::WouldBlock);
        client.write_all(b"x").await.unwrap();
        waiting.await.unwrap();
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), 1);
        // Until there is no room, and then until there is.
        let full = vec![0; 1 << 20];
        let mut sent = 0;
        while let Ok(written) = server.try_write(&full) {
            sent += written;
        }
        assert!(future::poll_once(Box::pin(server.writable())).await.is_none());
        let taking = policy::spawn(async move {
            let mut all = vec![0; sent];
            client.read_exact(&mut all).await.unwrap();
            client
        });
        server.writable().await.unwrap();
        drop(taking.await.unwrap());
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut [0]).unwrap(), 0);
    })
}

/// Streams are `Send`, `Sync` and `Unpin`, as are the futures on them.
///
/// Proves: 'a stream goes from task to task'
pub fn streams_go_anywhere(_: Make<'_>) {
    fn anywhere<T: Send + Sync + Unpin>() {}
    fn travels<T: Send>(value: T) -> T {
        value
    }
    fn stream<T: AsyncRead + AsyncWrite + Unpin>() {}
    anywhere::<TcpStream>();
    anywhere::<TcpListener>();
    stream::<TcpStream>();
    stream::<&TcpStream>();
    stream::<Pin<Box<TcpStream>>>();
    drop(travels(TcpStream::connect("localhost:1")));
    drop(travels(TcpListener::bind("localhost:1")));
    drop(travels(policy::net::lookup_host("localhost:1")));
}
