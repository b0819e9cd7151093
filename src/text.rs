//! Text of messages: names from files can be long, and can have characters that control a terminal.

use std::fmt::{self, Write};

/// Text from a file is cut to this many characters in a message.
const MOST: usize = 600;

pub(crate) fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A number of very many digits, in exponential notation.
pub(crate) fn short(text: String) -> String {
    const MOST_DIGITS: usize = 24;
    let is_long = text.len() > MOST_DIGITS
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    match text.parse::<f64>() {
        Ok(number) if is_long => format!("{number:e}"),
        _ => text,
    }
}

/// The message of a driver, which can have several lines, in one line.
pub(crate) fn one_line(message: impl ToString) -> String {
    message.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Whether a character does more than appear: it controls a terminal, ends a line, or changes the
/// direction of the text after it.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text with control characters escaped, for messages that show a name or a path.
pub fn printable(text: impl fmt::Display) -> String {
    let mut escaped = String::new();
    // Writing to a string cannot fail.
    let _ = write!(Escape(&mut escaped), "{text}");
    escaped
}

/// Escapes control characters in the text that passes through.
pub(crate) struct Escape<'a, W>(pub(crate) &'a mut W);

impl<W: Write> Write for Escape<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_control) {
            match part.chars().next_back().filter(|c| is_control(*c)) {
                Some(last) => {
                    self.0.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                None => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}
