//! The program `http_server`, with clients that its users have: curl, wrk, slow ones, many.
#![cfg(all(unix, feature = "default-loop", feature = "hyper"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::ignored::is_ignored;
use support::{LONG, Ran, eventually, folder, signal};

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| support::example("http_server"))
}

/// A server that runs.
struct Server {
    child: Option<Child>,
    address: String,
}

impl Server {
    /// Nobody is too slow for it.
    fn on(event_loop: &str) -> Self {
        Self::start(Command::new(program()).args(["--loop", event_loop]).args(PATIENT))
    }

    fn start(command: &mut Command) -> Self {
        command.args(["--addr", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (send, said) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _read = out.read_line(&mut line);
            send.send(line)
        });
        let mut server = Self { child: Some(child), address: String::new() };
        let line = said.recv_timeout(LONG).expect("it says where it listens");
        let address = line.trim_end().strip_prefix("listening at http://");
        server.address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Connects as another peer.
    fn connect_from(&self, address: &str) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&std::net::SocketAddr::new(address.parse().unwrap(), 0).into()).unwrap();
        let server: std::net::SocketAddr = self.address.parse().unwrap();
        socket.connect(&server.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    fn interrupt(&self) {
        signal(self.child.as_ref().unwrap().id(), "INT");
    }

    /// Waits for its end.
    fn ended(mut self) -> Ran {
        Ran::wait(self.child.take().unwrap())
    }

    /// Checks that Ctrl-C ends it, and that it had nothing to complain of.
    #[track_caller]
    fn stop(self) {
        self.interrupt();
        assert_eq!(self.ended().printed(), "");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// More time than a loaded machine needs, and more connections than a test makes.
const PATIENT: [&str; 12] = [
    "--upload-timeout",
    "600",
    "--header-timeout",
    "600",
    "--body-timeout",
    "600",
    "--answer-timeout",
    "600",
    "--max-connections",
    "2000",
    "--grace",
    "600",
];

/// For what mostly waits: a server on each loop, all at the same time.
fn on_each_loop_at_once(story: impl Fn(&str) + Sync) {
    let names = policy::policy_names();
    thread::scope(|scope| {
        let stories: Vec<_> =
            names.iter().map(|name| (name, scope.spawn(|| story(name)))).collect();
        for (name, story) in stories {
            assert!(story.join().is_ok(), "on {name}");
        }
    });
}

/// Returns true if a client is installed, and says so if it is not.
fn there_is(client: &str) -> bool {
    let found = Command::new(client).arg("--version").output().is_ok();
    if !found {
        println!("skipped: there is no {client} here; `.ci/run tools` installs it");
    }
    found
}

/// Runs curl, and returns what it printed.
#[track_caller]
fn curl<'a>(args: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let ran = Ran::of(Command::new("curl").args(["-sS", "--noproxy", "*"]).args(args));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    ran.out
}

#[track_caller]
fn curl_text<'a>(args: impl IntoIterator<Item = &'a str>) -> String {
    String::from_utf8(curl(args)).unwrap().replace('\r', "")
}

/// Sends a request for `/` on a connection that stays.
fn ask(mut stream: &TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
}

/// Reads one answer to that, and nothing after it.
#[track_caller]
fn read_hello(stream: &TcpStream) {
    let (head, body) = read_answer(stream);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, b"hello\n");
}

/// Reads the head of an answer, and as many bytes as that says.
#[track_caller]
fn read_answer(mut stream: &TcpStream) -> (String, Vec<u8>) {
    let head = read_head(stream);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

#[track_caller]
fn read_head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// The rest of what a peer sends before it closes.
#[track_caller]
fn read_rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        // It closed while it had unread bytes of ours: as good an end.
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => rest,
    }
}

