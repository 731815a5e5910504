//! Resources that a proactor works on.

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
#[cfg(unix)]
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
#[cfg(windows)]
use std::os::windows::io::{OwnedHandle, OwnedSocket};
use std::sync::{Arc, OnceLock, Weak};

use socket2::{Domain, SockRef, Socket, Type};

#[cfg(unix)]
use crate::os;
use crate::os::OwnedIo;
use crate::sync::Mutex;
use crate::{Address, LoopId, LoopState};

/// An open file, socket or pipe that a proactor works on; its clones are cheap and mean the same
/// resource.
///
/// Made from std's types. It belongs to no loop: you can start operations on it on several loops,
/// and it is closed when the last clone is dropped and no operation uses it. The mode of the open
/// file, blocking or not, stays as it is, because other processes may share it (a terminal, an
/// inherited pipe). There are two exceptions: a loop that emulates
/// [`accept`](crate::ProactorHandle::accept) or [`connect`](crate::ProactorHandle::connect) makes
/// the socket non-blocking.
///
/// ```
/// use policy_core::{Resource, ResourceKind};
/// use std::net::TcpListener;
///
/// let listener = Resource::from(TcpListener::bind("127.0.0.1:0")?);
/// assert_eq!(listener.kind(), ResourceKind::Socket);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Resource(Arc<Inner>);

struct Inner {
    io: Io,
    kind: OnceLock<ResourceKind>,
    /// What loops keep with it, one each: a vector, for there is seldom a second.
    attached: Mutex<Vec<Attachment>>,
}

struct Attachment {
    owner: LoopId,
    /// Is dead when the loop has gone.
    alive: Weak<()>,
    part: Arc<dyn Any + Send + Sync>,
}

#[derive(Debug)]
enum Io {
    /// Any descriptor on Unix; a socket on Windows.
    Io(Arc<OwnedIo>),
    #[cfg(windows)]
    Handle(Arc<OwnedHandle>),
}

/// The kind of a [`Resource`], which decides how to read and write it.
///
/// ```
/// use policy_core::{Resource, ResourceKind};
///
/// let file = Resource::from(std::fs::File::open(std::env::current_exe()?)?);
/// assert_eq!(file.kind(), ResourceKind::File);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResourceKind {
    /// A socket.
    Socket,
    /// A regular file, a directory or a disk: always ready, and slow.
    File,
    /// A pipe, a terminal, another device, or a kernel object: bytes arrive at any time.
    Stream,
}

impl Resource {
    /// Makes a stream socket that you can [connect](crate::ProactorHandle::connect) to the address,
    /// close-on-exec: std has no unconnected stream socket.
    ///
    /// # Errors
    /// Returns the error of the system: an unknown address family, EMFILE.
    ///
    /// ```
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> std::io::Result<()> {
    /// use policy_core::{Address, Resource};
    /// use std::net::SocketAddr;
    ///
    /// let address = Address::from(SocketAddr::from(([127, 0, 0, 1], 80)));
    /// let socket = Resource::socket_for(&address)?;
    /// event_loop.proactor()?.connect(&socket, address).await
    /// # }
    /// ```
    pub fn socket_for(address: &Address) -> io::Result<Self> {
        let domain = match address {
            Address::Inet(address) => Domain::for_address(*address),
            #[cfg(unix)]
            Address::Unix(_) => Domain::UNIX,
            // Its error says why not.
            Address::Unknown => address.to_system()?.domain(),
        };
        let socket = OwnedIo::from(Socket::new(domain, Type::STREAM, None)?);
        Ok(Self::new(Io::Io(Arc::new(socket)), Some(ResourceKind::Socket)))
    }

    /// Returns the kind of the resource; asks the system once.
    ///
    /// ```
    /// use policy_core::{Resource, ResourceKind};
    ///
    /// # #[cfg(unix)] {
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    /// assert_eq!(Resource::from(ours).kind(), ResourceKind::Socket);
    /// # }
    /// ```
    pub fn kind(&self) -> ResourceKind {
        *self.0.kind.get_or_init(|| self.0.io.find_kind())
    }

    /// Returns the descriptor; on Windows the socket, if it is one.
    ///
    /// ```
    /// use policy_core::Resource;
    ///
    /// let listener = Resource::from(std::net::TcpListener::bind("127.0.0.1:0")?);
    /// assert!(listener.io().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn io(&self) -> Option<&Arc<OwnedIo>> {
        match &self.0.io {
            Io::Io(io) => Some(io),
            #[cfg(windows)]
            Io::Handle(_) => None,
        }
    }

