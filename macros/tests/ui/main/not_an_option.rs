#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main("tokio")]
async fn main() {}

#[policy::main(crate = policy, name = "tokio" env = "EVENT_LOOP_POLICY")]
async fn second() {}
