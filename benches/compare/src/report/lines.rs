//! Lines in SVG, one for each server: the horizontal axis is logarithmic, and the vertical one begins at nothing, or is
//! logarithmic too where servers are far apart.

use std::fmt::Write as _;

use super::{chart::escaped, results::Summary};
use crate::servers::Server;

const WIDTH: f64 = 640.0;
/// The edges of what is drawn in.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 270.0;
/// Of the names below, and how many stand beside each other.
const LINE: f64 = 20.0;
const COLUMNS: usize = 4;
/// Numbers below the axis are at least so far apart.
const APART: f64 = 46.0;

const STYLE: &str = "<style>\
    text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600}.n{fill:#666}.e{text-anchor:end}.m{text-anchor:middle}\
    .g{stroke:#8884}.l{fill:none;stroke-width:2}.ours{stroke-width:3}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}.n{fill:#aaa}}</style>";

/// A number by how many there were of something.
pub(super) struct Chart {
    /// What the number is, with its unit.
    pub(super) title: String,
    /// What there was more and more of.
    pub(super) counts: &'static str,
    pub(super) lines: Vec<Line>,
}

/// The numbers of a server.
pub(super) struct Line {
    pub(super) server: Server,
    pub(super) points: Vec<Point>,
    /// Where there is none.
    pub(super) missing: Vec<usize>,
}

pub(super) struct Point {
    pub(super) count: usize,
    pub(super) value: Summary,
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flat_map(|line| &line.points)
    }

    pub(super) fn draw(&self) -> String {
        let across = Across::of(self);
        let up = Up::of(self);
        let mut body = String::new();
        let title = escaped(&format!("{}, by {}", self.title, self.counts));
        let _ = writeln!(body, "<title>{title}</title>");
        let _ = writeln!(body, "<text class=\"t\" x=\"8\" y=\"20\">{title}</text>");
        up.draw(&mut body);
        across.draw(&mut body);
        let is_alone = self.lines.len() == 1;
        for (place, line) in self.lines.iter().enumerate() {
            draw_line(&mut body, line, &across, &up, is_alone);
            let x = LEFT + (place % COLUMNS) as f64 * (RIGHT - LEFT) / COLUMNS as f64;
            let y = BOTTOM + 52.0 + (place / COLUMNS) as f64 * LINE;
            let _ = writeln!(
                body,
                "<path {} d=\"M{x} {}h20\"/><text x=\"{}\" y=\"{y}\">{}</text>",
                look(line.server),
                y - 4.0,
                x + 26.0,
                line.server.name(),
            );
        }
        let rows = self.lines.len().div_ceil(COLUMNS) as f64;
        let height = BOTTOM + 44.0 + rows * LINE;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\">{STYLE}\n{body}</svg>\n"
        )
    }
}

/// The medians, with the smallest and the largest; in figures too where they are nobody else's.
fn draw_line(body: &mut String, line: &Line, across: &Across, up: &Up, in_figures: bool) {
    let (mut path, mut marks) = (String::new(), String::new());
    for (place, point) in line.points.iter().enumerate() {
        let Summary {
            median,
            least,
            most,
        } = point.value;
        let (x, y) = (across.at(point.count), up.at(median));
        let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        let _ = write!(
            marks,
            "M{x:.1} {:.1}V{:.1}M{:.1} {y:.1}h6",
            up.at(least),
            up.at(most),
            x - 3.0
        );
        if in_figures {
            let (above, digits) = (up.at(most) - 6.0, digits_of(median));
            let _ = writeln!(
                body,
                "<text class=\"m\" x=\"{x:.1}\" y=\"{above:.1}\">{median:.digits$}</text>"
            );
        }
    }
    let look = look(line.server);
    let _ = writeln!(body, "<path {look} d=\"{path}{marks}\"/>");
}

/// Colours that can be told on white and on black.
fn look(server: Server) -> String {
    let colour = match server {
        Server::Example => "#1a9a6c",
        Server::Everything => "#7a9a1a",
        Server::ShortStack => "#1a8f9a",
        Server::FastSocks5 => "#4a7fd0",
        Server::Rama => "#b0589f",
        Server::Dante => "#d0503f",
        Server::Microsocks => "#d08a2a",
        Server::ThreeProxy => "#8a6ad0",
        Server::CopyLoop | Server::Direct => "#8a929a",
    };
    let class = if server.is_ours() { "l ours" } else { "l" };
    format!("class=\"{class}\" stroke=\"{colour}\"")
}

