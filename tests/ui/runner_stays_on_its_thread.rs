fn main() {
    let mut runner = policy::Runner::new();
    std::thread::spawn(move || runner.run(async {}));
}
