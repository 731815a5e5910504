#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy, flavor = "current_thread", worker_threads = 2)]
async fn main() {}

#[policy::main(start_paused, policies(a, b), crate = policy)]
async fn other() {}