#[test]
fn curl_gets_what_it_asks_for_on_every_loop() {
    if !there_is("curl") {
        return;
    }
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let (hello, missing) = (server.url("/"), server.url("/nothing"));
        assert_eq!(curl_text([hello.as_str()]), "hello\n");
        let head = curl_text(["-I", &hello]);
        assert!(head.starts_with("HTTP/1.1 200 OK\n"), "{head}");
        assert!(head.contains("content-length: 6\n") && head.ends_with("\n\n"), "{head}");
        assert_eq!(curl_text(["-w", "%{http_code}", &missing]), "404 Not Found\n404");
        let refused = curl_text(["-i", "-X", "DELETE", &hello]);
        assert!(
            refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET"),
            "{refused}"
        );
        // It closes where the protocol has no other way to say that all was sent.
        assert_eq!(curl_text(["-0", &hello]), "hello\n");
        // The loop says its own name: there is no other below.
        let expected = if name == "default" { "selector" } else { name };
        let said = curl_text([server.url("/loop").as_str()]);
        assert!(expected.starts_with(said.trim_end()), "{said} on {name}");
        server.stop();
    }
}

#[test]
fn curl_asks_many_times_on_one_connection() {
    if !there_is("curl") {
        return;
    }
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let url = server.url("/");
        let mut args = vec!["-w", "%{num_connects}\n"];
        args.extend([url.as_str(); 20]);
        let expected = format!("hello\n1\n{}", "hello\n0\n".repeat(19));
        assert_eq!(curl_text(args), expected);
        server.stop();
    }
}

#[test]
fn curl_sends_and_gets_large_bodies() {
    if !there_is("curl") {
        return;
    }
    const SIZE: usize = 8 << 20;
    let sent = folder(&format!("large-{}", std::process::id())).join("sent");
    // No piece is like another.
    let bytes: Vec<u8> = (0..SIZE as u32 / 4).flat_map(u32::to_le_bytes).collect();
    fs::write(&sent, &bytes).unwrap();
    let data = format!("@{}", sent.display());
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let (echo, zeros) = (server.url("/echo"), server.url(&format!("/bytes/{SIZE}")));
        for how in [["-H", "expect: 100-continue"], ["-H", "transfer-encoding: chunked"]] {
            let args = how.into_iter().chain(["--data-binary", &data, &echo]);
            assert!(curl(args) == bytes, "{how:?} on {name}");
        }
        assert!(curl([zeros.as_str()]) == vec![0; SIZE], "on {name}");
        server.stop();
    }
    fs::remove_file(sent).unwrap();
}

#[test]
fn wrk_sees_no_error() {
    if !there_is("wrk") {
        return;
    }
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let url = server.url("/");
        let wrk = || {
            let args = ["-t", "1", "-c", "50", "-d", "1s", "--timeout", "600s"];
            let ran = Ran::of(Command::new("wrk").args(args).arg(&url));
            let said = ran.code(0);
            assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
            !said.contains("\n  0 requests in")
        };
        // A second may be nothing on a loaded machine.
        eventually("it answers", wrk);
        server.interrupt();
        // wrk goes in the middle of answers, and that is told.
        server.ended().code(0);
    }
}

#[test]
fn a_client_that_sends_byte_by_byte_is_answered() {
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let mut slow = server.connect();
        slow.set_nodelay(true).unwrap();
        for byte in b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\nhello" {
            slow.write_all(&[*byte]).unwrap();
            // As a slow client does; whether they arrive apart is not relied upon.
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(read_answer(&slow).1, b"hello");
        drop(slow);
        server.stop();
    }
}

#[test]
fn a_client_that_never_ends_its_head_is_let_go_and_others_are_served() {
    on_each_loop_at_once(|name| {
        let mut command = Command::new(program());
        command.args(["--loop", name, "--header-timeout", "1", "--grace", "600"]);
        let server = Server::start(&mut command);
        let slow: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for mut slow in &slow {
            slow.write_all(b"GET / HTTP/1.1\r\nx-slow: ").unwrap();
        }
        // That one says nothing at all.
        let silent = server.connect();
        eventually("others are served", || {
            let mut other = server.connect();
            let asked = other.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
            asked.is_ok() && read_rest(&other).ends_with(b"\r\n\r\nhello\n")
        });
        for stream in slow.iter().chain([&silent]) {
            let rest = read_rest(stream);
            assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
        }
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert!(ran.err.lines().count() >= 20 && ran.err.contains("timeout"), "{}", ran.err);
    });
}

