//! axum 0.8.

use ::axum::Router;
use ::axum::extract::Path;
use ::axum::routing::get;
use hyper_util::service::TowerToHyperService;
use policy::compat::with_tokio;
use policy::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::{listener, on_every_loop};

fn router() -> Router {
    Router::new().route("/hello/{name}", get(greet))
}

async fn greet(Path(name): Path<String>) -> String {
    // A handler is a task of the loop, with all that belongs to it.
    let greeting = policy::spawn(async move { format!("hello, {name}") });
    policy::time::sleep(std::time::Duration::from_millis(1)).await;
    greeting.await.unwrap()
}

/// What a client gets.
async fn got(address: SocketAddr, path: &str) -> String {
    use policy::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

#[test]
fn our_server_serves_a_router() {
    on_every_loop(|| async {
        let (listener, address) = listener().await;
        let (end, ended) = ::async_channel::bounded::<()>(1);
        let server = policy::spawn(async move {
            let service = TowerToHyperService::new(router());
            policy::hyper::serve(listener, service).until(async move { ended.recv().await }).await
        });
        assert_eq!(got(address, "/hello/you").await, "hello, you");
        drop(end);
        assert_eq!(server.await.unwrap().unwrap().cut_off, 0);
    });
}

#[test]
fn our_server_answers_what_was_asked_before_its_end() {
    on_every_loop(|| async {
        let (listener, address) = listener().await;
        let (end, ended) = ::async_channel::bounded::<()>(1);
        // The server ends while the handler runs, and the handler waits for that.
        let (accepting, accepts) = ::async_channel::bounded::<()>(1);
        let handler = move || async move {
            end.close();
            accepts.recv().await.unwrap_err();
            "at last"
        };
        let service = TowerToHyperService::new(Router::new().route("/slow", get(handler)));
        let server = policy::spawn(async move {
            let until = async move {
                let _over = ended.recv().await;
                drop(accepting);
            };
            policy::hyper::serve(listener, service).until(until).await
        });
        assert_eq!(got(address, "/slow").await, "at last");
        assert_eq!(server.await.unwrap().unwrap().cut_off, 0);
    });
}

/// axum's own server, on a listener of ours.
struct Listener(TcpListener);

impl ::axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                // Descriptors ran out: the listener pauses by itself.
                Err(error) => eprintln!("a connection can't be accepted: {error}"),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[test]
fn axums_server_takes_a_listener_of_ours() {
    on_every_loop(|| async {
        let (listener, address) = listener().await;
        let (end, ended) = ::async_channel::bounded::<()>(1);
        let server = policy::spawn(with_tokio(async move {
            ::axum::serve(Listener(listener), router())
                .with_graceful_shutdown(async move { assert!(ended.recv().await.is_err()) })
                .await
        }));
        assert_eq!(got(address, "/hello/you").await, "hello, you");
        drop(end);
        server.await.unwrap().unwrap();
    });
}
