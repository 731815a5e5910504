//! How much of a server a client can use.

use std::time::Duration;

/// How much of a server a client can use; see [`serve`](super::serve).
///
/// The times for bodies and answers count only while the server waits for the client, and not while
/// the service is at work. Those for each KiB are for slow clients: one that sends a byte now and
/// then is as slow as one that sends nothing.
///
/// ```
/// use policy::hyper::Limits;
/// use std::time::Duration;
///
/// let mut limits = Limits::default();
/// limits.body_size = 1 << 30; // for uploads
/// limits.head_time = Duration::from_secs(5);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The time for the head of a request, from the start of the connection or the end of the
    /// previous request: 10 seconds.
    pub head_time: Duration,
    /// The size of the head of a request, in bytes: 64 KiB. Less than 8 KiB counts as 8 KiB.
    pub head_size: usize,
    /// The time for each KiB of a request's body: 10 seconds.
    pub body_time: Duration,
    /// The time for the whole body of a request: 5 minutes. For large uploads over slow lines, raise
    /// it together with `body_size`.
    pub body_total: Duration,
    /// The size of the body of a request, in bytes: 16 MiB.
    pub body_size: u64,
    /// The time in which a client has to receive each KiB of an answer: 30 seconds. What fits
    /// into the buffers of the system counts as received.
    pub answer_time: Duration,
    /// The number of connections: 512. When one more client connects, the server closes the
    /// connection that has waited longest for a request.
    pub connections: usize,
    /// The number of connections of one peer; `None`, the default, is half of `connections`. When
    /// the peer connects once more, the server closes the connection of the peer that has waited
    /// longest for a request, and the new one if none waits.
    ///
    /// A peer is an address of IPv4, or the first 64 bits of one of IPv6, as one host has all that
    /// begin with these. Behind a proxy all clients are one peer: set it to `connections` there.
    pub connections_per_peer: Option<usize>,
    /// The time for requests that have begun when the server ends: 30 seconds.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            head_size: 64 << 10,
            body_time: Duration::from_secs(10),
            body_total: Duration::from_secs(300),
            body_size: 16 << 20,
            answer_time: Duration::from_secs(30),
            connections: 512,
            connections_per_peer: None,
            grace: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Returns how many connections a peer may have.
    pub(super) fn per_peer(&self) -> usize {
        self.connections_per_peer.unwrap_or(self.connections.div_ceil(2)).max(1)
    }
}
