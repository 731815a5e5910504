//! The pictures: ratios at a glance.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::harness::Row;

type Drawn = Result<(), Box<dyn Error + Send + Sync>>;

const GREEN: RGBColor = RGBColor(46, 125, 80);
const RED: RGBColor = RGBColor(190, 70, 50);
const BLUE: RGBColor = RGBColor(60, 90, 150);
const GREY: RGBColor = RGBColor(110, 110, 110);

const LINE: i32 = 22;
const HEAD: i32 = 62;
/// The part in which the ratios are drawn, and the room for figures at its right.
const AXIS: i32 = 420;
const FIGURES: i32 = 150;
/// About as wide as a letter is, of the size in which names are written.
const LETTER: f64 = 5.8;

/// Ratios outside are drawn at the edge: a log scale that has room for all would make
/// five per cent invisible.
const LEAST: f64 = 0.25;
const MOST: f64 = 4.0;

/// Draws a line per comparison, on a log scale: the median of the ratio, its quartiles
/// and the aim. Green where the aim is met, red where it is missed, blue where there is
/// none.
pub fn ratios(path: &Path, title: &str, caption: &str, rows: &[&Row]) -> Drawn {
    let names: Vec<String> = rows.iter().map(|row| name(row)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let left = 24 + (longest as f64 * LETTER) as i32;
    let bottom = HEAD + LINE * rows.len() as i32 + LINE * headings(rows) as i32;
    let size = ((left + AXIS + FIGURES) as u32, (bottom + 70) as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;

    let text = |size: i32| ("sans-serif", size).into_font();
    let (least, most) = (LEAST.ln(), MOST.ln());
    let scale = |ratio: f64| {
        let at = (ratio.clamp(LEAST, MOST).ln() - least) / (most - least);
        left + (at * f64::from(AXIS)) as i32
    };
    root.draw(&Text::new(title.to_owned(), (12, 10), text(17)))?;
    let legend = "dot: median; bar: quartiles; |: aim. Green: met, red: missed, blue: no aim.";
    root.draw(&Text::new(legend, (12, 34), text(11).color(&GREY)))?;
    for mark in [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0] {
        let x = scale(mark);
        let style =
            if mark == 1.0 { BLACK.stroke_width(2) } else { GREY.mix(0.35).stroke_width(1) };
        root.draw(&PathElement::new(vec![(x, HEAD - 12), (x, bottom)], style))?;
        let figure = match mark {
            LEAST => "≤ 0.25".to_owned(),
            MOST => "≥ 4".to_owned(),
            mark => mark.to_string(),
        };
        root.draw(&Text::new(figure, (x - 10, bottom + 4), text(12)))?;
    }

    let (mut y, mut group) = (HEAD, "");
    for (row, name) in rows.iter().zip(names) {
        if headings(rows) > 0 && row.group != group {
            group = &row.group;
            root.draw(&Text::new(group.to_owned(), (12, y - 5), text(13).style(FontStyle::Bold)))?;
            y += LINE;
        }
        let [q1, median, q3] = row.ratio;
        let colour = match row.is_met() {
            Some(true) => GREEN,
            Some(false) => RED,
            None => BLUE,
        };
        root.draw(&Text::new(name, (12, y - 5), text(12)))?;
        if let Some(aim) = row.aimed_ratio() {
            let x = scale(aim);
            root.draw(&PathElement::new(vec![(x, y - 8), (x, y + 8)], BLACK.stroke_width(1)))?;
        }
        let whisker = vec![(scale(q1), y), (scale(q3), y)];
        root.draw(&PathElement::new(whisker, colour.stroke_width(3)))?;
        root.draw(&Circle::new((scale(median), y), 4, colour.filled()))?;
        let figure = match row.aim {
            Some(aim) => format!("{median:.2}  ({aim})"),
            None => format!("{median:.2}"),
        };
        root.draw(&Text::new(figure, (left + AXIS + 14, y - 5), text(12)))?;
        y += LINE;
    }
    root.draw(&Text::new(caption.to_owned(), (12, bottom + 36), text(11).color(&GREY)))?;
    root.present()?;
    drop(root);
    follow_the_scheme(path)
}

/// Draws a bar per comparison from 1 to what ours takes where the other takes 1.
pub fn bars(path: &Path, title: &str, caption: &str, rows: &[(String, f64)]) -> Drawn {
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let left = 24 + (longest as f64 * LETTER) as i32;
    let bottom = HEAD + LINE * rows.len() as i32;
    let size = ((left + AXIS + FIGURES / 2) as u32, (bottom + 60) as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font();
    let (least, most) = (0.05_f64.ln(), 2.0_f64.ln());
    let scale = |ratio: f64| {
        let at = (ratio.ln().clamp(least, most) - least) / (most - least);
        left + (at * f64::from(AXIS)) as i32
    };
    root.draw(&Text::new(title.to_owned(), (12, 10), text(17)))?;
    for mark in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0] {
        let x = scale(mark);
        let style =
            if mark == 1.0 { BLACK.stroke_width(2) } else { GREY.mix(0.35).stroke_width(1) };
        root.draw(&PathElement::new(vec![(x, HEAD - 12), (x, bottom)], style))?;
        let figure = if mark == 0.05 { "≤ 0.05".to_owned() } else { mark.to_string() };
        root.draw(&Text::new(figure, (x - 10, bottom + 4), text(12)))?;
    }
    let mut y = HEAD;
    for (name, ratio) in rows {
        let colour = if *ratio <= 1.0 { GREEN } else { RED };
        let (from, to) = (scale(ratio.min(1.0)), scale(ratio.max(1.0)));
        root.draw(&Text::new(name.clone(), (12, y - 5), text(12)))?;
        root.draw(&Rectangle::new([(from, y - 6), (to.max(from + 2), y + 6)], colour.filled()))?;
        root.draw(&Text::new(format!("{ratio:.2}"), (left + AXIS + 14, y - 5), text(12)))?;
        y += LINE;
    }
    root.draw(&Text::new(caption.to_owned(), (12, bottom + 32), text(11).color(&GREY)))?;
    root.present()?;
    drop(root);
    follow_the_scheme(path)
}

/// Points over time, in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Draws how late each tick was, over the time of a run, on a log scale.
pub fn ticks(path: &Path, caption: &str, series: &[Series]) -> Drawn {
    let (width, height) = (820, 380);
    let (left, right, top, bottom) = (70, width - 20, HEAD + 22, height - 74);
    let root = SVGBackend::new(path, (width as u32, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font();
    let title = "Ticks of 2 ms while 1,000 children start: how late each comes";
    root.draw(&Text::new(title, (12, 10), text(17)))?;
    let all = || series.iter().flat_map(|series| &series.points);
    let longest = all().map(|(due, _)| *due).fold(1.0, f64::max);
    let (least, most) = (0.01_f64.ln(), all().map(|(_, late)| *late).fold(100.0, f64::max).ln());
    let across = |due: f64| left + (due / longest * f64::from(right - left)) as i32;
    let up = |late: f64| {
        let at = (late.ln().max(least) - least) / (most - least);
        bottom - (at * f64::from(bottom - top)) as i32
    };
    for mark in [0.01, 0.1, 1.0, 10.0, 100.0] {
        let (y, style) = (up(mark), GREY.mix(0.35).stroke_width(1));
        root.draw(&PathElement::new(vec![(left, y), (right, y)], style))?;
        root.draw(&Text::new(format!("{mark} ms"), (12, y - 5), text(12)))?;
    }
    for tenth in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let figure = format!("{:.0} ms", longest * tenth);
        root.draw(&Text::new(figure, (across(longest * tenth) - 30, bottom + 8), text(12)))?;
    }
    for (n, (series, colour)) in series.iter().zip([RED, GREEN]).enumerate() {
        let x = left + 10 + 330 * n as i32;
        root.draw(&Circle::new((x, HEAD - 14), 4, colour.filled()))?;
        let worst = series.points.iter().map(|(_, late)| *late).fold(0.0, f64::max);
        let name = format!("{}, worst {worst:.1} ms", series.name);
        root.draw(&Text::new(name, (x + 10, HEAD - 19), text(12)))?;
        for (due, late) in &series.points {
            root.draw(&Circle::new((across(*due), up(*late)), 2, colour.filled()))?;
        }
    }
    root.draw(&Text::new(caption.to_owned(), (12, height - 24), text(11).color(&GREY)))?;
    root.present()?;
    drop(root);
    follow_the_scheme(path)
}

/// The colours of who reads on black: plotters writes attributes, over which a style sheet goes.
fn follow_the_scheme(path: &Path) -> Drawn {
    let mut style = String::from("<style>@media (prefers-color-scheme: dark) {");
    for (light, dark) in [
        ("#FFFFFF", "#0D1117"),
        ("#000000", "#E6EDF3"),
        ("#6E6E6E", "#9AA4AE"),
        ("#2E7D50", "#4CB37A"),
        ("#BE4632", "#E8705A"),
        ("#3C5A96", "#7EA1E6"),
    ] {
        for what in ["fill", "stroke"] {
            style.push_str(&format!(" [{what}=\"{light}\"] {{ {what}: {dark} }}"));
        }
    }
    style.push_str(" }</style>\n");
    let mut picture = std::fs::read_to_string(path)?;
    let head = picture.find('\n').map_or(0, |at| at + 1);
    picture.insert_str(head, &style);
    std::fs::write(path, picture)?;
    Ok(())
}

/// How many groups are named: none if there is only one.
fn headings(rows: &[&Row]) -> usize {
    let mut groups: Vec<&str> = rows.iter().map(|row| row.group.as_str()).collect();
    groups.dedup();
    if groups.len() > 1 { groups.len() } else { 0 }
}

fn name(row: &Row) -> String {
    let measure = match row.measure.as_str() {
        "time" | "memory" => String::new(),
        measure => format!(" ({measure})"),
    };
    format!("{}{measure} / {}", row.case, row.against)
}
