//! The batch and its reply for people: the request as it is sent, and the reply as a table with one line per item.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::terminal::{Colour, Paint, one_line};

/// Characters of a body that are shown.
const BODY_WIDTH: usize = 60;

/// The part of the sent batch that the table shows.
#[derive(Deserialize)]
struct Sent {
    requests: Vec<SentItem>,
}

#[derive(Deserialize)]
struct SentItem {
    id: String,
    method: String,
    url: String,
}

/// The part of the reply that the table shows.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    responses: Vec<ReplyItem<'a>>,
}

#[derive(Deserialize)]
struct ReplyItem<'a> {
    id: String,
    status: u16,
    outcome: Option<String>,
    encoding: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// One line of the table, each cell as wide as its text.
struct Row {
    status: Option<u16>,
    cells: [String; 7],
}

const HEADINGS: [&str; 7] = ["#", "id", "method", "url", "status", "outcome", "body"];

/// The request: its first line, its type and its body.
pub(super) fn request(url: &str, body: &str, colour: Colour) -> String {
    let line = colour.paint(Paint::Bold, &format!("POST {url}"));
    format!("{line}\nContent-Type: application/json\n\n{}", paint_json(body, colour))
}

/// The reply's first line, and how long it took.
pub(super) fn reply_line(status: StatusCode, took: Duration, colour: Colour) -> String {
    let line = colour.paint(Paint::Bold, &format!("HTTP/1.1 {status}"));
    format!("{line}  {}", colour.paint(Paint::Dim, &format!("in {} ms", took.as_millis())))
}

/// The reply as a table, with the items in the order of the request. An item without a result says so.
///
/// # Errors
/// The batch or the reply is not the JSON it should be.
pub(super) fn table(batch: &str, reply: &str, colour: Colour) -> Result<String, serde_json::Error> {
    let sent: Sent = serde_json::from_str(batch)?;
    let reply: Reply<'_> = serde_json::from_str(reply)?;
    let heading = Row { status: None, cells: HEADINGS.map(str::to_owned) };
    let rows: Vec<Row> =
        sent.requests.iter().enumerate().map(|(index, item)| Row::new(index, item, &reply)).collect();
    let widths = widths(&heading, &rows);
    let mut text = heading.line(&widths, Colour::Off);
    text = colour.paint(Paint::Dim, text.trim_end());
    for row in &rows {
        text.push('\n');
        text.push_str(&row.line(&widths, colour));
    }
    Ok(text)
}

impl Row {
    fn new(index: usize, item: &SentItem, reply: &Reply<'_>) -> Self {
        let result = reply.responses.iter().find(|result| result.id == item.id);
        let status = result.map(|result| result.status);
        let cells = [
            (index + 1).to_string(),
            one_line(&item.id, 20),
            one_line(&item.method, 12),
            one_line(&item.url, 40),
            status.map_or("none".to_owned(), |status| status.to_string()),
            result.and_then(|result| result.outcome.as_deref()).map_or(String::new(), |o| one_line(o, 12)),
            result.map_or(String::new(), ReplyItem::preview),
        ];
        Self { status, cells }
    }

    fn line(&self, widths: &[usize; 7], colour: Colour) -> String {
        let mut line = String::new();
        for (column, (cell, width)) in self.cells.iter().zip(widths).enumerate() {
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            let painted = self.paint_of(column).map_or(cell.clone(), |paint| colour.paint(paint, cell));
            // Numbers are aligned to the right, everything else to the left.
            let parts = if column == 0 { [&blanks, &painted] } else { [&painted, &blanks] };
            line.push_str(if column == 0 { "" } else { "  " });
            line.extend(parts.map(String::as_str));
        }
        line.trim_end().to_owned()
    }

    fn paint_of(&self, column: usize) -> Option<Paint> {
        match HEADINGS.get(column).copied() {
            Some("#" | "body") => Some(Paint::Dim),
            Some("status") => Some(match self.status {
                Some(..=399) => Paint::Green,
                Some(400..=499) => Paint::Yellow,
                Some(500..) | None => Paint::Red,
            }),
            Some("outcome") => Some(Paint::Magenta),
            _ => None,
        }
    }
}

