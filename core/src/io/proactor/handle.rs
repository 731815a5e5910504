//! The operations that users call.

use std::io;
use std::sync::Arc;

use super::emulated;
use crate::{
    Address, Buffer, Completed, Error, ErrorKind, EventLoop, IoBuf, IoBufMut, Operation, Resource,
    budget,
};

/// The operations of a loop's proactor, which own their buffers until they end; from
/// [`event_loop.proactor()`](trait.EventLoop.html#method.proactor).
///
/// Every operation takes its buffer by value and returns it, whatever happens: with the result of
/// the system, or with the reason why the system was not asked (for example a closed loop; that
/// reason is an [`Error`] inside the [`io::Error`]).
///
/// On a loop that completes operations ([`is_native`](Self::is_native)) the system works on the
/// buffer itself. On a loop that waits for readiness the operation is tried, without blocking, and
/// tried again when the resource is ready; the loop's blocking jobs read and write files, because
/// files are always "ready".
///
/// Any number of operations may wait for one resource, on any number of loops; the order in which
/// two reads get their bytes is unspecified. Clones are cheap, and futures are `Send`.
///
/// # Cancel safety
/// Dropping a future abandons its operation; the buffer is dropped once the system has released it.
/// On a loop that waits for readiness nothing else is lost: unread bytes stay to be read, and an
/// unaccepted connection stays in the queue. On a loop that completes operations, a read or an
/// accept may have happened when it is abandoned, and its bytes or its connection are lost; a write
/// may have happened in part. A blocking job on a file runs to its end.
///
/// ```
/// use policy_core::{EventLoop, Resource};
/// use std::sync::Arc;
///
/// async fn echo(event_loop: Arc<dyn EventLoop>, peer: Resource) -> std::io::Result<()> {
///     let proactor = event_loop.proactor()?;
///     let mut buffer = Vec::with_capacity(4096);
///     loop {
///         let (read, filled) = proactor.recv(&peer, buffer).await;
///         if read? == 0 {
///             return Ok(());
///         }
///         let (sent, back) = proactor.send_all(&peer, filled).await;
///         sent?;
///         buffer = back;
///     }
/// }
/// # let _echo = echo;
/// ```
#[derive(Clone, Debug)]
pub struct ProactorHandle {
    event_loop: Arc<dyn EventLoop>,
}

impl ProactorHandle {
    pub(crate) fn new(event_loop: Arc<dyn EventLoop>) -> Result<Self, Error> {
        if let Err(refused) = event_loop.as_proactor() {
            // Neither: the loop's own words for why it is no proactor.
            if event_loop.as_selector().is_err() {
                return Err(refused);
            }
        }
        Ok(Self { event_loop })
    }

