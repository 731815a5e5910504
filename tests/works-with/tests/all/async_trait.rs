//! async-trait.

use std::sync::Arc;

use crate::support::on_every_loop;

#[::async_trait::async_trait]
trait Store: Send + Sync {
    async fn load(&self, name: &str) -> std::io::Result<String>;
}

struct Folder;

#[::async_trait::async_trait]
impl Store for Folder {
    async fn load(&self, name: &str) -> std::io::Result<String> {
        policy::time::sleep(std::time::Duration::from_millis(1)).await;
        policy::fs::read_to_string(name).await
    }
}

#[test]
fn a_trait_object_is_called_in_a_task() {
    on_every_loop(|| async {
        let store: Arc<dyn Store> = Arc::new(Folder);
        let task = policy::spawn(async move { store.load("Cargo.toml").await });
        assert!(task.await.unwrap().unwrap().contains("works-with"));
    });
}
