//! The table of clauses lists what there is, and says what the documentation says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use std::fs;
use std::path::Path;

/// The public functions of the rooms, in order, with their line `Proves:`.
fn documented(room: &str) -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room).with_extension("rs");
    let text = fs::read_to_string(file).expect("each room is a file");
    let mut proves = None;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("/// Proves: ") {
            proves = Some(line.replace('"', "'"));
        } else if let Some(line) = line.strip_prefix("pub fn ") {
            let name = line.split('(').next().unwrap();
            found.push((
                name.to_string(),
                proves.take().unwrap_or_else(|| panic!("{room}::{name} says not what it proves")),
            ));
        }
    }
    found
}

#[test]
fn each_clause_is_listed_once_as_it_is_documented() {
    let clauses = policy_conformance::clauses();
    let mut rooms: Vec<_> = clauses.iter().map(|clause| clause.room()).collect();
    rooms.dedup();
    for room in &rooms {
        let listed: Vec<_> = clauses
            .iter()
            .filter(|clause| clause.room() == *room)
            .map(|clause| (clause.name().to_string(), clause.proves().to_string()))
            .collect();
        assert_eq!(documented(room), listed, "room {room}");
    }
    println!("{} clauses in {} rooms", clauses.len(), rooms.len());
}

#[test]
fn each_file_of_clauses_is_a_room() {
    let listed: Vec<_> = policy_conformance::clauses().iter().map(|clause| clause.room()).collect();
    let parts = ["lib", "table", "clause", "report", "support"];
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        assert!(parts.contains(&&*name) || listed.contains(&&*name), "{name} is not in the table");
    }
}

#[test]
fn what_a_clause_proves_can_be_looked_up() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(project.join("docs/asyncio.md")).unwrap();
    for clause in policy_conformance::clauses() {
        for word in clause.proves().split(|c: char| !c.is_ascii_alphanumeric()) {
            let number = word.strip_prefix('B').unwrap_or_default();
            if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) {
                assert!(table.contains(&format!("| {word} |")), "{clause:?}");
            }
        }
        let notes = ["issue ", "decision ", "API.md", "FIELD.md", "STYLE.md", "HOUSE.md"];
        let private = notes.into_iter().find(|note| clause.proves().contains(note));
        assert_eq!(private, None, "{clause:?}");
    }
}
