//! tokio-rustls: on streams with tokio's traits (feature `tokio-io`).

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio_rustls::{TlsAcceptor, TlsConnector};
use policy::net::TcpStream;

use crate::support::{listener, on_every_loop, serving, tls_client, tls_server};

#[test]
fn what_is_sent_arrives_through_tls() {
    on_every_loop(|| async {
        let (listener, address) = listener().await;
        let acceptor = TlsAcceptor::from(tls_server());
        let _server = serving(policy::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut text = [0; 5];
            stream.read_exact(&mut text).await.unwrap();
            stream.write_all(&text.repeat(100_000)).await.unwrap();
            stream.shutdown().await.unwrap();
        }));

        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(tls_client());
        let name = "localhost".try_into().unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.flush().await.unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.unwrap();
        assert_eq!(text, b"hello".repeat(100_000));
    });
}
