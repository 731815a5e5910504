//! What the modules share.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::net::TcpListener;
use policy::task::{AbortOnDrop, JoinHandle};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Longer than anything here takes on a loaded machine: a guard against hanging.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Runs a story on each loop that there is.
pub(crate) fn on_every_loop<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        println!("on {name}");
        let policy = policy::from_name(name).unwrap();
        policy::Runner::with_policy(policy)
            .run(async { policy::time::timeout(LONG, story()).await.expect("it does not hang") })
            .unwrap();
    }
}

/// A listener, and where it listens.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that ends with the story.
pub(crate) fn serving(task: JoinHandle<()>) -> AbortOnDrop<()> {
    AbortOnDrop::new(task)
}

/// Of a server that is called "localhost".
pub(crate) fn tls_server() -> Arc<ServerConfig> {
    let chain =
        vec![CertificateDer::from_pem_slice(include_bytes!("certificate/server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certificate/server.key")).unwrap();
    Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

/// Of a client that trusts nobody but the tests' authority.
pub(crate) fn tls_client() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = include_bytes!("certificate/authority.pem");
    roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
