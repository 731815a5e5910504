#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy, policy = +)]
async fn main() {}

#[policy::main(crate = "policy")]
async fn second() {}

#[policy::main(crate = policy, policy = "tokio:multi_thread:4")]
async fn third() {}