    /// Returns the handle, if it is not a socket.
    #[cfg(windows)]
    pub fn handle(&self) -> Option<&Arc<OwnedHandle>> {
        match &self.0.io {
            Io::Io(_) => None,
            Io::Handle(handle) => Some(handle),
        }
    }

    /// Returns what the loop keeps with the resource, created by `make` the first time: its
    /// registration with a reactor, or with a completion port. It is dropped with the resource, or
    /// when the loop has gone and another one calls this.
    ///
    /// # Errors
    /// Returns the error of `make`, which is called again the next time.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState, Resource};
    /// use std::net::TcpListener;
    ///
    /// let listener = Resource::from(TcpListener::bind("127.0.0.1:0")?);
    /// let state = LoopState::new("my-executor", LoopKind::Proactor);
    /// let first = listener.attached(&state, || Ok::<_, ()>(1)).unwrap();
    /// let again = listener.attached(&state, || Ok::<_, ()>(2)).unwrap();
    /// assert_eq!((*first, *again), (1, 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn attached<T: Any + Send + Sync, E>(
        &self,
        event_loop: &LoopState,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(part) = self.find_attached(event_loop.id()) {
            return Ok(part);
        }
        // Outside the lock: it may take a while. Who comes second uses the first's.
        let part = Arc::new(make()?);
        let gone: Vec<Attachment> = {
            let mut attached = self.0.attached.lock();
            if let Some(first) = find(&attached, event_loop.id()) {
                drop(attached);
                return Ok(first);
            }
            let (alive, gone) = std::mem::take(&mut *attached)
                .into_iter()
                .partition(|part| part.alive.strong_count() > 0);
            *attached = alive;
            let alive = event_loop.alive();
            attached.push(Attachment { owner: event_loop.id(), alive, part: part.clone() });
            gone
        };
        drop(gone);
        Ok(part)
    }

    /// Returns true if the system completes operations on it without holding up whoever
    /// submits them.
    ///
    /// io_uring tries first, in the submitter's thread, and a terminal waits there: it
    /// looks at the mode of the open file, not of the call.
    #[cfg(unix)]
    pub(crate) fn suits_completion(&self) -> bool {
        self.kind() != ResourceKind::Stream || os::sort(self.as_fd()) == os::Sort::Pipe
    }

    /// As above. A completion port takes handles that were opened for it, which std opens
    /// sockets for and nothing else; and what it says of a datagram that was longer than
    /// the buffer is not what a receiver should hear.
    #[cfg(windows)]
    pub(crate) fn suits_completion(&self) -> bool {
        self.io().is_some_and(|io| SockRef::from(&**io).r#type().is_ok_and(|t| t == Type::STREAM))
    }

    fn find_attached<T: Any + Send + Sync>(&self, owner: LoopId) -> Option<Arc<T>> {
        find(&self.0.attached.lock(), owner)
    }

    /// Shuts down one direction of a connected socket, or both: the peer reads an end.
    ///
    /// # Errors
    /// Returns the error of the system: not a socket, not connected.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use policy_core::Resource;
    /// use std::io::Read;
    /// use std::net::Shutdown;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (ours, mut theirs) = UnixStream::pair().unwrap();
    /// Resource::from(ours).shutdown(Shutdown::Write).unwrap();
    /// assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.0.io {
            Io::Io(io) => SockRef::from(&**io).shutdown(how),
            #[cfg(windows)]
            Io::Handle(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Returns the descriptor (on Windows the socket), if no clone and no operation uses it. Drops
    /// what loops keep with it.
    ///
    /// # Errors
    /// Returns the resource itself if a clone or an operation uses it.
    ///
    /// ```
    /// use policy_core::Resource;
    /// use std::net::TcpListener;
    ///
    /// let resource = Resource::from(TcpListener::bind("127.0.0.1:0")?);
    /// let listener = TcpListener::from(resource.try_into_io().unwrap());
    /// assert!(listener.local_addr().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_into_io(self) -> Result<OwnedIo, Self> {
        let Inner { io, kind, attached } = match Arc::try_unwrap(self.0) {
            Ok(inner) => inner,
            Err(shared) => return Err(Self(shared)),
        };
        // First: a registration holds the descriptor.
        drop(attached);
        match io {
            Io::Io(io) => {
                Arc::try_unwrap(io).map_err(|io| Self::new(Io::Io(io), kind.get().copied()))
            }
            #[cfg(windows)]
            io @ Io::Handle(_) => Err(Self::new(io, kind.get().copied())),
        }
    }

    fn new(io: Io, kind: Option<ResourceKind>) -> Self {
        let known = OnceLock::new();
        if let Some(kind) = kind {
            let _new = known.set(kind);
        }
        Self(Arc::new(Inner { io, kind: known, attached: Mutex::default() }))
    }
}

