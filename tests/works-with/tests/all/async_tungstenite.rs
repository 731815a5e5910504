//! async-tungstenite: on streams with futures-io's traits.

use ::async_tungstenite::tungstenite::Message;
use ::async_tungstenite::{accept_async, client_async};
use futures_lite::StreamExt;
use policy::net::TcpStream;

use crate::support::{listener, on_every_loop, serving};

#[test]
fn messages_go_both_ways() {
    on_every_loop(|| async {
        let (listener, address) = listener().await;
        let _server = serving(policy::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(stream).await.unwrap();
            while let Some(message) = socket.next().await {
                match message.unwrap() {
                    Message::Close(_) => break,
                    message => socket.send(message).await.unwrap(),
                }
            }
        }));

        let stream = TcpStream::connect(address).await.unwrap();
        let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await.unwrap();
        // More than fits into the buffers of a connection.
        let large = Message::binary(vec![7; 1 << 20]);
        for message in [Message::text("hello"), large] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
    });
}