// They were kept, 20 of 20, for ever.
#[test]
fn clients_that_never_end_their_body_are_let_go_and_others_are_served() {
    on_each_loop_at_once(|name| {
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--body-timeout", "1"]);
        let server = Server::start(&mut command);
        let mut stalled: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for stalled in &mut stalled {
            begin_echo(stalled);
        }
        let others = server.connect();
        ask(&others);
        read_hello(&others);
        stalled.iter().for_each(|stalled| assert_eq!(read_rest(stalled), b""));
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert_eq!(ran.err.matches("comes too slowly").count(), 20, "{}", ran.err);
    });
}

#[test]
fn a_client_that_keeps_a_time_out_by_single_bytes_is_let_go() {
    on_each_loop_at_once(|name| {
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--body-timeout", "1"]);
        let server = Server::start(&mut command);
        let mut slow = server.connect();
        slow.write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 100000\r\n\r\n")
            .unwrap();
        let mut sent = 0;
        // Ten a second, as a hostile client does; a KiB would take a minute and more.
        while slow.write_all(b"x").is_ok() {
            sent += 1;
            assert!(sent < 600, "it is still served after a minute");
            thread::sleep(Duration::from_millis(100));
        }
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert!(ran.err.contains("comes too slowly"), "{}", ran.err);
    });
}

// At a KiB in ten seconds 16 MiB took almost two days.
#[test]
fn a_client_whose_body_takes_too_long_is_let_go_however_steadily_it_comes() {
    on_each_loop_at_once(|name| {
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--upload-timeout", "1"]);
        let server = Server::start(&mut command);
        let mut steady = server.connect();
        steady
            .write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 10000000\r\n\r\n")
            .unwrap();
        let mut sent = 0;
        // What it sends fits into the buffers of the system when it comes back, too.
        while steady.write_all(&[b'x'; 2000]).is_ok() {
            sent += 1;
            assert!(sent < 1200, "it is still served after a minute");
            thread::sleep(Duration::from_millis(50));
        }
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert!(ran.err.contains("takes too long; raise `Limits::body_total`"), "{}", ran.err);
    });
}

// One that was slow within all limits had all places, for days.
#[test]
fn a_peer_that_is_busy_with_all_its_connections_keeps_no_other_out() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--max-connections", "10"]);
        let server = Server::start(&mut command);
        // Half of all, each in the middle of a request; the rest is refused.
        let mut busy: Vec<_> = (0..5).map(|_| server.connect()).collect();
        busy.iter_mut().for_each(begin_echo);
        for _ in 0..20 {
            assert_eq!(read_rest(&server.connect()), b"");
        }
        let honest = server.connect_from("127.0.0.2");
        ask(&honest);
        read_hello(&honest);
        // What has begun goes on, and who ends makes room.
        for busy in &mut busy {
            busy.write_all(b"lo").unwrap();
            let mut rest = [0; 2];
            busy.read_exact(&mut rest).unwrap();
            assert_eq!(&rest, b"lo");
        }
        eventually("there is room again", || {
            let mut again = server.connect();
            let asked = again.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
            asked.is_ok() && read_rest(&again).ends_with(b"\r\n\r\nhello\n")
        });
        drop((busy, honest));
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        let told = ran.err.matches("raise `Limits::connections_per_peer`").count();
        assert!(told >= 20, "{}", ran.err);
    }
}