impl ReplyItem<'_> {
    fn preview(&self) -> String {
        let Some(body) = self.body else { return String::new() };
        let text = serde_json::from_str::<String>(body.get());
        match (text, self.encoding.as_deref()) {
            (Ok(text), Some(encoding)) => one_line(&format!("{encoding}: {text}"), BODY_WIDTH),
            (Ok(text), None) => one_line(&text, BODY_WIDTH),
            (Err(_), _) => one_line(body.get(), BODY_WIDTH),
        }
    }
}

fn widths(heading: &Row, rows: &[Row]) -> [usize; 7] {
    let mut widths = [0; 7];
    for row in std::iter::once(heading).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}

/// JSON with its names and strings in colour. Without the colour it is unchanged.
fn paint_json(text: &str, colour: Colour) -> String {
    let mut painted = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, string) = rest.split_at(start);
        let (string, after) = string.split_at(string_length(string));
        let paint = if after.trim_start().starts_with(':') { Paint::Cyan } else { Paint::Green };
        painted.push_str(before);
        painted.push_str(&colour.paint(paint, string));
        rest = after;
    }
    painted + rest
}

/// Bytes of the JSON string at the start of `text`, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(place, _)| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"requests":[
        {"id":"a","method":"GET","url":"/orders/1"},
        {"id":"bb","method":"DELETE","url":"/orders/22"},
        {"id":"c","method":"GET","url":"/notes/1"},
        {"id":"d","method":"GET","url":"/pictures/1"},
        {"id":"e","method":"GET","url":"/x"},
        {"id":"f","method":"GET","url":"/y"}]}"#;
    const REPLY: &str = r#"{"responses":[
        {"id":"a","status":200,"headers":{"Content-Type":"application/json"},"body":{"id": 1,
            "customer":"Łukasz"}},
        {"id":"bb","status":204},
        {"id":"c","status":200,"body":"Ring\ntwice\u001b[31m"},
        {"id":"d","status":200,"encoding":"base64","body":"iVBORw0KGgo="},
        {"id":"e","status":503,"outcome":"not_sent","retryable":true,"body":{"title":"Service Unavailable","detail":"nobody is there at all"}}
        ],"summary":{"items":6,"failed":1}}"#;

    #[test]
    fn the_table_has_one_aligned_line_an_item() {
        let expected = "\
#  id  method  url          status  outcome   body
1  a   GET     /orders/1    200               {\"id\": 1, \"customer\":\"Łukasz\"}
2  bb  DELETE  /orders/22   204
3  c   GET     /notes/1     200               Ring twice·[31m
4  d   GET     /pictures/1  200               base64: iVBORw0KGgo=
5  e   GET     /x           503     not_sent  {\"title\":\"Service Unavailable\",\"detail\":\"nobody is there at…
6  f   GET     /y           none";
        assert_eq!(table(SENT, REPLY, Colour::Off).unwrap(), expected);
    }

    #[test]
    fn colour_changes_no_letter() {
        let coloured = table(SENT, REPLY, Colour::On).unwrap();
        let mut plain = String::new();
        for (index, piece) in coloured.split("\x1b[").enumerate() {
            plain.push_str(if index == 0 { piece } else { piece.split_once('m').unwrap().1 });
        }
        let trimmed: Vec<_> = plain.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n"), table(SENT, REPLY, Colour::Off).unwrap());
        assert!(coloured.contains("\x1b[32m204\x1b[0m") && coloured.contains("\x1b[31m503\x1b[0m"));
    }

    #[test]
    fn an_invalid_reply_is_an_error() {
        assert!(table(SENT, r#"{"type":"about:blank","status":400}"#, Colour::Off).is_err());
    }

    #[test]
    fn the_request_is_shown_as_it_is_sent() {
        let shown = request("http://h/batch", "{\"a\\\"\": \"b\", \"c\": 1}\n", Colour::Off);
        assert_eq!(
            shown,
            "POST http://h/batch\nContent-Type: application/json\n\n{\"a\\\"\": \"b\", \"c\": 1}\n"
        );
        let names_and_strings = paint_json("{\"a\\\"\": \"b\"}", Colour::On);
        assert_eq!(names_and_strings, "{\x1b[36m\"a\\\"\"\x1b[0m: \x1b[32m\"b\"\x1b[0m}");
    }

    #[test]
    fn the_reply_line_tells_status_and_time() {
        let line = reply_line(StatusCode::MULTI_STATUS, Duration::from_micros(305_900), Colour::Off);
        assert_eq!(line, "HTTP/1.1 207 Multi-Status  in 305 ms");
    }
}
