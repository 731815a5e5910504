//! The pictures: ratios at a glance.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::harness::Row;

const GREEN: RGBColor = RGBColor(46, 125, 80);
const RED: RGBColor = RGBColor(190, 70, 50);
const GREY: RGBColor = RGBColor(110, 110, 110);

const WIDTH: u32 = 920;
const LINE: u32 = 24;
/// Room for the names.
const NAMES: i32 = 430;

/// Draws a line per comparison: the median of the ratio, and its quartiles; green where
/// the aim is met, or there is none and ours is not worse.
pub fn ratios(
    path: &Path,
    title: &str,
    caption: &str,
    rows: &[&Row],
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let height = LINE * (rows.len() as u32 + 4);
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let widest = rows.iter().map(|row| row.ratio[2]).fold(1.25, f64::max).min(4.0);
    let scale = |ratio: f64| {
        NAMES + ((ratio.min(widest) / widest) * f64::from(WIDTH as i32 - NAMES - 70)) as i32
    };
    let bottom = (LINE * (rows.len() as u32 + 2)) as i32;

    let text = |size: i32| ("sans-serif", size).into_font();
    root.draw(&Text::new(format!("{title}: ours / theirs"), (12, 10), text(17)))?;
    for mark in [0.5, 1.0, 1.5, 2.0, 3.0] {
        if mark <= widest {
            let x = scale(mark);
            let style =
                if mark == 1.0 { BLACK.stroke_width(2) } else { GREY.mix(0.35).stroke_width(1) };
            root.draw(&PathElement::new(vec![(x, 36), (x, bottom)], style))?;
            root.draw(&Text::new(format!("{mark}"), (x - 8, bottom + 4), text(12)))?;
        }
    }
    for (at, row) in rows.iter().enumerate() {
        let y = (LINE * (at as u32 + 2)) as i32;
        let [q1, median, q3] = row.ratio;
        let good = row.is_met().unwrap_or(median <= 1.0);
        let colour = if good { GREEN } else { RED };
        let measure =
            if row.measure == "time" { String::new() } else { format!(" ({})", row.measure) };
        let name = format!("{}{measure} / {}", row.case, row.against);
        root.draw(&Text::new(name, (12, y - 7), text(13)))?;
        let whisker = vec![(scale(q1), y), (scale(q3), y)];
        root.draw(&PathElement::new(whisker, colour.stroke_width(3)))?;
        root.draw(&Circle::new((scale(median), y), 5, colour.filled()))?;
        let figure = format!("{median:.2}");
        root.draw(&Text::new(figure, (WIDTH as i32 - 48, y - 7), text(13)))?;
    }
    root.draw(&Text::new(caption.to_owned(), (12, bottom + 24), text(11).color(&GREY)))?;
    root.present()?;
    Ok(())
}
