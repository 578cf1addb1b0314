//! Lines of a text file, whatever its encoding, none longer than a row may be.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::FileFault;
use super::spool::unlinked;
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

/// Finds out how a file's bytes are letters.
pub fn open(file: &File) -> Result<Lines, FileFault> {
    let mut file = file.try_clone()?;
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

/// Rewrites a file in UTF-16 as UTF-8, on another nameless piece of the same disk. Any other file stays what it is.
pub fn in_narrow_letters(mut file: File, folder: Option<&Path>) -> io::Result<File> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = [0; 2];
    let got = read_up_to(&mut file, &mut head)?;
    let wide: &'static Encoding = match &head[..got] {
        [0xFF, 0xFE] => UTF_16LE,
        [0xFE, 0xFF] => UTF_16BE,
        _ => return Ok(file),
    };
    rewritten(file, wide, unlinked(folder)?)
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

fn rewritten(mut file: File, encoding: &'static Encoding, mut out: File) -> io::Result<File> {
    file.seek(SeekFrom::Start(0))?;
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

/// UTF-8, or else Windows-1252, in which every byte is a letter. One bad byte does not make a file the latter: then every good é in it would
/// become two strange letters, unnoticed, while a bad line in UTF-8 is refused by itself. So a file is UTF-8 when it says so with its mark, when
/// letters of several bytes came before the first byte that fits nowhere, or when there are more of them. In Windows-1252 two such bytes
/// hardly ever stand together by chance. A file with zero bytes is no text.
fn tell_letters(file: &mut File) -> Result<Letters, FileFault> {
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut kept = 0;
    let mut is_marked = false;
    let mut is_first = true;
    let mut good_before_bad = false;
    let (mut good, mut bad): (u64, u64) = (0, 0);
    loop {
        let got = file.read(&mut block[kept..])?;
        if block[kept..kept + got].contains(&0) {
            return Err(FileFault::refused(
                "not_text",
                "Dit is geen tekstbestand. Sla het op als CSV (UTF-8).",
            ));
        }
        let filled = kept + got;
        let mut rest = &block[..filled];
        if is_first && rest.starts_with(&BOM) {
            is_marked = true;
            rest = &rest[BOM.len()..];
        }
        is_first = is_first && filled < BOM.len() && got > 0;
        kept = 0;
        while !rest.is_empty() {
            let (fits, behind) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), None),
                Err(error) => (error.valid_up_to(), Some(error.error_len())),
            };
            // The first byte of a letter of several has its two highest bits set; those behind it have not.
            good += rest[..fits].iter().filter(|byte| **byte >= 0xC0).count() as u64;
            match behind {
                None => break,
                // The letter may go on in the next block.
                Some(None) if got > 0 => {
                    kept = rest.len() - fits;
                    break;
                }
                Some(length) => {
                    good_before_bad = good_before_bad || (bad == 0 && good > 0);
                    bad += 1;
                    rest = &rest[fits + length.unwrap_or(rest.len() - fits)..];
                }
            }
        }
        block.copy_within(filled - kept..filled, 0);
        if got == 0 {
            let is_utf8 = bad == 0 || is_marked || good_before_bad || good > bad;
            return Ok(if is_utf8 {
                Letters::Utf8
            } else {
                Letters::Windows1252
            });
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
    }

    #[test]
    fn a_bad_byte_costs_its_line_and_not_the_letters_of_the_others() {
        let bad = || Line::NotText;
        for (what, bytes, expected) in [
            (
                "behind good ones",
                &b"caf\xC3\xA9\nb\xE9\n"[..],
                vec![text("café"), bad()],
            ),
            (
                "with a mark",
                b"\xEF\xBB\xBFa\nb\xE9\n",
                vec![text("a"), bad()],
            ),
            (
                "before more good ones",
                b"b\xE9\ncaf\xC3\xA9\nca\xC3\xA9\n",
                vec![bad(), text("café"), text("caé")],
            ),
            (
                "at the very end",
                b"caf\xC3\xA9\nb\xC3",
                vec![text("café"), bad()],
            ),
        ] {
            assert_eq!(lines(bytes), (Letters::Utf8, expected), "{what}");
        }
        // Older letters, in which two bytes stand together by chance.
        assert_eq!(lines(b"caf\xE9\n\xC4\xB0\nr\xEB\n").0, Letters::Windows1252);
    }

    #[test]
    fn a_wide_file_is_rewritten_once_where_files_wait() {
        let wide = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}é\nb".encode_utf16().flat_map(order).collect()
        };
        let folder = tempfile::tempdir().unwrap();
        for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let narrow = in_narrow_letters(file, Some(folder.path())).unwrap();
            let mut lines = open(&narrow).unwrap();
            assert_eq!(lines.next_line().unwrap(), Some((1, text("é"))));
            assert_eq!(lines.next_line().unwrap(), Some((2, text("b"))));
        }
        let file = tempfile::tempfile().unwrap();
        let gone = folder.path().join("gone");
        assert!(in_narrow_letters(file.try_clone().unwrap(), Some(&gone)).is_ok());
        (&file).write_all(&wide(u16::to_le_bytes)).unwrap();
        assert!(
            in_narrow_letters(file, Some(&gone)).is_err(),
            "nowhere else than where it was told"
        );
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
