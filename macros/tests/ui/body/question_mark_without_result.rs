#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
async fn main() {
    let _: u8 = "3".parse()?;
}