#[test]
fn a_client_that_does_not_take_its_answer_is_let_go() {
    on_each_loop_at_once(|name| {
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--answer-timeout", "1"]);
        let server = Server::start(&mut command);
        let mut full = server.connect();
        full.write_all(b"GET /bytes/10000000000 HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
        assert!(read_head(&full).starts_with("HTTP/1.1 200 OK"));
        // It waits for what has begun, ten minutes if need be: that ends by itself.
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert!(ran.err.contains("takes the answer too slowly"), "{}", ran.err);
    });
}

#[test]
fn a_head_and_a_body_that_do_not_end_are_refused() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--max-body", "100000"]);
        let server = Server::start(&mut command);
        let mut head = server.connect();
        head.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
        let mut sent = 0;
        while head.write_all(&[b'x'; 1024]).is_ok() {
            sent += 1;
            assert!(sent < 100_000, "it takes 100 MB of a head");
        }
        for (how, body) in
            [("content-length: 100001", "x"), ("transfer-encoding: chunked", "fffff\r\n")]
        {
            let mut large = server.connect();
            let request = format!("POST /echo HTTP/1.1\r\nhost: here\r\n{how}\r\n\r\n{body}");
            large.write_all(request.as_bytes()).unwrap();
            // It may be closed before all is written.
            let _some = large.write_all(&[b'x'; 150_000]);
            read_rest(&large);
        }
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert!(ran.err.contains("message head is too large"), "{}", ran.err);
        assert_eq!(ran.err.matches("body of the request is too large").count(), 2, "{}", ran.err);
    }
}

// Who said nothing had a place until its time was over, and others waited for that.
#[test]
fn ten_thousand_clients_that_say_nothing_keep_no_honest_one_out() {
    let limit = getrlimit(Resource::Nofile);
    let room = limit.maximum.map_or(12_000, |most| most.min(12_000));
    setrlimit(Resource::Nofile, Rlimit { current: Some(room), ..limit }).unwrap();
    let many = (room as usize).saturating_sub(2000).min(10_000);
    for name in policy::policy_names() {
        // All of them on one loop, and some on each.
        let many = if name == "default" { many } else { many.min(1000) };
        println!("{many} on {name}");
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--max-connections", "50"]);
        let server = Server::start(&mut command);
        let mut silent = Vec::new();
        for at in 0..many {
            let mut one = server.connect();
            // Half of them begin a request.
            if at % 2 == 0 {
                one.write_all(b"GET / HTTP/1.1\r\nx-slow: ").unwrap();
            }
            silent.push(one);
            if at % 200 == 199 {
                let honest = server.connect();
                ask(&honest);
                read_hello(&honest);
            }
        }
        // What is being answered is kept, whoever comes.
        let mut busy = server.connect();
        begin_echo(&mut busy);
        let more: Vec<_> = (0..200).map(|_| server.connect()).collect();
        let honest = server.connect();
        ask(&honest);
        read_hello(&honest);
        busy.write_all(b"lo").unwrap();
        let mut rest = [0; 2];
        busy.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"lo");
        drop((silent, more, busy, honest));
        server.interrupt();
        server.ended().code(0);
    }
}

// It waited until the other had nothing to say for its time.
#[test]
fn whoever_needs_a_place_gets_it_as_soon_as_a_request_is_answered() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut command = Command::new(program());
        command.args(["--loop", name]).args(PATIENT).args(["--max-connections", "1"]);
        let server = Server::start(&mut command);
        let mut first = server.connect();
        begin_echo(&mut first);
        let second = server.connect();
        ask(&second);
        first.write_all(b"lo").unwrap();
        let mut rest = [0; 2];
        first.read_exact(&mut rest).unwrap();
        read_hello(&second);
        // And the other has gone.
        assert_eq!(read_rest(&first), b"");
        drop((first, second));
        server.interrupt();
        server.ended().code(0);
    }
}

