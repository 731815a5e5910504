//! The connector for hyper-util's client.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use policy_core::EventLoop;
use tower_service::Service;

use crate::net::TcpStream;
#[cfg(unix)]
use crate::net::UnixStream;
use crate::{EventLoopExt, On};

/// Connects hyper-util's client over TCP: on the loop that runs where a request is made, or on a
/// given one.
///
/// A thread of the loop looks up names; if there are several addresses, it uses the first one that
/// answers, like [`TcpStream::connect`].
///
/// ```
/// use hyper_util::client::legacy::Client;
/// use policy::hyper::{Connector, Executor, Timer};
///
/// let client = Client::builder(Executor::new())
///     .pool_timer(Timer::new())
///     .build::<_, String>(Connector::new());
/// # drop(client);
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    on: Option<On>,
    enforce_http: bool,
    nodelay: bool,
}

impl Connector {
    /// Makes a connector that uses the loop that runs wherever it is called.
    ///
    /// ```
    /// use tower_service::Service;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let uri = format!("http://{}", listener.local_addr()?).parse()?;
    /// let connection = policy::run(policy::hyper::Connector::new().call(uri))?;
    /// # drop(connection);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { on: None, enforce_http: true, nodelay: true }
    }

    /// Makes a connector for this loop.
    ///
    /// ```
    /// let event_loop = policy::new_event_loop()?;
    /// let connector = policy::hyper::Connector::on(&event_loop);
    /// # drop(connector);
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn on(event_loop: &Arc<dyn EventLoop>) -> Self {
        Self { on: Some(event_loop.on()), ..Self::new() }
    }

    /// Sets whether to refuse URIs with another scheme than `http`; it does by default. A connector
    /// that adds TLS around this one needs `https`; without TLS such a request would be sent in the
    /// clear.
    ///
    /// ```
    /// use policy::hyper::Connector;
    /// use tower_service::Service;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let uri: hyper::Uri = format!("https://{}", listener.local_addr()?).parse()?;
    /// assert!(policy::run(Connector::new().call(uri.clone())).is_err());
    /// // It connects; TLS is for whoever is above.
    /// assert!(policy::run(Connector::new().enforce_http(false).call(uri)).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn enforce_http(mut self, enforce_http: bool) -> Self {
        self.enforce_http = enforce_http;
        self
    }

    /// Sets whether to send small writes at once (`TCP_NODELAY`); it does by default.
    ///
    /// ```
    /// use hyper_util::client::legacy::Client;
    /// use policy::hyper::{Connector, Executor};
    ///
    /// // For large uploads: fewer, fuller packets.
    /// let client = Client::builder(Executor::new()).build::<_, String>(Connector::new().nodelay(false));
    /// # drop(client);
    /// ```
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Returns the host and port that a URI means.
    fn target(&self, uri: &Uri) -> io::Result<(String, u16)> {
        let port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") if !self.enforce_http => 443,
            _ => {
                let wanted = if self.enforce_http { "http" } else { "http or https" };
                return Err(invalid(format!(
                    "can't connect to {uri}: this connector takes {wanted}; see `Connector::enforce_http`"
                )));
            }
        };
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return Err(invalid(format!("can't connect to {uri}: it names no host; add one")));
        };
        // An address of IPv6 stands in brackets there.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok((host.to_owned(), uri.port_u16().unwrap_or(port)))
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Uri> for Connector {
    type Response = TcpStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (target, on, nodelay) = (self.target(&uri), self.on.clone(), self.nodelay);
        Box::pin(async move {
            let target = target?;
            let stream = match on {
                Some(on) => on.connect_tcp(target).await?,
                None => TcpStream::connect(target).await?,
            };
            stream.set_nodelay(nodelay)?;
            Ok(stream)
        })
    }
}

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(unix)]
impl Connection for UnixStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
