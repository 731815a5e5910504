fn main() {
    policy::run(async {
        let local = String::from("borrowed");
        policy::spawn(async { local.len() }).await.unwrap();
    });
}
