#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy, name = "tokio", name = "smol")]
async fn main() {}

#[policy::main(crate = policy, crate = policy)]
async fn other() {}