/// What a loop has of this type: its selector and its proactor have one each.
fn find<T: Any + Send + Sync>(attached: &[Attachment], owner: LoopId) -> Option<Arc<T>> {
    let mut of_loop = attached.iter().filter(|known| known.owner == owner);
    of_loop.find_map(|known| known.part.clone().downcast().ok())
}

impl Io {
    #[cfg(unix)]
    fn find_kind(&self) -> ResourceKind {
        let Self::Io(io) = self;
        match os::sort(io.as_fd()) {
            os::Sort::Socket => ResourceKind::Socket,
            os::Sort::File => ResourceKind::File,
            os::Sort::Pipe | os::Sort::Other => ResourceKind::Stream,
        }
    }

    #[cfg(windows)]
    fn find_kind(&self) -> ResourceKind {
        match self {
            Self::Io(_) => ResourceKind::Socket,
            // Handles are read and written in blocking jobs, whatever they are.
            Self::Handle(_) => ResourceKind::File,
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resource").field(&self.0.io).finish()
    }
}

#[cfg(unix)]
impl AsFd for Resource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let Io::Io(io) = &self.0.io;
        io.as_fd()
    }
}

#[cfg(unix)]
impl AsRawFd for Resource {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

macro_rules! from_sockets {
    ($($socket:ty),*) => {
        $(impl From<$socket> for Resource {
            fn from(socket: $socket) -> Self {
                Self::new(Io::Io(Arc::new(OwnedIo::from(socket))), Some(ResourceKind::Socket))
            }
        })*
    };
}

from_sockets!(TcpStream, TcpListener, UdpSocket);
#[cfg(unix)]
from_sockets!(UnixStream, UnixListener, UnixDatagram);
#[cfg(windows)]
from_sockets!(OwnedSocket);

#[cfg(unix)]
impl From<OwnedFd> for Resource {
    fn from(fd: OwnedFd) -> Self {
        Self::from(Arc::new(fd))
    }
}

impl From<Arc<OwnedIo>> for Resource {
    fn from(io: Arc<OwnedIo>) -> Self {
        Self::new(Io::Io(io), None)
    }
}

impl From<File> for Resource {
    fn from(file: File) -> Self {
        #[cfg(unix)]
        return Self::from(OwnedFd::from(file));
        #[cfg(windows)]
        return Self::from(OwnedHandle::from(file));
    }
}

#[cfg(windows)]
impl From<OwnedHandle> for Resource {
    fn from(handle: OwnedHandle) -> Self {
        Self::new(Io::Handle(Arc::new(handle)), None)
    }
}
