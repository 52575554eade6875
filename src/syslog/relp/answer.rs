//! Frames of RELP as bytes: `TXNR SP COMMAND SP DATALEN [SP DATA] LF`. Pure functions without a connection.
//!
//! A receiver is not trusted: each part of its frame has a limit, so nothing that it sends can fill the memory.

use crate::escape::printable;
use crate::syslog::session::RelpError;

/// Largest transaction number. After it they start at 1 again; 0 is a hint of the receiver.
pub(super) const MAX_NUMBER: u32 = 999_999_999;
/// Largest data of a frame that is read, in octets. Receivers send some 100.
const MAX_DATA: usize = 16 << 10;
/// Longest text of a receiver in a message, in characters.
const MAX_WORDS: usize = 120;

/// Appends a frame.
pub(super) fn append(buffer: &mut Vec<u8>, number: u32, command: &str, data: &str) {
    buffer.extend_from_slice(format!("{number} {command} {}", data.len()).as_bytes());
    if !data.is_empty() {
        buffer.push(b' ');
        buffer.extend_from_slice(data.as_bytes());
    }
    buffer.push(b'\n');
}

/// A frame of the receiver.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Number of the frame of ours that it answers, or 0.
    pub(super) number: u32,
    /// `rsp` or `serverclose`.
    pub(super) command: String,
    pub(super) data: Vec<u8>,
}

impl Answer {
    /// Returns the result of a command: its code, and the rest of the data. `None` if the data has no code.
    pub(super) fn result(&self) -> Option<CommandResult> {
        let text = String::from_utf8_lossy(&self.data);
        let (code, rest) = text.split_at_checked(3)?;
        let code: u16 = code.parse().ok().filter(|code| (100..=999).contains(code))?;
        let (words, details) = rest.split_once('\n').unwrap_or((rest, ""));
        Some(CommandResult { code, words: printable(words.trim(), MAX_WORDS), details: details.to_owned() })
    }
}

/// The result of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandResult {
    /// 200 is success.
    pub(super) code: u16,
    /// Text of the receiver, printable and short.
    pub(super) words: String,
    /// Lines after the first one. In the answer to `open` they are the offers of the receiver.
    pub(super) details: String,
}

impl CommandResult {
    /// Checks whether the receiver offers the command `syslog`.
    pub(super) fn offers_syslog(&self) -> bool {
        let offered = self.details.lines().filter_map(|line| line.strip_prefix("commands="));
        offered.flat_map(|commands| commands.split(',')).any(|command| command.trim() == "syslog")
    }
}

/// Collects octets of a receiver and splits them into frames.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    octets: Vec<u8>,
}

impl Decoder {
    /// Adds octets as they arrived.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Returns the next whole frame; `None` until more octets arrive. Errors: the octets are no frame.
    pub(super) fn next(&mut self) -> Result<Option<Answer>, RelpError> {
        // A receiver may end a frame with further line feeds, as one that writes text does.
        let spaces = self.octets.iter().take_while(|octet| **octet == b'\n').count();
        self.octets.drain(..spaces);
        let Some(frame) = Header::read(&self.octets).map_err(|NoFrame| self.no_relp())? else { return Ok(None) };
        let end = frame.data_at + frame.data_length;
        match self.octets.get(end) {
            None => Ok(None),
            Some(b'\n') => {
                let data = self.octets[frame.data_at..end].to_vec();
                let answer = Answer { number: frame.number, command: frame.command, data };
                self.octets.drain(..=end);
                Ok(Some(answer))
            }
            Some(_) => Err(self.no_relp()),
        }
    }

    /// A TLS server answers text with an alert, which is a record of type 21 (RFC 8446 §5.1).
    fn no_relp(&self) -> RelpError {
        if self.octets.starts_with(&[0x15, 0x03]) { RelpError::AnswersWithTls } else { RelpError::NoRelp }
    }
}

/// The octets cannot be the beginning of a frame.
struct NoFrame;

/// The part of a frame before its data.
struct Header {
    number: u32,
    command: String,
    data_at: usize,
    data_length: usize,
}

impl Header {
    /// Parses the header. `None`: it is not yet whole.
    fn read(octets: &[u8]) -> Result<Option<Self>, NoFrame> {
        let mut at = 0;
        let Some(number) = word(octets, &mut at, 9, u8::is_ascii_digit)? else { return Ok(None) };
        let Some(command) = word(octets, &mut at, 32, u8::is_ascii_alphabetic)? else { return Ok(None) };
        let Some(length) = word(octets, &mut at, 9, u8::is_ascii_digit)? else { return Ok(None) };
        let number = number.parse().map_err(|_| NoFrame)?;
        let data_length = length.parse().map_err(|_| NoFrame)?;
        // Without data, the line feed may follow the length at once.
        let data_at = if octets.get(at - 1) == Some(&b'\n') { at - 1 } else { at };
        if data_length > MAX_DATA || (data_at < at && data_length > 0) {
            return Err(NoFrame);
        }
        Ok(Some(Self { number, command, data_at, data_length }))
    }
}

