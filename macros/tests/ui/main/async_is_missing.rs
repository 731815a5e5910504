#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
fn main() -> Result<(), std::io::Error> {
    std::future::ready(()).await;
    Ok(())
}