#[test]
fn a_thousand_connections_at_once_are_all_served_and_kept() {
    // The server inherits that.
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < 4096) {
        println!("skipped: 4096 descriptors can't be had; raise `ulimit -Hn`");
        return;
    }
    let raised = limit.current.map_or(limit.current, |now| Some(now.max(4096)));
    setrlimit(Resource::Nofile, Rlimit { current: raised, ..limit }).unwrap();
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let clients: Vec<_> = (0..1000).map(|_| server.connect()).collect();
        for _round in 0..3 {
            clients.iter().for_each(ask);
            clients.iter().for_each(read_hello);
        }
        drop(clients);
        server.stop();
    }
}

#[test]
fn ctrl_c_lets_requests_end_and_closes_what_is_idle() {
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let (idle, mut busy) = (server.connect(), server.connect());
        ask(&idle);
        read_hello(&idle);
        begin_echo(&mut busy);
        server.interrupt();
        assert_eq!(read_rest(&idle), b"");
        assert!(TcpStream::connect(&server.address).is_err(), "it listens no more");
        busy.write_all(b"lo").unwrap();
        assert_eq!(read_rest(&busy), b"lo");
        assert_eq!(server.ended().printed(), "");
    }
}

#[test]
fn a_second_ctrl_c_waits_for_nobody() {
    if is_ignored("INT") {
        return;
    }
    for name in policy::policy_names() {
        println!("on {name}");
        let server = Server::on(name);
        let (idle, mut busy) = (server.connect(), server.connect());
        ask(&idle);
        read_hello(&idle);
        begin_echo(&mut busy);
        server.interrupt();
        assert_eq!(read_rest(&idle), b"");
        server.interrupt();
        assert_eq!(read_rest(&busy), b"");
        // As a shell says of a program that SIGINT ended.
        assert_eq!(server.ended().code(130), "");
    }
}

/// Sends the first half of a request, and reads as much of the answer.
#[track_caller]
fn begin_echo(busy: &mut TcpStream) {
    busy.write_all(b"POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\nhel").unwrap();
    let head = read_head(busy);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let mut begun = [0; 3];
    busy.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"hel");
}

#[test]
fn requests_that_do_not_end_are_cut_off_after_the_grace() {
    let mut command = Command::new(program());
    let server = Server::start(command.args(["--header-timeout", "600", "--grace", "0.1"]));
    let mut busy = server.connect();
    begin_echo(&mut busy);
    server.interrupt();
    assert_eq!(read_rest(&busy), b"");
    let ran = server.ended();
    assert_eq!(ran.code(0), "");
    assert_eq!(ran.err, "http_server: 1 connections are cut off\n");
}

#[test]
fn the_server_survives_the_limit_of_descriptors() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(program());
        let server = Server::start(limited.args(["--loop", name]).args(PATIENT));
        // One that is served before, and goes on to be.
        let first = server.connect();
        ask(&first);
        read_hello(&first);
        // Their requests wait in the queue of the listener.
        let mut many: Vec<_> = (0..100).map(|_| server.connect()).collect();
        many.iter().for_each(ask);
        many[..20].iter().for_each(read_hello);
        ask(&first);
        read_hello(&first);
        // Who goes makes room for the next.
        for stream in many.drain(..20) {
            drop(stream);
        }
        while !many.is_empty() {
            read_hello(&many.remove(0));
        }
        server.interrupt();
        let ran = server.ended();
        ran.code(0);
        assert!(ran.err.contains("can't accept a connection"), "{}", ran.err);
    }
}

#[test]
fn what_can_not_be_served_is_said_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, said) in [
        (["--addr", address.as_str()], "can't listen at 127.0.0.1"),
        (["--loop", "twisted"], "\"twisted\""),
    ] {
        let ran = Ran::of(Command::new(program()).args(args).stdin(Stdio::null()));
        assert_eq!(ran.code(2), "");
        assert!(ran.err.starts_with("http_server: ") && ran.err.contains(said), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    for args in [["--header-timeout", "0"], ["--grace", "soon"], ["--addr", "here"]] {
        assert_eq!(Ran::of(Command::new(program()).args(args)).code(2), "");
    }
}
