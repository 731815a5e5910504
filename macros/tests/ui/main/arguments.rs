#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::main(crate = policy)]
async fn main(arguments: Vec<String>) {
    println!("{}", arguments.len());
}

#[policy::main(crate = policy)]
async fn several(_: u8, count: usize) -> usize {
    count
}
