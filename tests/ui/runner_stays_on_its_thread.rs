fn sent_elsewhere<T: Send>(_: T) {}

fn main() {
    sent_elsewhere(policy::Runner::new());
}
