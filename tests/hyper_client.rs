//! The connector for hyper-util's client, on every loop, with a server of ours.

#![cfg(all(feature = "default-loop", feature = "hyper-client"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod net_support;

use std::convert::Infallible;
use std::io;

use futures_lite::future;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use net_support::on_every_loop;
use policy::hyper::{Body, Connector, Executor, Timer};
use policy::net::{SocketAddr, TcpListener};
use policy::task::AbortOnDrop;
use policy::{ErrorKind, Runner};
use tower_service::Service;

type Requests = Client<Connector, Empty<Bytes>>;

fn client(connector: Connector) -> Requests {
    Client::builder(Executor::new()).pool_timer(Timer::new()).build(connector)
}

/// A server that answers with the peer that it sees and the path that was asked for.
async fn server(address: &str) -> io::Result<(AbortOnDrop<()>, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let service = service_fn(|request: Request<Body>| async move {
        let from = request.headers().get("host").unwrap().to_str().unwrap();
        Ok::<_, Infallible>(Response::new(format!("{from}{}", request.uri().path())))
    });
    let serving = policy::spawn(async move {
        policy::hyper::serve(listener, service).await.unwrap();
    });
    Ok((AbortOnDrop::new(serving), address))
}

async fn got(client: &Requests, uri: String) -> String {
    let answer = client.get(uri.parse().unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The error of a connect, below what the client says of it.
fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a io::Error {
    let mut cause = error;
    loop {
        if let Some(error) = cause.downcast_ref() {
            return error;
        }
        cause = cause.source().unwrap_or_else(|| panic!("no I/O error in {error}"));
    }
}

fn kind(error: &io::Error) -> ErrorKind {
    error.get_ref().unwrap().downcast_ref::<policy::Error>().unwrap().kind()
}

#[test]
fn requests_are_answered() {
    on_every_loop(|| async {
        let (_server, address) = server("127.0.0.1:0").await.unwrap();
        let client = client(Connector::new());
        for path in ["/one", "/two"] {
            let answer = got(&client, format!("http://{address}{path}")).await;
            assert_eq!(answer, format!("{address}{path}"));
        }
        // Many at once, and by name.
        let port = address.port();
        let mut requests = policy::task::JoinSet::new();
        for number in 0..8 {
            let client = client.clone();
            requests.spawn(async move {
                got(&client, format!("http://localhost:{port}/{number}")).await
            });
        }
        let mut answers: Vec<_> =
            requests.join_all().await.into_iter().map(|answer| answer.unwrap()).collect();
        answers.sort();
        let expected: Vec<_> = (0..8).map(|number| format!("localhost:{port}/{number}")).collect();
        assert_eq!(answers, expected);
    });
}

#[test]
fn an_address_of_ipv6_stands_in_brackets() {
    on_every_loop(|| async {
        match server("[::1]:0").await {
            Ok((_server, address)) => {
                let answer = got(&client(Connector::new()), format!("http://{address}/six")).await;
                assert_eq!(answer, format!("{address}/six"));
            }
            Err(error) => println!("skipped: this machine has no IPv6: {error}"),
        }
    });
}

#[test]
fn what_it_can_not_take_is_refused_before_anything_is_sent() {
    on_every_loop(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for uri in [format!("https://{address}/"), format!("ftp://{address}/"), "/path".to_owned()]
        {
            let refused = Connector::new().call(uri.parse().unwrap()).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{uri}");
            assert!(refused.to_string().contains("`Connector::enforce_http`"), "{refused}");
        }
        // As the client sees it.
        let uri = format!("https://{address}/").parse().unwrap();
        let refused = client(Connector::new()).get(uri).await.unwrap_err();
        assert!(refused.is_connect());
        assert_eq!(cause(&refused).kind(), io::ErrorKind::InvalidInput);
        assert!(future::poll_once(listener.accept()).await.is_none(), "a connection was made");

        // Below something that adds TLS it connects.
        let mut below_tls = Connector::new().enforce_http(false);
        let uri: Uri = format!("https://{address}/").parse().unwrap();
        let (connected, accepted) = future::zip(below_tls.call(uri), listener.accept()).await;
        assert_eq!(connected.unwrap().local_addr().unwrap(), accepted.unwrap().1);
        let uri = format!("ftp://{address}/").parse().unwrap();
        assert_eq!(below_tls.call(uri).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn small_writes_go_at_once_unless_it_is_told_otherwise() {
    on_every_loop(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let at_once = Connector::new().call(uri.clone()).await.unwrap();
        assert!(at_once.nodelay().unwrap());
        let collects = Connector::new().nodelay(false).call(uri).await.unwrap();
        assert!(!collects.nodelay().unwrap());
    });
}

#[test]
fn a_closed_port_is_an_error_that_names_it() {
    on_every_loop(|| async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = client(Connector::new()).get(format!("http://{free}/").parse().unwrap());
        let refused = refused.await.unwrap_err();
        assert!(refused.is_connect());
        let cause = cause(&refused);
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
        assert!(cause.to_string().contains(&free.to_string()), "{cause}");
    });
}

#[test]
fn a_request_that_is_given_up_takes_no_other_along() {
    on_every_loop(|| async {
        let (_server, address) = server("127.0.0.1:0").await.unwrap();
        let client = client(Connector::new());
        for _ in 0..3 {
            let given_up = client.get(format!("http://{address}/never").parse().unwrap());
            drop(future::poll_once(given_up).await);
            let answer = got(&client, format!("http://{address}/next")).await;
            assert_eq!(answer, format!("{address}/next"));
        }
    });
}

#[test]
fn a_connector_of_a_loop_connects_there_from_anywhere() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        let event_loop = runner.get_loop().unwrap();
        let mut connector = Connector::on(&event_loop);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let connect = connector.call(uri.clone());
        let (tell, told) = async_channel::bounded(1);
        let connected = runner.run(async {
            // A thread that the loop knows nothing of.
            std::thread::spawn(move || tell.try_send(future::block_on(connect)).unwrap());
            told.recv().await.unwrap()
        });
        match connected.unwrap() {
            Ok(stream) => drop(stream),
            // Its reactor is bound to the thread of the loop.
            Err(error) if name == "compio" => assert_eq!(kind(&error), ErrorKind::WrongThread),
            Err(error) => panic!("{error}"),
        }
        runner.close().unwrap();
        let late = future::block_on(connector.call(uri.clone())).unwrap_err();
        assert_eq!(kind(&late), ErrorKind::LoopClosed);
        // Without any loop.
        let nowhere = future::block_on(Connector::new().call(uri)).unwrap_err();
        assert_eq!(kind(&nowhere), ErrorKind::NoRunningLoop);
    }
}