/// The horizontal axis.
struct Across {
    counts: Vec<usize>,
}

impl Across {
    fn of(chart: &Chart) -> Self {
        let missing = chart.lines.iter().flat_map(|line| &line.missing);
        let counts = chart.points().map(|point| &point.count).chain(missing);
        let mut counts: Vec<_> = counts.copied().collect();
        counts.sort_unstable();
        counts.dedup();
        Self { counts }
    }

    fn at(&self, count: usize) -> f64 {
        let log = |count: usize| (count.max(1) as f64).log10();
        let ends = self.counts.first().zip(self.counts.last());
        let (least, most) = ends.map_or((0.0, 0.0), |(first, last)| (log(*first), log(*last)));
        if most <= least {
            return LEFT + 30.0;
        }
        LEFT + 30.0 + (log(count) - least) / (most - least) * (RIGHT - LEFT - 50.0)
    }

    fn draw(&self, body: &mut String) {
        let mut last = f64::MIN;
        for &count in &self.counts {
            let x = self.at(count);
            let _ = writeln!(body, "<path class=\"g\" d=\"M{x:.1} {BOTTOM}v5\"/>");
            if x - last >= APART {
                let (y, count) = (BOTTOM + 20.0, grouped(count));
                let _ = writeln!(
                    body,
                    "<text class=\"n m\" x=\"{x:.1}\" y=\"{y}\">{count}</text>"
                );
                last = x;
            }
        }
    }
}

/// The vertical axis.
enum Up {
    /// From nothing on, or from below where noise makes less of what is a difference.
    Linear { least: f64, step: f64, most: f64 },
    /// Between powers of ten: servers are too far apart to be told otherwise.
    Logarithmic { least: i32, most: i32 },
}

impl Up {
    fn of(chart: &Chart) -> Self {
        /// The largest median is so many times the smallest.
        const FAR_APART: f64 = 20.0;
        let values = || chart.points().map(|point| point.value);
        let least = values().map(|all| all.least).fold(f64::MAX, f64::min);
        let most = values().map(|all| all.most).fold(0.0, f64::max);
        let medians = || values().map(|all| all.median);
        let (low, high) = (
            medians().fold(f64::MAX, f64::min),
            medians().fold(0.0, f64::max),
        );
        if chart.lines.len() > 1 && least > 0.0 && high > low * FAR_APART {
            return Self::Logarithmic {
                least: least.log10().floor() as i32,
                most: most.log10().ceil() as i32,
            };
        }
        let least = least.min(0.0);
        let span = if most > least { most - least } else { 1.0 };
        let size = 10_f64.powf((span / 4.0).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|times| times * size);
        let step = (steps.into_iter()).find(|step| *step >= span / 4.0);
        let step = step.unwrap_or(10.0 * size);
        Self::Linear {
            least: (least / step).floor() * step,
            step,
            most: (most / step).ceil().max(1.0) * step,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let share = match *self {
            Self::Linear { least, most, .. } => (value - least) / (most - least),
            Self::Logarithmic { least, most } => {
                (value.log10() - f64::from(least)) / f64::from(most - least)
            }
        };
        BOTTOM - share * (BOTTOM - TOP - 20.0)
    }

    /// Values to draw lines at, with how many digits behind the point.
    fn marks(&self) -> Vec<(f64, usize)> {
        match *self {
            Self::Linear { least, step, most } => {
                let steps = ((most - least) / step).round() as usize;
                let values = (0..=steps).map(|number| least + number as f64 * step);
                values.map(|value| (value, digits_of(step))).collect()
            }
            Self::Logarithmic { least, most } => (least..=most)
                .map(|power| (10_f64.powi(power), power.min(0).unsigned_abs() as usize))
                .collect(),
        }
    }

    fn draw(&self, body: &mut String) {
        for (value, digits) in self.marks() {
            let y = self.at(value);
            let _ = writeln!(
                body,
                "<path class=\"g\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text class=\"n e\" x=\"{}\" y=\"{:.1}\">{value:.digits$}</text>",
                LEFT - 6.0,
                y + 4.0,
            );
        }
    }
}

/// How many digits behind the point say enough.
fn digits_of(value: f64) -> usize {
    match value.abs() {
        10.0.. => 0,
        1.0.. => 1,
        0.1.. => 2,
        _ => 3,
    }
}

fn grouped(count: usize) -> String {
    let figures = count.to_string();
    let mut out = String::new();
    for (place, figure) in figures.chars().enumerate() {
        if place > 0 && (figures.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(figure);
    }
    out
}
