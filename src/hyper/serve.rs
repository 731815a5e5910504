//! A server that no client can hold up.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::body::{Body as HttpBody, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use policy_core::{Error, ErrorKind};

use super::paced::Paced;
use super::places::{Answer, Peer, Place, Places};
use super::{Body, Limits, Timer};
use crate::net::{TcpListener, TcpStream, is_exhausted};
use crate::task::JoinSet;
use crate::time::timeout;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Serves HTTP/1.1 on the connections of `listener`, within [`Limits`].
///
/// Each connection is a task of the running loop. The server disconnects a client that sends a
/// request too slowly, sends too much, does not receive its answer, or keeps a connection idle while
/// others need one, and no peer can have more than its part of the connections. When descriptors run out, the listener pauses and continues.
///
/// Await the value that this returns. With [`until`](Serve::until) the server ends gracefully: it
/// accepts no more connections, answers the requests that have begun, and disconnects those that
/// take longer than [`Limits::grace`]. Dropping the server disconnects all clients.
///
/// # Errors
/// Returns an error if the listener fails. Errors of single connections go to
/// [`on_error`](Serve::on_error).
///
/// ```
/// use hyper::service::service_fn;
/// use hyper::{Request, Response};
/// use policy::net::TcpListener;
///
/// # policy::run(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let service = service_fn(|_: Request<policy::hyper::Body>| async {
///     Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
/// });
/// // A server: until(policy::signal::ctrl_c())
/// let served = policy::hyper::serve(listener, service).until(async {}).await?;
/// assert_eq!(served.cut_off, 0);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    let (limits, until) = (Limits::default(), Box::pin(pending()));
    Serve { listener, service, limits, until, on_error: Arc::new(note) }
}

/// A server that is to be awaited; see [`serve`].
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    limits: Limits,
    until: Pin<Box<dyn Future<Output = ()> + Send>>,
    on_error: Arc<OnError>,
}