    /// Returns true if the system completes operations (io_uring, IOCP), and false if the loop
    /// tries them and waits.
    ///
    /// ```
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let proactor = event_loop.proactor()?;
    /// println!("native: {}, by {}", proactor.is_native(), proactor.driver());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_native(&self) -> bool {
        self.event_loop.as_proactor().is_ok_and(|proactor| proactor.is_native())
    }

    /// Returns the name of the mechanism that completes operations: `io_uring`, `iocp`, `polling`;
    /// `readiness` if they are emulated on the loop's selector.
    ///
    /// ```
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// if event_loop.proactor()?.driver() == "polling" {
    ///     eprintln!("io_uring is forbidden here");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn driver(&self) -> &'static str {
        self.event_loop.as_proactor().map_or("readiness", |proactor| proactor.driver())
    }

    /// Performs any operation; the other methods use it.
    ///
    /// # Errors
    /// The result contains the error of the system, or [`ErrorKind::LoopClosed`] if the loop was
    /// closed.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, file: policy_core::Resource) -> std::io::Result<()> {
    /// use policy_core::{Buffer, Operation};
    ///
    /// let operation = Operation::Read { buffer: Buffer::from(vec![0; 512]), at: Some(512) };
    /// let (read, operation) = event_loop.proactor()?.perform(&file, operation).await;
    /// println!("{} bytes in {operation:?}", read?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn perform(&self, resource: &Resource, operation: Operation) -> Completed {
        // Also for what is refused at once.
        budget::consume().await;
        if let Err(error) = self.event_loop.state().check_open() {
            return (Err(error.into()), Some(operation));
        }
        let mut operation = operation;
        let can_wait = self.event_loop.as_selector().is_ok();
        // An executor's stand-in is asked only where there is no selector to try and wait
        // with: it need not know what to do with a file that blocks.
        let asked =
            self.event_loop.as_proactor().ok().filter(|proactor| {
                !can_wait || (proactor.is_native() && resource.suits_completion())
            });
        if let Some(proactor) = asked {
            self.event_loop.state().ready().expect();
            match proactor.submit(resource, operation).await {
                // Not this one, the loop says.
                (Err(error), Some(back)) if can_wait && is_refusal(&error) => operation = back,
                completed => return completed,
            }
        }
        emulated::perform(&self.event_loop, resource, operation).await
    }

    /// Reads into the buffer, from its start, once; returns 0 at the end.
    ///
    /// Reads a file at its current position, and from a stream or a socket the bytes that have
    /// arrived.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (read, buffer) = event_loop.proactor()?.read(&resource, vec![0; 4096]).await;
    /// assert_eq!(read?, buffer.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read<B: IoBufMut>(
        &self,
        resource: &Resource,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let operation = Operation::Read { buffer: buffer.into_buffer(), at: None };
        match self.perform(resource, operation).await {
            (result, Some(Operation::Read { buffer, .. })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Reads at a position of a file, whatever its current position (`pread`).
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (read, page) = event_loop.proactor()?.read_at(&resource, 8192, vec![0; 4096]).await;
    /// assert_eq!(read?, page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_at<B: IoBufMut>(
        &self,
        resource: &Resource,
        offset: u64,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let operation = Operation::Read { buffer: buffer.into_buffer(), at: Some(offset) };
        match self.perform(resource, operation).await {
            (result, Some(Operation::Read { buffer, .. })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Writes from the buffer, once, and returns how many bytes were written.
    ///
    /// A pipe without a reader returns `BrokenPipe`, and raises no signal while SIGPIPE is ignored,
    /// as Rust's runtime does by default.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (written, _) = event_loop.proactor()?.write(&resource, b"hello".to_vec()).await;
    /// assert!(written? <= 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write<B: IoBuf>(&self, resource: &Resource, buffer: B) -> (io::Result<usize>, B) {
        let operation = Operation::Write { buffer: buffer.into_buffer(), at: None };
        match self.perform(resource, operation).await {
            (result, Some(Operation::Write { buffer, .. })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Writes at a position of a file, whatever its current position (`pwrite`).
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (written, _) = event_loop.proactor()?.write_at(&resource, 0, vec![0; 512]).await;
    /// assert!(written? <= 512);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_at<B: IoBuf>(
        &self,
        resource: &Resource,
        offset: u64,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let operation = Operation::Write { buffer: buffer.into_buffer(), at: Some(offset) };
        match self.perform(resource, operation).await {
            (result, Some(Operation::Write { buffer, .. })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Receives from a socket into the buffer, from its start; returns 0 at the end.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (read, buffer) = event_loop.proactor()?.recv(&resource, Vec::with_capacity(4096)).await;
    /// assert_eq!(read?, buffer.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv<B: IoBufMut>(
        &self,
        resource: &Resource,
        buffer: B,
    ) -> (io::Result<usize>, B) {
        let operation = Operation::Recv { buffer: buffer.into_buffer() };
        match self.perform(resource, operation).await {
            (result, Some(Operation::Recv { buffer })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Sends from the buffer to a socket, once, and returns how many bytes were sent.
    ///
    /// If the peer has gone, returns `BrokenPipe` or `ConnectionReset`, and never raises a signal.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let (sent, _) = event_loop.proactor()?.send(&resource, &b"hello"[..]).await;
    /// assert!(sent? <= 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send<B: IoBuf>(&self, resource: &Resource, buffer: B) -> (io::Result<usize>, B) {
        let operation = Operation::Send { buffer: buffer.into_buffer() };
        match self.perform(resource, operation).await {
            (result, Some(Operation::Send { buffer })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Receives one datagram, and returns its sender. Bytes that do not fit into the buffer are
    /// lost.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let proactor = event_loop.proactor()?;
    /// let (received, datagram) = proactor.recv_from(&resource, vec![0; 1500]).await;
    /// let (len, sender) = received?;
    /// assert_eq!(len, datagram.len());
    /// proactor.send_to(&resource, datagram, sender).await.0?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_from<B: IoBufMut>(
        &self,
        resource: &Resource,
        buffer: B,
    ) -> (io::Result<(usize, Address)>, B) {
        let operation = Operation::RecvFrom { buffer: buffer.into_buffer(), from: None };
        match self.perform(resource, operation).await {
            (result, Some(Operation::RecvFrom { buffer, from })) => {
                let result = result.and_then(|len| match from {
                    Some(from) => Ok((len, from)),
                    None => Err(no_address()),
                });
                (result, take(buffer))
            }
            (result, _) => (result.and(Err(no_address())), B::nothing()),
        }
    }

    /// Sends one datagram to an address.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let to = std::net::SocketAddr::from(([127, 0, 0, 1], 53));
    /// let (sent, _) = event_loop.proactor()?.send_to(&resource, b"hello".to_vec(), to).await;
    /// assert_eq!(sent?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_to<B: IoBuf>(
        &self,
        resource: &Resource,
        buffer: B,
        to: impl Into<Address>,
    ) -> (io::Result<usize>, B) {
        let operation = Operation::SendTo { buffer: buffer.into_buffer(), to: to.into() };
        match self.perform(resource, operation).await {
            (result, Some(Operation::SendTo { buffer, .. })) => (result, take(buffer)),
            (result, _) => (result, B::nothing()),
        }
    }

    /// Accepts a connection, close-on-exec, and returns it with the address of its peer.
    ///
    /// # Errors
    /// Returns the error of the system. After EMFILE the connection stays in the listener's queue:
    /// close a descriptor, or wait, before the next call.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// let listener = policy_core::Resource::from(std::net::TcpListener::bind("127.0.0.1:0")?);
    /// let (peer, address) = event_loop.proactor()?.accept(&listener).await?;
    /// println!("{address} connected");
    /// drop(peer);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept(&self, listener: &Resource) -> io::Result<(Resource, Address)> {
        match self.perform(listener, Operation::Accept { accepted: None }).await {
            (Ok(_), Some(Operation::Accept { accepted: Some((socket, peer)) })) => {
                Ok((Resource::from(Arc::new(socket)), peer))
            }
            (result, _) => Err(result.err().unwrap_or_else(no_address)),
        }
    }

    /// Connects a socket, and returns when the connection is established.
    ///
    /// # Errors
    /// Returns the error of the system: `ConnectionRefused`, `TimedOut` …
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>, resource: policy_core::Resource) -> std::io::Result<()> {
    /// # let socket = resource;
    /// let address = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    /// event_loop.proactor()?.connect(&socket, address).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(&self, socket: &Resource, to: impl Into<Address>) -> io::Result<()> {
        self.perform(socket, Operation::Connect { to: to.into() }).await.0.map(drop)
    }
}

/// Ours, not the system's, which may not support what was asked for either.
fn is_refusal(error: &io::Error) -> bool {
    let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    ours.is_some_and(|error| error.kind() == ErrorKind::Unsupported)
}

pub(super) fn take<B: IoBuf>(buffer: Buffer) -> B {
    B::from_buffer(buffer)
}

/// An adapter said that all is well, and gave nothing back.
fn no_address() -> io::Error {
    Error::new(
        ErrorKind::Unsupported,
        "this event loop's proactor did not tell who the peer is; report it to its adapter",
    )
    .into()
}
