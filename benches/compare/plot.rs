//! The pictures: ratios at a glance.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::harness::Row;

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
pub fn ratios(
    path: &Path,
    title: &str,
    caption: &str,
    rows: &[&Row],
) -> Result<(), Box<dyn Error + Send + Sync>> {
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
