//! The bytes of the sender's own file, read as the gateway reads them: without a mark, and two bytes a letter made one.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::Context;

/// What says that a file is UTF-8.
pub const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A file behind its mark.
pub struct Letters {
    /// Its bytes.
    pub bytes: Box<dyn BufRead>,
    /// Whether they are surely UTF-8: the file said so, or it was made so here.
    pub are_utf8: bool,
}

/// Opens a file of text.
pub fn open(path: &Path) -> anyhow::Result<Letters> {
    let mut reader = BufReader::new(File::open(path).context("opening your file failed")?);
    let head = reader.fill_buf().context("reading your file failed")?;
    let unit: fn([u8; 2]) -> u16 = match head {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        head => {
            let are_utf8 = head.starts_with(BOM);
            if are_utf8 {
                reader.consume(BOM.len());
            }
            return Ok(Letters {
                bytes: Box::new(reader),
                are_utf8,
            });
        }
    };
    let mut wide = Vec::new();
    reader
        .read_to_end(&mut wide)
        .context("reading your file failed")?;
    let units = wide[2..]
        .chunks_exact(2)
        .map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units)
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Ok(Letters {
        bytes: Box::new(Cursor::new(text.into_bytes())),
        are_utf8: true,
    })
}

impl Letters {
    /// The lines as bytes, without their ends, with their numbers.
    pub fn lines(self) -> impl Iterator<Item = anyhow::Result<(u64, Vec<u8>)>> {
        (1..).zip(self.bytes.split(b'\n')).map(|(number, line)| {
            let mut line = line.context("reading your file failed")?;
            if line.ends_with(b"\r") {
                line.pop();
            }
            Ok((number, line))
        })
    }
}
