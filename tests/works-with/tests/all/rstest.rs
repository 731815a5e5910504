//! rstest: cases and fixtures of asynchronous tests.

use std::time::Duration;

use ::rstest::{fixture, rstest};

#[fixture]
async fn listener() -> policy::net::TcpListener {
    policy::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[rstest]
#[case::nothing(0)]
#[case::a_moment(2)]
#[policy::test]
async fn a_sleep_takes_what_it_is_given(#[case] millis: u64) {
    let began = std::time::Instant::now();
    policy::time::sleep(Duration::from_millis(millis)).await;
    assert!(began.elapsed() >= Duration::from_millis(millis));
}

#[rstest]
#[policy::test(all)]
async fn a_fixture_is_made_inside_the_loop(#[future(awt)] listener: policy::net::TcpListener) {
    let address = listener.local_addr().unwrap();
    let client = policy::spawn(policy::net::TcpStream::connect(address));
    listener.accept().await.unwrap();
    client.await.unwrap().unwrap();
}
