//! What a call of I/O allocates: nothing, on every loop. The allocator of this process
//! counts, so it has its file, and one test.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(unsafe_code, reason = "a global allocator that counts")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use net_support::{connected, on_every_loop};
use policy::net::{TcpStream, UdpSocket};

struct Counting;

thread_local! {
    /// What this thread has allocated, in what is counted.
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if COUNTS.get() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: hands everything on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLS: usize = 200;

/// The fewest allocations of several rounds, in their polls: what is made once, and grows
/// now and then, is made by then. What a reactor does between the polls is not ours
/// (async-io's makes a list for each of its turns).
async fn fewest<F: Future<Output = ()>>(mut round: impl FnMut() -> F) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..7 {
        let mut round = pin!(round());
        let mut counted = 0;
        poll_fn(|cx| {
            // The main future of a loop: always on this thread.
            COUNT.set(0);
            COUNTS.set(true);
            let polled = round.as_mut().poll(cx);
            COUNTS.set(false);
            counted += COUNT.get();
            polled
        })
        .await;
        fewest = fewest.min(counted);
    }
    fewest
}

/// Each byte is waited for by both sides, in turn.
async fn ping_pong(a: &TcpStream, b: &TcpStream) {
    let (mut a, mut b) = (a, b);
    for n in 0..CALLS as u8 {
        let mut byte = [0];
        let (sent, received) = future::zip(
            async {
                // After the other side has begun to wait.
                future::yield_now().await;
                a.write_all(&[n]).await
            },
            b.read_exact(&mut byte),
        )
        .await;
        sent.unwrap();
        received.unwrap();
        assert_eq!(byte, [n]);
        std::mem::swap(&mut a, &mut b);
    }
}

/// As `ping_pong`, with two receivers at once, of which each wakes for the other's.
async fn datagrams(a: &UdpSocket, b: &UdpSocket) {
    let to = b.local_addr().unwrap();
    for _ in 0..CALLS {
        let (mut one, mut two) = ([0; 8], [0; 8]);
        let receive = future::zip(b.recv_from(&mut one), b.recv_from(&mut two));
        let send = async {
            future::yield_now().await;
            a.send_to(b"x", to).await.unwrap();
            future::yield_now().await;
            a.send_to(b"y", to).await.unwrap();
        };
        let ((one, two), ()) = future::zip(receive, send).await;
        assert_eq!([one.unwrap().0, two.unwrap().0], [1, 1]);
    }
}

#[test]
fn a_call_of_io_allocates_nothing() {
    on_every_loop(|| async {
        let (a, b) = connected().await;
        let streams = fewest(|| ping_pong(&a, &b)).await;
        let (a, b) = (bound().await, bound().await);
        let sockets = fewest(|| datagrams(&a, &b)).await;
        println!("{streams} and {sockets} allocations for {CALLS} calls");
        assert_eq!((streams, sockets), (0, 0));
    });
}

async fn bound() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}
