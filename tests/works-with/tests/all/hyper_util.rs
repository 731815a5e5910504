//! hyper-util's client.

use ::hyper_util::client::legacy::Client;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use policy::hyper::{Connector, Executor, Timer};

use crate::support::{listener, on_every_loop, serving};

#[test]
fn its_client_connects_by_our_connector() {
    on_every_loop(|| async {
        let (listener, address) = listener().await;
        let service = hyper::service::service_fn(|request: hyper::Request<_>| async move {
            let _: &policy::hyper::Body = request.body();
            Ok::<_, std::convert::Infallible>(hyper::Response::new(request.uri().path().to_owned()))
        });
        let _server = serving(policy::spawn(async move {
            policy::hyper::serve(listener, service).await.unwrap();
        }));

        let client = Client::builder(Executor::new())
            .pool_timer(Timer::new())
            .build::<_, Empty<Bytes>>(Connector::new());
        for path in ["/one", "/two"] {
            let answer =
                client.get(format!("http://{address}{path}").parse().unwrap()).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, path);
        }
    });
}
