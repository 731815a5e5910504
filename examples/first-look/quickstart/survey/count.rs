//! Counting lines, in blocking jobs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use policy::task::JoinSet;

use crate::Failure;

/// The lines of a folder, by language.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) by_language: BTreeMap<&'static str, Tally>,
    /// Files and folders that could not be read.
    pub(crate) unreadable: u64,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) lines: u64,
}

impl Count {
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.by_language.values().for_each(|tally| total.add(*tally));
        total
    }

    fn add(&mut self, other: Self) {
        for (language, tally) in other.by_language {
            self.by_language.entry(language).or_default().add(tally);
        }
        self.unreadable += other.unreadable;
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.lines += other.lines;
    }
}

/// Files per job: enough that handing a job over costs little beside it.
const BATCH: usize = 16;

/// Counts the lines of every source file in `folder`.
pub(crate) async fn lines_of(folder: PathBuf) -> Result<Count, Failure> {
    let search = policy::spawn_blocking(move || sources(&folder));
    let (sources, unreadable) = search.await.map_err(|error| error.to_string())??;
    let mut total = Count { unreadable, ..Count::default() };
    let mut jobs = JoinSet::new();
    for batch in sources.chunks(BATCH) {
        let batch = batch.to_vec();
        jobs.spawn_blocking(move || count(&batch));
    }
    while let Some(counted) = jobs.join_next().await {
        total.add(counted.map_err(|error| error.to_string())?);
    }
    Ok(total)
}

type Source = (&'static str, PathBuf);

/// Finds the source files of `folder`, and how many folders could not be read.
fn sources(folder: &Path) -> Result<(Vec<Source>, u64), Failure> {
    let first = fs::read_dir(folder).map_err(|error| {
        format!("can't read the folder {}: {error}; give one that exists", folder.display())
    })?;
    let (mut sources, mut unreadable) = (Vec::new(), 0);
    let mut folders = vec![first];
    while let Some(entries) = folders.pop() {
        for entry in entries {
            let Ok(entry) = entry else {
                unreadable += 1;
                continue;
            };
            // Symbolic links are not followed: a link to a folder may be a circle.
            match entry.file_type() {
                Ok(kind) if kind.is_file() => {
                    let path = entry.path();
                    sources.extend(language(&path).map(|language| (language, path)));
                }
                Ok(kind) if kind.is_dir() && is_worth(&entry.file_name()) => {
                    match fs::read_dir(entry.path()) {
                        Ok(entries) => folders.push(entries),
                        Err(_) => unreadable += 1,
                    }
                }
                Ok(_) => {}
                Err(_) => unreadable += 1,
            }
        }
    }
    Ok((sources, unreadable))
}

/// Returns false for folders with what others made.
fn is_worth(folder: &std::ffi::OsStr) -> bool {
    folder != ".git" && folder != "target" && folder != "node_modules"
}

fn language(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?;
    Some(match extension {
        "rs" => "Rust",
        "toml" => "TOML",
        "md" => "Markdown",
        "py" => "Python",
        "c" | "h" => "C",
        "cc" | "cpp" | "cxx" | "hh" | "hpp" => "C++",
        "sh" | "bash" => "Shell",
        "js" | "mjs" | "ts" => "JavaScript",
        "go" => "Go",
        "java" => "Java",
        "rb" => "Ruby",
        "html" | "css" => "Web",
        "json" | "yaml" | "yml" => "Data",
        _ => return None,
    })
}

fn count(batch: &[Source]) -> Count {
    let mut count = Count::default();
    let mut buffer = vec![0; 64 * 1024];
    for (language, path) in batch {
        match lines(path, &mut buffer) {
            Ok(lines) => {
                count.by_language.entry(language).or_default().add(Tally { files: 1, lines });
            }
            Err(_) => count.unreadable += 1,
        }
    }
    count
}

/// Counts newlines, and a last line that has none.
fn lines(path: &Path, buffer: &mut [u8]) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let read = match file.read(buffer) {
            Ok(0) => return Ok(lines + u64::from(last != b'\n')),
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        last = read.last().copied().unwrap_or(last);
    }
}
