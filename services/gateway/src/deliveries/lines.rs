//! Lines of a text file, whatever its encoding, none longer than a row may be.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::FileFault;
use crate::config::MAX_ROW_BYTES;

const BLOCK_BYTES: usize = 64 * 1024;
const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// How the bytes of a text file are letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// What older office programs write in western Europe.
    Windows1252,
}

/// A line, or why it is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its text, without the end.
    Text(String),
    /// Longer than [`MAX_ROW_BYTES`].
    TooLong,
    /// Bytes that are no letters.
    NotText,
}

/// The lines of a file from its beginning.
pub struct Lines {
    reader: BufReader<File>,
    letters: Letters,
    number: u64,
    buffer: Vec<u8>,
}

/// Finds out how a file's bytes are letters. A file in UTF-16 is rewritten as UTF-8 on another nameless piece of disk.
pub fn open(file: &File) -> Result<Lines, FileFault> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut head = [0; 3];
    let got = read_up_to(&mut file, &mut head)?;
    let wide: Option<&'static Encoding> = match &head[..got] {
        [0xFF, 0xFE, ..] => Some(UTF_16LE),
        [0xFE, 0xFF, ..] => Some(UTF_16BE),
        _ => None,
    };
    if let Some(encoding) = wide {
        file = rewritten(file, encoding)?;
    }
    let letters = tell_letters(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(BLOCK_BYTES, file);
    if reader.fill_buf()?.starts_with(&BOM) {
        reader.consume(BOM.len());
    }
    Ok(Lines {
        reader,
        letters,
        number: 0,
        buffer: Vec::new(),
    })
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let got = file.read(&mut buffer[filled..])?;
        if got == 0 {
            break;
        }
        filled += got;
    }
    Ok(filled)
}

fn rewritten(mut file: File, encoding: &'static Encoding) -> Result<File, FileFault> {
    file.seek(SeekFrom::Start(0))?;
    let mut out = tempfile::tempfile()?;
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut raw = vec![0; BLOCK_BYTES];
    let mut text = String::with_capacity(BLOCK_BYTES * 2);
    loop {
        let got = file.read(&mut raw)?;
        text.clear();
        text.reserve(got * 3 + 16);
        let _ = decoder.decode_to_string(&raw[..got], &mut text, got == 0);
        out.write_all(text.as_bytes())?;
        if got == 0 {
            return Ok(out);
        }
    }
}

/// UTF-8 if all of it is; else Windows-1252, in which every byte is a letter. A file with zero bytes is no text.
fn tell_letters(file: &mut File) -> Result<Letters, FileFault> {
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut kept = 0;
    let mut letters = Letters::Utf8;
    loop {
        let got = file.read(&mut block[kept..])?;
        if block[kept..kept + got].contains(&0) {
            return Err(FileFault::refused(
                "not_text",
                "Dit is geen tekstbestand. Sla het op als CSV (UTF-8).",
            ));
        }
        let filled = kept + got;
        if letters == Letters::Utf8 {
            kept = match std::str::from_utf8(&block[..filled]) {
                Ok(_) => 0,
                Err(error) if error.error_len().is_none() && got > 0 => {
                    filled - error.valid_up_to()
                }
                Err(_) => {
                    letters = Letters::Windows1252;
                    0
                }
            };
            block.copy_within(filled - kept..filled, 0);
        }
        if got == 0 {
            return Ok(letters);
        }
    }
}

impl Lines {
    /// How the bytes are letters.
    pub const fn letters(&self) -> Letters {
        self.letters
    }

    /// The next line and its number, counted from 1.
    pub fn next_line(&mut self) -> io::Result<Option<(u64, Line)>> {
        self.buffer.clear();
        let most = MAX_ROW_BYTES as u64 + 2;
        let got = (&mut self.reader)
            .take(most)
            .read_until(b'\n', &mut self.buffer)?;
        if got == 0 {
            return Ok(None);
        }
        self.number += 1;
        if !self.buffer.ends_with(b"\n") && got as u64 == most {
            self.skip_rest()?;
            return Ok(Some((self.number, Line::TooLong)));
        }
        while self.buffer.ends_with(b"\n") || self.buffer.ends_with(b"\r") {
            self.buffer.pop();
        }
        let line = match self.letters {
            Letters::Utf8 => std::str::from_utf8(&self.buffer)
                .map_or(Line::NotText, |text| Line::Text(text.to_owned())),
            Letters::Windows1252 => {
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(&self.buffer);
                Line::Text(text.into_owned())
            }
        };
        Ok(Some((self.number, line)))
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            let block = self.reader.fill_buf()?;
            if block.is_empty() {
                return Ok(());
            }
            if let Some(at) = block.iter().position(|byte| *byte == b'\n') {
                self.reader.consume(at + 1);
                return Ok(());
            }
            let length = block.len();
            self.reader.consume(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> (Letters, Vec<Line>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut lines = open(&file).unwrap();
        let mut all = Vec::new();
        while let Some((_, line)) = lines.next_line().unwrap() {
            all.push(line);
        }
        (lines.letters(), all)
    }

    fn text(words: &str) -> Line {
        Line::Text(words.to_owned())
    }

    #[test]
    fn letters_are_told_from_bytes() {
        assert_eq!(
            lines("caf\u{e9}\r\nb\n".as_bytes()),
            (Letters::Utf8, vec![text("café"), text("b")])
        );
        assert_eq!(
            lines(b"\xEF\xBB\xBFa\nb"),
            (Letters::Utf8, vec![text("a"), text("b")])
        );
        assert_eq!(
            lines(b"caf\xE9 \x80\nb\n"),
            (Letters::Windows1252, vec![text("café €"), text("b")])
        );
        let wide: Vec<u8> = "\u{feff}é\nb"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(lines(&wide), (Letters::Utf8, vec![text("é"), text("b")]));
    }

    #[test]
    fn a_letter_across_two_blocks_is_still_a_letter() {
        let mut bytes = vec![b'a'; BLOCK_BYTES - 1];
        bytes.extend_from_slice("é\n".as_bytes());
        assert_eq!(lines(&bytes).0, Letters::Utf8);
    }

    #[test]
    fn a_line_that_never_ends_costs_no_memory_and_only_itself() {
        let mut bytes = vec![b'x'; 10 * MAX_ROW_BYTES];
        bytes.extend_from_slice(b"\nb");
        assert_eq!(lines(&bytes).1, vec![Line::TooLong, text("b")]);
    }

    #[test]
    fn what_has_zero_bytes_is_no_text() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"a\0b").unwrap();
        assert!(matches!(
            open(&file),
            Err(FileFault::Refused {
                code: "not_text",
                ..
            })
        ));
    }
}
