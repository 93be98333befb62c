//! The page for people: its parts, as they are asked for by a browser.

use super::site::{Answer, file};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Returns the part at a path, if there is one.
pub(super) fn part(path: &str) -> Option<Answer> {
    let (kind, text) = match path {
        "/" => (HTML, include_str!("page.html")),
        "/page.css" => (STYLE, include_str!("page.css")),
        "/page.js" => (SCRIPT, include_str!("page.js")),
        "/admin.js" => (SCRIPT, include_str!("admin.js")),
        "/chart.js" => (SCRIPT, include_str!("chart.js")),
        "/fleet.js" => (SCRIPT, include_str!("fleet.js")),
        "/format.js" => (SCRIPT, include_str!("format.js")),
        "/table.js" => (SCRIPT, include_str!("table.js")),
        "/tunnels.js" => (SCRIPT, include_str!("tunnels.js")),
        "/icon.svg" => (IMAGE, include_str!("icon.svg")),
        _ => return None,
    };
    Some(file(kind, text))
}