type OnError = dyn Fn(Option<SocketAddr>, &(dyn StdError + 'static)) + Send + Sync;

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The number of connections that were still open after [`Limits::grace`].
    pub cut_off: usize,
}

impl<S> Serve<S> {
    /// Sets how much of the server a client can use.
    ///
    /// ```
    /// # async fn example<S>(serve: policy::hyper::Serve<S>) {
    /// let mut limits = policy::hyper::Limits::default();
    /// limits.connections = 10_000;
    /// let serve = serve.limits(limits);
    /// # let _serve = serve;
    /// # }
    /// ```
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Ends the server gracefully when `end` completes.
    ///
    /// ```
    /// # async fn example<S>(serve: policy::hyper::Serve<S>) {
    /// let serve = serve.until(policy::signal::ctrl_c());
    /// # let _serve = serve;
    /// # }
    /// ```
    pub fn until<F>(self, end: F) -> Self
    where
        F: IntoFuture,
        F::IntoFuture: Send + 'static,
    {
        let end = end.into_future();
        Self { until: Box::pin(async move { drop(end.await) }), ..self }
    }

    /// Calls `call` for each error, with the peer of the connection, or with `None` if accepting
    /// failed. By default the server logs errors.
    ///
    /// ```
    /// # async fn example<S>(serve: policy::hyper::Serve<S>) {
    /// let serve = serve.on_error(|peer, error| eprintln!("{peer:?}: {error}"));
    /// # let _serve = serve;
    /// # }
    /// ```
    pub fn on_error(
        self,
        call: impl Fn(Option<SocketAddr>, &(dyn StdError + 'static)) + Send + Sync + 'static,
    ) -> Self {
        Self { on_error: Arc::new(call), ..self }
    }
}

fn too_many() -> Error {
    Error::new(
        ErrorKind::LimitReached,
        "the peer has too many connections, and all are busy; raise `Limits::connections_per_peer`",
    )
}

fn note(peer: Option<SocketAddr>, error: &(dyn StdError + 'static)) {
    match peer {
        // A client's doing, and as many as there are clients.
        Some(peer) => log::debug!("the connection of {peer} ended: {error}"),
        None => log::warn!("a connection can't be accepted: {error}"),
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = io::Result<Served>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Served>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// What happens next to a server.
#[allow(clippy::large_enum_variant, reason = "there is one, for a moment")]
enum Next {
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    /// A connection has ended.
    Ended,
    Over,
}

impl<S, B> Serve<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn run(self) -> io::Result<Served> {
        let Self { listener, service, limits, mut until, on_error } = self;
        let places = Arc::<Places>::default();
        let mut connections = JoinSet::new();
        let mut failed = None;
        'server: loop {
            let next = {
                let mut accept = pin!(listener.accept());
                poll_fn(|cx| {
                    if until.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Next::Over);
                    }
                    while let Poll::Ready(Some(_ended)) = connections.poll_join_next(cx) {}
                    accept.as_mut().poll(cx).map(Next::Accepted)
                })
                .await
            };
            let (stream, peer) = match next {
                Next::Accepted(Ok(accepted)) => accepted,
                Next::Accepted(Err(error)) => {
                    on_error(None, &error);
                    // Those that wait are accepted when there is room.
                    if is_exhausted(&error) {
                        continue;
                    }
                    failed = Some(error);
                    break;
                }
                Next::Ended => continue,
                Next::Over => break,
            };
            // Only now that another has come: until then they may wait.
            let mut is_closing = false;
            while connections.len() >= limits.connections.max(1) {
                let next = poll_fn(|cx| {
                    if until.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Next::Over);
                    }
                    if connections.poll_join_next(cx).is_ready() {
                        return Poll::Ready(Next::Ended);
                    }
                    // One is enough: its end is heard of above.
                    is_closing = is_closing || places.poll_room(cx).is_ready();
                    Poll::Pending
                });
                if matches!(next.await, Next::Over) {
                    break 'server;
                }
            }
            let Some(place) = places.place(Peer::of(&peer), limits.per_peer()) else {
                on_error(Some(peer), &too_many());
                continue;
            };
            let (service, on_error) = (service.clone(), on_error.clone());
            let own = place.clone();
            let task = connections.spawn(async move {
                if let Err(error) = converse(stream, service, &limits, &own).await {
                    on_error(Some(peer), &error);
                }
            });
            place.begin(task);
        }
        // The first: nobody is accepted, and what ended it may hear of the next for itself.
        drop((listener, until));
        places.close();
        let ended = async { while poll_fn(|cx| connections.poll_join_next(cx)).await.is_some() {} };
        let cut_off = match timeout(limits.grace, ended).await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        };
        failed.map_or(Ok(Served { cut_off }), Err)
    }
}

/// Answers the requests of one client, one after the other.
async fn converse<S, B>(
    stream: TcpStream,
    service: S,
    limits: &Limits,
    place: &Arc<Place>,
) -> hyper::Result<()>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody + 'static,
    B::Error: Into<BoxError>,
{
    // Answers are written whole: waiting for more would only hold up the last piece.
    let _slower = stream.set_nodelay(true);
    let service = Within { service, limits: *limits, place };
    let mut connection = pin!(
        http1::Builder::new()
            .timer(Timer::new())
            .header_read_timeout(limits.head_time)
            // hyper panics for less.
            .max_buf_size(limits.head_size.max(8192))
            .serve_connection(Paced::new(stream, limits.answer_time, place.clone()), service)
    );
    let mut open = true;
    poll_fn(|cx| {
        if open && place.poll_closing(cx).is_ready() {
            open = false;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await
}

/// The service, with bodies within limits, and which tells when it is busy.
struct Within<'a, S> {
    service: S,
    limits: Limits,
    place: &'a Arc<Place>,
}

impl<S, B> Service<Request<Incoming>> for Within<'_, S>
where
    S: Service<Request<Body>, Response = Response<B>>,
{
    type Response = Response<Answer<B>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = Some(self.place.busy());
        let request = request.map(|incoming| Body::new(incoming, &self.limits));
        Answering { answer: self.service.call(request), busy }
    }
}

pin_project_lite::pin_project! {
    struct Answering<F> {
        #[pin]
        answer: F,
        busy: Option<super::places::Busy>,
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Answer<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.answer.poll(cx).map_ok(|response| {
            let busy = this.busy.take();
            response.map(|body| Answer::new(body, busy))
        })
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
