#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

struct Server;

impl Server {
    #[policy::main(crate = policy)]
    async fn serve(&mut self, port: u16) {
        let _ = (self, port);
    }
}

fn main() {}
