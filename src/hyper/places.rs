//! Which connections wait for a request, and since when: the first to go when there are
//! too many, altogether or of one peer.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use policy_core::sync::Mutex;

use hyper::body::{Body, Frame, SizeHint};

use crate::task::AbortHandle;

/// All connections of a server.
#[derive(Default)]
pub(super) struct Places(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Counts what happens: who came to wait later has a larger number.
    moment: u64,
    waiting: BTreeMap<u64, (Peer, AbortHandle)>,
    /// How many connections each peer has.
    peers: HashMap<Peer, usize>,
    closing: bool,
    /// Who is to hear of that, by the numbers of places.
    wakers: BTreeMap<u64, Waker>,
    /// Who needs a place, while nobody waits.
    needs: Option<Waker>,
}

/// That of one connection.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    peer: Peer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Once its task is known.
    task: Option<AbortHandle>,
    progress: Progress,
    /// Under which moment it waits.
    since: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Waits,
    /// A request is being answered.
    Answers,
    /// The answer is complete, and may not have been written.
    Answered,
}

/// Whose connections count together: an address, or a network of IPv6, of which one host has
/// all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn of(address: &SocketAddr) -> Self {
        Self(match address.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
            ip => ip,
        })
    }
}

impl Places {
    /// Makes a place for a peer, unless it has `most`: then the connection of the peer is closed
    /// that has been waiting the longest. Returns `None` if none waits.
    pub(super) fn place(self: &Arc<Self>, peer: Peer, most: usize) -> Option<Arc<Place>> {
        let mut inner = self.0.lock();
        let mut closes = None;
        if inner.peers.get(&peer).is_some_and(|count| *count >= most) {
            let longest = inner.waiting.iter().find(|(_, (other, _))| *other == peer);
            let since = longest.map(|(since, _)| *since)?;
            closes = inner.waiting.remove(&since);
        }
        *inner.peers.entry(peer).or_default() += 1;
        let number = inner.next();
        drop(inner);
        // Outside the lock: the task of a connection is dropped, which comes here.
        if let Some((_, task)) = closes {
            task.abort();
        }
        let state = Mutex::default();
        Some(Arc::new(Place { places: self.clone(), number, peer, state }))
    }

    /// Closes the connection that has been waiting the longest, as soon as one waits.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before the lock, and dropped after it: either may run any code.
        let waker = cx.waker().clone();
        let mut inner = self.0.lock();
        let Some((_, (_, task))) = inner.waiting.pop_first() else {
            let former = inner.needs.replace(waker);
            drop(inner);
            drop(former);
            return Poll::Pending;
        };
        drop(inner);
        // Outside the lock: the task of a connection is dropped, which comes here.
        task.abort();
        Poll::Ready(())
    }

    /// Tells all connections that they should end.
    pub(super) fn close(&self) {
        let wakers = {
            let mut inner = self.0.lock();
            inner.closing = true;
            mem::take(&mut inner.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

impl Place {
    /// Learns which task the connection is; it may be running already.
    pub(super) fn begin(&self, task: AbortHandle) {
        let mut state = self.state.lock();
        state.task = Some(task);
        let needs = match state.progress {
            Progress::Waits => self.wait(&mut state),
            _ => None,
        };
        drop(state);
        needs.into_iter().for_each(Waker::wake);
    }

    /// A request has come. It is being answered until what this returns is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        let mut state = self.state.lock();
        state.progress = Progress::Answers;
        let gone = state.since.take().and_then(|since| self.places.0.lock().waiting.remove(&since));
        drop(state);
        drop(gone);
        Busy(self.clone())
    }

    /// All is written that there was.
    pub(super) fn written(&self) {
        let mut state = self.state.lock();
        if state.progress == Progress::Answered {
            state.progress = Progress::Waits;
            let needs = self.wait(&mut state);
            drop(state);
            needs.into_iter().for_each(Waker::wake);
        }
    }

    /// Is ready when the server ends.
    pub(super) fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before the lock, and dropped after it: either may run any code.
        let waker = cx.waker().clone();
        let mut inner = self.places.0.lock();
        if inner.closing {
            return Poll::Ready(());
        }
        let former = inner.wakers.insert(self.number, waker);
        drop(inner);
        drop(former);
        Poll::Pending
    }

    /// Returns who needs the place.
    #[must_use]
    fn wait(&self, state: &mut State) -> Option<Waker> {
        let task = state.task.clone()?;
        let mut inner = self.places.0.lock();
        let since = inner.next();
        inner.waiting.insert(since, (self.peer, task));
        state.since = Some(since);
        inner.needs.take()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let since = self.state.lock().since;
        let mut inner = self.places.0.lock();
        let left = (
            since.and_then(|since| inner.waiting.remove(&since)),
            inner.wakers.remove(&self.number),
        );
        if let Entry::Occupied(mut count) = inner.peers.entry(self.peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        drop(inner);
        drop(left);
    }
}

/// A request that is being answered.
pub(super) struct Busy(Arc<Place>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state.lock().progress = Progress::Answered;
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer, and the request that is being answered until it has ended.
    pub struct Answer<B> {
        #[pin]
        body: B,
        busy: Option<Busy>,
    }
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, busy: Option<Busy>) -> Self {
        Self { body, busy }
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
