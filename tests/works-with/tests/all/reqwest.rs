//! reqwest.

use policy::compat::with_tokio;

use crate::support::{listener, on_every_loop, serving};

async fn server() -> (policy::task::AbortOnDrop<()>, String) {
    let (listener, address) = listener().await;
    let service =
        hyper::service::service_fn(|request: hyper::Request<policy::hyper::Body>| async move {
            if request.uri().path() == "/never" {
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(hyper::Response::new(request.uri().path().to_owned()))
        });
    let server = serving(policy::spawn(async move {
        policy::hyper::serve(listener, service).await.unwrap();
    }));
    (server, format!("http://{address}"))
}

#[test]
fn it_makes_requests_inside_the_bridge() {
    on_every_loop(|| async {
        let (_server, url) = server().await;
        let text = with_tokio(async { ::reqwest::get(format!("{url}/hello")).await?.text().await });
        assert_eq!(text.await.unwrap(), "/hello");
        // Its timeouts are tokio's.
        let client = ::reqwest::Client::builder().timeout(std::time::Duration::from_millis(20));
        let client = client.build().unwrap();
        let refused = with_tokio(async { client.get(format!("{url}/never")).send().await }).await;
        assert!(refused.unwrap_err().is_timeout());
    });
}

#[test]
fn tasks_that_are_spawned_inside_the_bridge_are_inside_it() {
    on_every_loop(|| async {
        let (_server, url) = server().await;
        with_tokio(async {
            let mut requests = policy::task::JoinSet::new();
            for number in 0..4 {
                let url = format!("{url}/{number}");
                requests.spawn(async move { ::reqwest::get(url).await?.text().await });
            }
            let mut texts = Vec::new();
            while let Some(text) = requests.join_next().await {
                texts.push(text.unwrap().unwrap());
            }
            texts.sort();
            assert_eq!(texts, ["/0", "/1", "/2", "/3"]);
        })
        .await;
    });
}
