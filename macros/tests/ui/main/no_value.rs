#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy, policy)]
async fn main() {}

#[policy::main(name =, env, crate = policy)]
async fn second() {}

#[policy::main(policy("smol"), crate = policy)]
async fn third() {}
