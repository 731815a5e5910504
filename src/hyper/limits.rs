//! How much of a server a client can use.

use std::time::Duration;

/// How much of a server a client can use; see [`serve`](super::serve).
///
/// The times for bodies and answers count for each KiB, and only while the server waits for the
/// client: one that sends a byte now and then is as slow as one that sends nothing.
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
    /// The size of the body of a request, in bytes: 16 MiB.
    pub body_size: u64,
    /// The time in which a client has to receive each KiB of an answer: 30 seconds. What fits
    /// into the buffers of the system counts as received.
    pub answer_time: Duration,
    /// The number of connections: 512. When one more client connects, the server closes the
    /// connection that has waited longest for a request.
    pub connections: usize,
    /// The time for requests that have begun when the server ends: 30 seconds.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            head_size: 64 << 10,
            body_time: Duration::from_secs(10),
            body_size: 16 << 20,
            answer_time: Duration::from_secs(30),
            connections: 512,
            grace: Duration::from_secs(30),
        }
    }
}
