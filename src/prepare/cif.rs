//! The syntax of CIF files: data blocks with pairs of names and values, and loops.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// A value; `None` for `.` and `?`, which stand for no value.
pub(super) type Value<'a> = Option<Cow<'a, str>>;

/// Receives the rows of a file. Pairs of one category that follow each other are one row.
pub(super) trait Rows {
    /// A new data block begins.
    fn block(&mut self);
    /// The next rows have these items, in lower case and without the name of the category. Returns
    /// whether the rows are of interest.
    fn header(&mut self, category: &str, items: &[String]) -> Result<bool>;
    /// A row of the last header.
    fn row(&mut self, values: &[Value], line: usize) -> Result<()>;
}

enum Token<'a> {
    Block,
    Loop,
    Name(&'a [u8]),
    Value(Value<'a>),
}

struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Tokens<'a> {
    /// The next token and its line.
    fn next(&mut self) -> Result<Option<(Token<'a>, usize)>> {
        loop {
            match self.text.get(self.at) {
                None => return Ok(None),
                Some(b'\n') => {
                    self.at += 1;
                    self.line += 1;
                }
                Some(b'#') => {
                    self.at += self.rest().iter().take_while(|byte| **byte != b'\n').count();
                }
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                Some(_) => break,
            }
        }
        let line = self.line;
        let rest = self.rest();
        let token = match rest[0] {
            b';' if self.at == 0 || self.text[self.at - 1] == b'\n' => {
                Token::Value(self.text_block()?)
            }
            quote @ (b'\'' | b'"') => Token::Value(self.quoted(quote)?),
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                let word = &rest[..end];
                self.at += end;
                let starts = |with: &[u8]| {
                    word.get(..with.len()).is_some_and(|w| w.eq_ignore_ascii_case(with))
                };
                match word {
                    [b'_', ..] => Token::Name(word),
                    b"." | b"?" => Token::Value(None),
                    _ if starts(b"data_")
                        || starts(b"save_")
                        || word.eq_ignore_ascii_case(b"global_") =>
                    {
                        Token::Block
                    }
                    _ if word.eq_ignore_ascii_case(b"loop_") => Token::Loop,
                    _ => Token::Value(Some(String::from_utf8_lossy(word))),
                }
            }
        };
        Ok(Some((token, line)))
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// A text between lines that start with a semicolon.
    fn text_block(&mut self) -> Result<Value<'a>> {
        let (line, rest) = (self.line, &self.rest()[1..]);
        let Some(end) = rest.windows(2).position(|pair| pair == b"\n;") else {
            return Err(open(line, "a text block that starts with ;"));
        };
        let text = &rest[..end];
        self.line += text.iter().filter(|byte| **byte == b'\n').count() + 1;
        self.at += 1 + end + 2;
        Ok(Some(String::from_utf8_lossy(text)))
    }

    /// A text in quotes, which end it only before white space.
    fn quoted(&mut self, quote: u8) -> Result<Value<'a>> {
        let rest = &self.rest()[1..];
        let ends =
            |at: &usize| rest[*at] == quote && rest.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        let line_end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let Some(end) = (0..line_end).find(ends) else {
            return Err(open(self.line, "a quoted text"));
        };
        self.at += end + 2;
        Ok(Some(String::from_utf8_lossy(&rest[..end])))
    }
}

fn open(line: usize, what: &str) -> Error {
    Error::invalid(format!("line {line}"), format!("{what} and does not end"), "a complete file")
}

/// The category and the item of a name, in lower case.
fn split(name: &[u8]) -> (String, String) {
    let name = String::from_utf8_lossy(&name[1..]).to_ascii_lowercase();
    match name.split_once('.') {
        Some((category, item)) => (category.to_owned(), item.to_owned()),
        None => (name, String::new()),
    }
}

/// Pairs of names and values of one category, which are a row.
#[derive(Default)]
struct Pairs<'a> {
    category: String,
    items: Vec<String>,
    values: Vec<Value<'a>>,
    line: usize,
}

impl Pairs<'_> {
    /// Passes the row on, if there is one, and forgets it.
    fn end(&mut self, rows: &mut impl Rows) -> Result<()> {
        let pairs = std::mem::take(self);
        if !pairs.items.is_empty() && rows.header(&pairs.category, &pairs.items)? {
            rows.row(&pairs.values, pairs.line)?;
        }
        Ok(())
    }
}

/// Passes the contents of a file to `rows`.
pub(super) fn read(text: &[u8], rows: &mut impl Rows) -> Result<()> {
    let mut tokens = Tokens { text, at: 0, line: 1 };
    let mut pairs = Pairs::default();
    let mut next = tokens.next()?;
    while let Some((token, line)) = next {
        let wrong =
            |found: &str, expected| Err(Error::invalid(format!("line {line}"), found, expected));
        next = match token {
            Token::Name(name) => {
                let (category, item) = split(name);
                if category != pairs.category {
                    pairs.end(rows)?;
                }
                let Some((Token::Value(value), _)) = tokens.next()? else {
                    let found = format!("the name _{category}.{item} without a value");
                    return wrong(&found, "a complete file");
                };
                if pairs.items.is_empty() {
                    (pairs.category, pairs.line) = (category, line);
                }
                pairs.items.push(item);
                pairs.values.push(value);
                tokens.next()?
            }
            Token::Loop => {
                pairs.end(rows)?;
                table(&mut tokens, rows)?
            }
            Token::Block => {
                pairs.end(rows)?;
                rows.block();
                tokens.next()?
            }
            Token::Value(_) => {
                return wrong(
                    "a value without a name",
                    "a name that starts with _, or loop_, before it",
                );
            }
        };
    }
    pairs.end(rows)
}

/// Reads a loop. Returns the token after it.
fn table<'a>(tokens: &mut Tokens<'a>, rows: &mut impl Rows) -> Result<Option<(Token<'a>, usize)>> {
    let (mut category, mut items) = (String::new(), Vec::new());
    let mut next = tokens.next()?;
    while let Some((Token::Name(name), _)) = next {
        let item;
        (category, item) = split(name);
        items.push(item);
        next = tokens.next()?;
    }
    let wanted = !items.is_empty() && rows.header(&category, &items)?;
    let mut values = Vec::with_capacity(items.len());
    let mut start = tokens.line;
    while let Some((Token::Value(value), line)) = next {
        if values.is_empty() {
            start = line;
        }
        values.push(value);
        if values.len() == items.len() {
            if wanted {
                rows.row(&values, start)?;
            }
            values.clear();
        }
        next = tokens.next()?;
    }
    if wanted && !values.is_empty() {
        let found =
            format!("{} of {} values in the last row of _{category}", values.len(), items.len());
        return Err(Error::invalid(format!("line {start}"), found, "a complete file"));
    }
    Ok(next)
}