/// Parses a word of at most `max` octets and the space or line feed after it. `None`: it is not yet whole.
fn word(octets: &[u8], at: &mut usize, max: usize, belongs: fn(&u8) -> bool) -> Result<Option<String>, NoFrame> {
    let rest = octets.get(*at..).unwrap_or_default();
    let length = rest.iter().take(max + 1).take_while(|octet| belongs(octet)).count();
    match rest.get(length) {
        _ if length > max => Err(NoFrame),
        None => Ok(None),
        Some(b' ' | b'\n') if length > 0 => {
            *at += length + 1;
            Ok(Some(String::from_utf8_lossy(&rest[..length]).into_owned()))
        }
        Some(_) => Err(NoFrame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: u32, command: &str, data: &str) -> Answer {
        Answer { number, command: command.to_owned(), data: data.as_bytes().to_vec() }
    }

    /// Returns all frames of some octets that arrive in pieces of this size.
    fn decode(octets: &[u8], piece: usize) -> Result<Vec<Answer>, RelpError> {
        let (mut decoder, mut answers) = (Decoder::default(), Vec::new());
        for piece in octets.chunks(piece) {
            decoder.push(piece);
            while let Some(answer) = decoder.next()? {
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    #[test]
    fn a_frame_has_number_command_length_and_data_and_without_data_no_space() {
        let mut buffer = Vec::new();
        append(&mut buffer, 1, "syslog", "<14>1 ü");
        append(&mut buffer, 2, "close", "");
        assert_eq!(String::from_utf8(buffer).unwrap(), "1 syslog 8 <14>1 ü\n2 close 0\n");
    }

    #[test]
    fn frames_are_read_whatever_pieces_they_arrive_in() {
        let octets = b"1 rsp 20 200 OK\ncommands=sysl\n2 rsp 6 200 OK\n3 rsp 0\n4 rsp 0 \n0 serverclose 0\n";
        let expected = [
            answer(1, "rsp", "200 OK\ncommands=sysl"),
            answer(2, "rsp", "200 OK"),
            answer(3, "rsp", ""),
            answer(4, "rsp", ""),
            answer(0, "serverclose", ""),
        ];
        for piece in 1..=octets.len() {
            assert_eq!(decode(octets, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn octets_that_are_no_frame_are_refused_at_once() {
        for octets in [
            "220 mail.example.com ESMTP",
            "HTTP/1.1 400",
            "1 rsp 6 200 OK!",
            "1  rsp",
            "1 rsp x",
            "1234567890 rsp 0\n",
            "1 rsp 1000000000 ",
            "1 rsp 16385 ",
            "1 rsp 5\n",
            "\u{15}x",
        ] {
            for piece in [1, octets.len()] {
                assert!(matches!(decode(octets.as_bytes(), piece), Err(RelpError::NoRelp)), "{octets:?}");
            }
        }
        let endless = "a".repeat(1 << 20);
        assert!(decode(format!("1 {endless}").as_bytes(), 4096).is_err());
        assert!(matches!(decode(b"\x15\x03\x03\0\x02", 5), Err(RelpError::AnswersWithTls)));
    }

    #[test]
    fn the_result_of_a_command_has_a_code_and_words_that_are_printable_and_short() {
        let result = |data: &str| answer(1, "rsp", data).result();
        let opened = result("200 OK\nrelp_version=0\ncommands=eventlog,syslog").unwrap();
        assert_eq!((opened.code, opened.words.as_str(), opened.offers_syslog()), (200, "OK", true));
        assert!(!result("200 OK\ncommands=syslogd").unwrap().offers_syslog());
        assert_eq!(result("500 \u{1b}[31mno\r").unwrap().words, "\\u{1b}[31mno");
        assert!(result(&format!("500 {}", "x".repeat(9_000))).unwrap().words.chars().count() <= MAX_WORDS + 1);
        for none in ["", "20", "OK", "2000", "-20 x", "099 x", "ü00"] {
            let is_none = result(none).is_none_or(|result| result.code == 200 && none == "2000");
            assert!(is_none, "{none:?}");
        }
    }
}
