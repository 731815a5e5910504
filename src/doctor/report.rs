//! The report: findings by topic, as text and as JSON.

use std::borrow::Cow;
use std::fmt::{self, Write};

type Text = Cow<'static, str>;

/// The findings of [`doctor`](crate::doctor()).
///
/// Its `Display` is a table for people: a line for each finding, and below each "no" its remedy.
///
/// ```
/// let report = policy::doctor();
/// assert!(report.to_string().contains("event-loop-policy"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

/// One ability of the machine or the build.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The part of the report that it belongs to.
    pub topic: Topic,
    /// The name of the ability, such as `pidfd` or `tokio:multi_thread`.
    pub name: Text,
    /// Whether the machine or the build has it.
    pub answer: Answer,
    /// The details.
    pub detail: Text,
    /// The remedy, if something is wrong.
    pub remedy: Option<Text>,
}

/// A part of a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Topic {
    /// Versions and features.
    Build,
    /// Policies and their loops.
    Loops,
    /// How children are started and awaited.
    Children,
    /// The limits of the system.
    Limits,
}

/// The short answer of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// It exists and works.
    Yes,
    /// It does not exist; something else is used in its place, or nothing needs it.
    No,
    /// It needs attention: it will cause trouble.
    Problem,
}

impl Report {
    /// Returns all findings, ordered by topic.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the findings that need attention.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.answer == Answer::Problem)
    }

    /// Returns the report as one JSON object: `{"findings": [{"topic": …, "name": …, "answer": …,
    /// "detail": …, "remedy": …}]}`, where `remedy` may be `null`.
    ///
    /// ```
    /// assert!(policy::doctor().to_json().contains(r#""topic":"loops""#));
    /// ```
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"findings\":[");
        for (at, finding) in self.findings.iter().enumerate() {
            let Finding { topic, name, answer, detail, remedy } = finding;
            json.push_str(if at == 0 { "{\"topic\":" } else { ",{\"topic\":" });
            quote(&mut json, topic.as_str());
            json.push_str(",\"name\":");
            quote(&mut json, name);
            json.push_str(",\"answer\":");
            quote(&mut json, answer.as_str());
            json.push_str(",\"detail\":");
            quote(&mut json, detail);
            json.push_str(",\"remedy\":");
            match remedy {
                Some(remedy) => quote(&mut json, remedy),
                None => json.push_str("null"),
            }
            json.push('}');
        }
        json.push_str("]}");
        json
    }

    pub(super) fn yes(&mut self, topic: Topic, name: impl Into<Text>, detail: impl Into<Text>) {
        self.add(topic, name.into(), Answer::Yes, detail.into(), None);
    }

    pub(super) fn no(
        &mut self,
        topic: Topic,
        name: impl Into<Text>,
        detail: impl Into<Text>,
        remedy: impl Into<Text>,
    ) {
        self.add(topic, name.into(), Answer::No, detail.into(), Some(remedy.into()));
    }

    pub(super) fn problem(
        &mut self,
        topic: Topic,
        name: impl Into<Text>,
        detail: impl Into<Text>,
        remedy: impl Into<Text>,
    ) {
        self.add(topic, name.into(), Answer::Problem, detail.into(), Some(remedy.into()));
    }

    pub(super) fn append(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }

    fn add(
        &mut self,
        topic: Topic,
        name: Text,
        answer: Answer,
        detail: Text,
        remedy: Option<Text>,
    ) {
        self.findings.push(Finding { topic, name, answer, detail, remedy });
    }
}

impl Topic {
    /// Returns the topic's name, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Loops => "loops",
            Self::Children => "children",
            Self::Limits => "limits",
        }
    }
}

impl Answer {
    /// Returns the answer, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Problem => "problem",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut topic = None;
        for finding in &self.findings {
            if topic != Some(finding.topic) {
                let gap = if topic.is_some() { "\n" } else { "" };
                writeln!(f, "{gap}{}", finding.topic.as_str())?;
                topic = Some(finding.topic);
            }
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<22} {:<8} {}", self.name, self.answer.as_str(), self.detail)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  {:<22} {:<8} → {remedy}", "", ""),
            None => Ok(()),
        }
    }
}

/// A string of JSON.
fn quote(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a string can't fail. Control characters are all below U+10000.
                let _ok = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::{Report, Topic};

    #[test]
    fn what_json_could_not_hold_is_escaped() {
        let mut report = Report::default();
        report.no(Topic::Loops, "a\"b", "back\\slash\nline", "é\u{1}");
        assert_eq!(
            report.to_json(),
            r#"{"findings":[{"topic":"loops","name":"a\"b","answer":"no","detail":"back\\slash\u000aline","remedy":"é\u0001"}]}"#
        );
    }
}
