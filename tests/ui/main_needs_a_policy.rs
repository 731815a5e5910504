#[policy::main(policy = "tokio")]
async fn main() {}
