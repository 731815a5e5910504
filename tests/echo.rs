//! The example `echo`, on every loop, with clients that know nothing of it.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use support::{LONG, Ran, example, folder, signal};

struct Server {
    process: Child,
    tcp: String,
    udp: String,
}

impl Server {
    fn start(event_loop: &str, path: &Path) -> Self {
        let mut process = Command::new(example("echo"))
            .args(["--loop", event_loop, "--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--unix"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = |name: &str| {
            let line = lines.next().expect("it says where it listens").unwrap();
            line.strip_prefix(&format!("listening {name} ")).expect(&line).to_owned()
        };
        let (tcp, udp) = (line("tcp"), line("udp"));
        assert_eq!(line("unix"), path.to_str().unwrap());
        Self { process, tcp, udp }
    }

    /// Interrupts it, and checks that it ends well, without a word.
    fn stop(self) {
        signal(self.process.id(), "INT");
        Ran::wait(self.process).printed();
    }
}

/// Sends much and reads it back, both at once.
fn talk<S: Read + Write + Send + 'static>(stream: S, mut writer: S, end: fn(&S)) {
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let bytes = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        end(&writer);
    });
    let mut back = Vec::new();
    let mut reader = stream;
    reader.read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == sent, "{} of {} bytes, or others", back.len(), sent.len());
}

#[test]
fn it_gives_back_what_it_is_sent_on_every_loop() {
    let folder = folder("everywhere");
    for name in policy::policy_names() {
        println!("on {name}");
        let path = folder.join(name.replace(':', "-"));
        let server = Server::start(name, &path);

        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (address, path) = (server.tcp.clone(), path.clone());
                thread::spawn(move || {
                    let stream = TcpStream::connect(address).unwrap();
                    talk(stream.try_clone().unwrap(), stream, |s| {
                        s.shutdown(Shutdown::Write).unwrap();
                    });
                    let stream = UnixStream::connect(path).unwrap();
                    talk(stream.try_clone().unwrap(), stream, |s| {
                        s.shutdown(Shutdown::Write).unwrap();
                    });
                })
            })
            .collect();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        for n in 0..20_u8 {
            let datagram = vec![n; 1000];
            socket.send_to(&datagram, &server.udp).unwrap();
            let mut back = [0; 2000];
            let len = socket.recv(&mut back).unwrap();
            assert!(back[..len] == datagram);
        }
        for client in clients {
            client.join().unwrap();
        }
        server.stop();
        assert!(!path.exists(), "its socket is removed");
    }
}

#[test]
fn who_is_connected_is_served_to_the_end() {
    let folder = folder("grace");
    let server = Server::start("default", &folder.join("socket"));
    let mut stream = TcpStream::connect(&server.tcp).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    signal(server.process.id(), "INT");
    // Refused once it has heard, and we are still served.
    let address = server.tcp.clone();
    support::eventually("it listens no more", || TcpStream::connect(&address).is_err());
    stream.write_all(b"still").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!((&back, &*rest), (b"hello", &b"still"[..]));
    Ran::wait(server.process).printed();
}

#[test]
fn what_is_wrong_is_told() {
    let echo = |args: &[&str]| Ran::of(Command::new(example("echo")).args(args));
    let ran = echo(&["--loud"]);
    assert!(ran.err.contains("--loud") && ran.err.contains("Usage"), "{}", ran.err);
    assert_eq!(ran.code, Some(2));
    assert_eq!(echo(&["--tcp"]).code, Some(2));
    assert_eq!(echo(&["--loop", "nonesuch"]).code, Some(2));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = echo(&["--tcp", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("in use"), "{}", ran.err);
}
