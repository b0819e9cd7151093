//! The page: one HTML file without links to other files.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::printable;
use anyhow::anyhow;

use super::plots::Plotted;

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; color: #1d232b; max-width: 940px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.7em; margin-bottom: 0; }
h2 { font-size: 1.2em; margin: 2em 0 0.3em; border-bottom: 1px solid #d8dde3; }
p { margin: 0.4em 0; color: #4a535e; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 0.5em 0; }
td, th { padding: 0.15em 1.2em 0.15em 0; text-align: left; vertical-align: top; }
th { font-weight: 600; color: #4a535e; }
tr > th:first-child, .numbers td { white-space: nowrap; }
.numbers { font-size: 14px; }
small { color: #7b848f; }
pre { background: #f4f6f8; padding: 0.8em; overflow-x: auto; font-size: 13px; }
";

/// Text that HTML shows as it is.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page while it is written.
pub(super) struct Page {
    html: String,
}

impl Page {
    /// A page about a folder.
    pub(super) fn new(folder: &Path) -> Self {
        // "." has no name of its own.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        let name = escaped(&printable(name.to_string_lossy()));
        Page {
            html: format!(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{name} - \
                 flashschnet</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n"
            ),
        }
    }

    /// Adds a section. If it fails, a sentence takes its place.
    pub(super) fn attempt(
        &mut self,
        title: &str,
        add: impl FnOnce(&mut Page) -> anyhow::Result<()>,
    ) {
        let length = self.html.len();
        if let Err(error) = add(self) {
            self.html.truncate(length);
            self.heading(title);
            self.paragraph(&printable(format!("This section cannot be made: {error}.")));
        }
    }

    pub(super) fn heading(&mut self, title: &str) {
        let _ = writeln!(self.html, "<h2>{}</h2>", escaped(title));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.html, "<p>{}</p>", escaped(text));
    }

    /// A heading, a caption and a plot.
    pub(super) fn section(
        &mut self,
        title: &str,
        caption: &str,
        plot: Plotted,
    ) -> anyhow::Result<()> {
        self.heading(title);
        self.plot(caption, plot)
    }

    /// A caption and a plot.
    pub(super) fn plot(&mut self, caption: &str, plot: Plotted) -> anyhow::Result<()> {
        self.paragraph(caption);
        self.html += &plot.map_err(|error| anyhow!("report: {error}"))?;
        self.html.push('\n');
        Ok(())
    }

    /// A table. The names of the columns are its first row. A table without names has text that can
    /// fill lines. A cell can have a second line.
    pub(super) fn table(&mut self, columns: &[String], rows: &[Vec<String>]) {
        self.html.push_str(if columns.is_empty() {
            "<table>\n"
        } else {
            "<table class=\"numbers\">\n"
        });
        if !columns.is_empty() {
            let cells: String =
                columns.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
            let _ = writeln!(self.html, "<tr>{cells}</tr>");
        }
        for row in rows {
            self.html.push_str("<tr>");
            for (k, cell) in row.iter().enumerate() {
                let tag = if k == 0 { "th" } else { "td" };
                let text = match cell.split_once('\n') {
                    Some((first, second)) => {
                        format!("{}<br><small>{}</small>", escaped(first), escaped(second))
                    }
                    None => escaped(cell),
                };
                let _ = write!(self.html, "<{tag}>{text}</{tag}>");
            }
            self.html.push_str("</tr>\n");
        }
        self.html.push_str("</table>\n");
    }

    /// Lines of a file.
    pub(super) fn lines<'a>(&mut self, title: &str, lines: impl Iterator<Item = &'a str>) {
        let text: String = lines.map(|line| escaped(line) + "\n").collect();
        let _ = writeln!(self.html, "<h2>{}</h2>\n<pre>{text}</pre>", escaped(title));
    }

    pub(super) fn finish(self) -> String {
        self.html + "</body>\n</html>\n"
    }
}
