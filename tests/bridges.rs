//! Streams and pipes by the traits of tokio and of hyper, on every loop.

#![cfg(all(feature = "tokio-io", feature = "hyper", feature = "default-loop", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::time::{Duration, Instant};

use policy::Runner;
use policy::net::{TcpListener, TcpStream, UnixStream};
use policy::process::{Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a story on every loop that is compiled in.
fn on_every_loop<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        runner.run(story()).unwrap();
        runner.close().unwrap();
    }
}

/// Talks by tokio's traits to what echoes by tokio's traits.
async fn echo_by_tokio<A, B>(mut ours: A, theirs: B)
where
    A: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    B: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let echo = policy::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(theirs);
        let copied = tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
        copied
    });
    assert!(ours.is_write_vectored());
    ours.write_all(b"hello, ").await.unwrap();
    let slices = [std::io::IoSlice::new(b"wor"), std::io::IoSlice::new(b"ld")];
    assert_eq!(ours.write_vectored(&slices).await.unwrap(), 5);
    ours.flush().await.unwrap();
    ours.shutdown().await.unwrap();
    // Into memory that is not initialised.
    let mut all = Vec::new();
    ours.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hello, world");
    assert_eq!(echo.await.unwrap(), 12);
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[test]
fn all_streams_speak_to_tokios_traits() {
    on_every_loop(|| async {
        let (a, b) = connected().await;
        echo_by_tokio(a, b).await;
        let (a, b) = UnixStream::pair().unwrap();
        echo_by_tokio(a, b).await;
        let (a, b) = policy::io::duplex(64);
        echo_by_tokio(a, b).await;
        let (client, server) = connected().await;
        let (mut reader, mut writer) = client.into_split();
        let mut server = &server;
        writer.write_all(b"halves").await.unwrap();
        let mut six = [0; 6];
        server.read_exact(&mut six).await.unwrap();
        server.write_all(&six).await.unwrap();
        reader.read_exact(&mut six).await.unwrap();
        assert_eq!(&six, b"halves");
    });
}

#[test]
fn files_speak_to_tokios_traits() {
    use std::io::SeekFrom;

    use tokio::io::{AsyncSeek, AsyncSeekExt};

    on_every_loop(|| async {
        let folder = tempfile::tempdir().unwrap();
        let mut options = policy::fs::OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = options.open(folder.path().join("file")).await.unwrap();
        file.write_all(b"hello, ").await.unwrap();
        let slices = [std::io::IoSlice::new(b"wor"), std::io::IoSlice::new(b"ld")];
        assert_eq!(file.write_vectored(&slices).await.unwrap(), 5);
        // What is under way comes first.
        assert!(Pin::new(&mut file).start_seek(SeekFrom::Start(0)).is_err());
        assert_eq!(file.seek(SeekFrom::Current(-5)).await.unwrap(), 7);
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "world");
        file.rewind().await.unwrap();
        // A seek that was begun and given up is done.
        Pin::new(&mut file).start_seek(SeekFrom::End(-1)).unwrap();
        assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 1);
        assert_eq!(file.stream_position().await.unwrap(), 12);
        let before = file.seek(SeekFrom::Current(-100)).await.unwrap_err();
        assert_eq!(before.kind(), std::io::ErrorKind::InvalidInput);
        let mut copy = options.open(folder.path().join("copy")).await.unwrap();
        file.rewind().await.unwrap();
        assert_eq!(tokio::io::copy(&mut file, &mut copy).await.unwrap(), 12);
        copy.shutdown().await.unwrap();
        let copied = policy::fs::read_to_string(folder.path().join("copy")).await.unwrap();
        assert_eq!(copied, "hello, world");
    });
}

#[test]
fn pipes_of_children_speak_to_tokios_traits() {
    on_every_loop(|| async {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        stdin.write_all(b"through the cat").await.unwrap();
        stdin.shutdown().await.unwrap();
        let mut all = String::new();
        stdout.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "through the cat");
        assert!(child.wait().await.unwrap().success());
    });
}

async fn hyper_read(
    stream: &mut (impl hyper::rt::Read + Unpin),
    room: &mut [MaybeUninit<u8>],
) -> Vec<u8> {
    let mut buf = hyper::rt::ReadBuf::uninit(room);
    poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, buf.unfilled())).await.unwrap();
    buf.filled().to_vec()
}

async fn hyper_write(stream: &mut (impl hyper::rt::Write + Unpin), bytes: &[u8]) {
    let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await.unwrap();
    assert_eq!(written, bytes.len());
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await.unwrap();
}

#[test]
fn all_streams_speak_to_hypers_traits() {
    on_every_loop(|| async {
        let (mut client, mut server) = connected().await;
        hyper_write(&mut client, b"hello").await;
        assert_eq!(hyper_read(&mut server, &mut [MaybeUninit::uninit(); 3]).await, b"hel");
        assert_eq!(hyper_read(&mut server, &mut [MaybeUninit::uninit(); 30]).await, b"lo");
        poll_fn(|cx| hyper::rt::Write::poll_shutdown(Pin::new(&mut client), cx)).await.unwrap();
        assert_eq!(hyper_read(&mut server, &mut [MaybeUninit::uninit(); 30]).await, b"");
        let (mut a, mut b) = policy::io::duplex(64);
        hyper_write(&mut a, b"hello").await;
        assert_eq!(hyper_read(&mut b, &mut [MaybeUninit::uninit(); 30]).await, b"hello");
    });
}

#[test]
fn hypers_executor_and_timer_are_the_loops() {
    use hyper::rt::{Executor as _, Timer as _};

    on_every_loop(|| async {
        let here = policy::get_running_loop().unwrap();
        let (send, receive) = async_channel::bounded(2);
        for executor in [policy::hyper::Executor::new(), policy::hyper::Executor::on(here.clone())]
        {
            let send = send.clone();
            executor.execute(async move {
                let on = policy::get_running_loop().unwrap();
                send.send(on.state().id()).await.unwrap();
            });
        }
        for _ in 0..2 {
            assert_eq!(receive.recv().await.unwrap(), here.state().id());
        }
        let timer = policy::hyper::Timer::new();
        let began = Instant::now();
        let mut sleep = timer.sleep(Duration::from_secs(3600));
        timer.reset(&mut sleep, began + Duration::from_millis(3));
        sleep.await;
        timer.sleep_until(began + Duration::from_millis(6)).await;
        assert!(began.elapsed() >= Duration::from_millis(6));
    });
}

/// Returns true if `busy` lets a timeout around it fire.
async fn lets_others_run(busy: impl Future<Output = ()>) -> bool {
    policy::time::timeout(Duration::from_millis(5), busy).await.is_err()
}

/// A stream that is always ready used to keep its thread for ever.
#[test]
fn what_is_always_ready_yields_by_those_traits_too() {
    on_every_loop(|| async {
        let until = Instant::now() + Duration::from_secs(20);
        let (mut a, mut b) = connected().await;
        let (mut c, mut d) = policy::io::duplex(64);
        let by_tokio = async {
            while Instant::now() < until {
                a.write_all(b"x").await.unwrap();
                b.read_exact(&mut [0]).await.unwrap();
            }
        };
        assert!(lets_others_run(by_tokio).await);
        let by_hyper = async {
            while Instant::now() < until {
                hyper_write(&mut c, b"x").await;
                hyper_read(&mut d, &mut [MaybeUninit::uninit(); 1]).await;
            }
        };
        assert!(lets_others_run(by_hyper).await);
    });
}
