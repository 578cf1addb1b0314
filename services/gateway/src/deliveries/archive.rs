//! What a spreadsheet's archive would cost to read, found out before it is read.
//!
//! Its own words are not believed. A list of sizes may lie, so every part is unpacked once into nothing and counted. A part may say that it
//! has ten million million texts, and a reader that makes room for them takes the whole process down: running out of memory cannot be
//! caught. So every part that a reader may take for XML is read through with the same parser and the same settings, in constant memory, and
//! whatever a reader would keep is counted.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::FileFault;
use crate::config::{
    MAX_XLSX_BYTES, MAX_XLSX_CELL_BYTES, MAX_XLSX_FORMAT_TAG_BYTES, MAX_XLSX_FORMATS,
    MAX_XLSX_NAMES, MAX_XLSX_PARTS, MAX_XLSX_STRING_BYTES, MAX_XLSX_STRINGS,
    MAX_XLSX_UNPACKED_BYTES,
};

/// What a file is told that no reader makes anything of.
pub fn unreadable() -> FileFault {
    FileFault::refused(
        "not_a_spreadsheet",
        "Dit is geen leesbaar Excel-bestand. Sla het op als .xlsx, zonder wachtwoord.",
    )
}

fn unpacks_too_large() -> FileFault {
    FileFault::too_large(
        "Uitgepakt is dit Excel-bestand groter dan 256 MiB. Knip het in delen of stuur CSV.",
    )
}

fn too_many(what: &str, limit: u64) -> FileFault {
    FileFault::too_large(format!(
        "Dit Excel-bestand heeft meer dan {limit} {what}. Knip het in delen of stuur CSV."
    ))
}

/// Refuses an archive that is no spreadsheet, or one that a reader could not hold.
pub fn check_archive(file: &mut File) -> Result<(), FileFault> {
    if file.metadata()?.len() > MAX_XLSX_BYTES {
        return Err(FileFault::too_large(
            "Een Excel-bestand is hoogstens 64 MiB. Knip het in delen of stuur CSV.",
        ));
    }
    file.seek(SeekFrom::Start(0))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|_| unreadable())?;
    if archive.len() > MAX_XLSX_PARTS {
        return Err(unpacks_too_large());
    }
    let meter = Rc::new(Meter {
        left: Cell::new(MAX_XLSX_UNPACKED_BYTES),
        piece: Cell::new(0),
    });
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|_| unreadable())?;
        if part.size() > meter.left.get() {
            return Err(unpacks_too_large());
        }
        let name = part.name().map_err(|_| unreadable())?.into_owned();
        let mut part = Metered {
            inner: part,
            meter: Rc::clone(&meter),
        };
        if is_read_through(&name) {
            let mut tally = Tally::default();
            part = tally.scan(part, &meter)?;
        }
        // What is behind the last thing that could be read, or is no XML at all, still takes room.
        meter.piece.set(u64::MAX);
        io::copy(&mut part, &mut io::sink())
            .map_err(|_| meter.fault().unwrap_or_else(unreadable))?;
    }
    Ok(())
}

/// Whether a part is one that a reader may take for XML, by the only thing a reader goes by: its name.
fn is_read_through(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    ["xml", "rels"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

/// How much may still be unpacked: of everything, and of the piece that is being read.
struct Meter {
    left: Cell<u64>,
    piece: Cell<u64>,
}

impl Meter {
    /// Which limit was met, if one was.
    fn fault(&self) -> Option<FileFault> {
        if self.left.get() == 0 {
            Some(unpacks_too_large())
        } else if self.piece.get() == 0 {
            Some(cell_too_long())
        } else {
            None
        }
    }
}

fn cell_too_long() -> FileFault {
    FileFault::too_large(
        "In dit Excel-bestand staat een cel van meer dan 1 MiB. Controleer het bestand of stuur CSV.",
    )
}

struct Metered<R> {
    inner: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.meter.left.get().min(self.meter.piece.get());
        if most == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let got = self.inner.read(&mut buffer[..most])?;
        self.meter.left.set(self.meter.left.get() - got as u64);
        self.meter.piece.set(self.meter.piece.get() - got as u64);
        Ok(got)
    }
}

/// What a reader would keep of one part.
#[derive(Default)]
struct Tally {
    strings: u64,
    string_bytes: u64,
    formats: [u64; 5],
    names: [u64; 3],
    is_styles: bool,
    /// Bytes of the cell or shared text that is being read.
    within: Option<u64>,
}

impl Tally {
    /// Reads a part as XML to its end, or to where it is no XML any more: no reader comes further. Gives the part back for what is left.
    fn scan<R: Read>(&mut self, part: Metered<R>, meter: &Meter) -> Result<Metered<R>, FileFault> {
        let mut xml = Reader::from_reader(BufReader::new(part));
        let config = xml.config_mut();
        config.check_end_names = false;
        config.check_comments = false;
        config.expand_empty_elements = true;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            meter.piece.set(MAX_XLSX_CELL_BYTES);
            let event = match xml.read_event_into(&mut buffer) {
                Ok(Event::Eof) => break,
                Ok(event) => event,
                Err(_) => match meter.fault() {
                    Some(fault) => return Err(fault),
                    None => break,
                },
            };
            match &event {
                Event::Start(tag) => self.open(tag)?,
                Event::End(tag) if matches!(tag.local_name().as_ref(), "si" | "c") => {
                    self.within = None;
                }
                _ => {}
            }
            if let Some(bytes) = &mut self.within {
                *bytes += event.len() as u64;
                self.string_bytes += event.len() as u64;
                if *bytes > MAX_XLSX_CELL_BYTES {
                    return Err(cell_too_long());
                }
            }
            if self.strings > 0 && self.string_bytes > MAX_XLSX_STRING_BYTES {
                return Err(FileFault::too_large(
                    "De teksten in dit Excel-bestand zijn samen groter dan 64 MiB. Knip het in delen of stuur CSV.",
                ));
            }
        }
        Ok(xml.into_inner().into_inner())
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), FileFault> {
        let name = tag.local_name();
        let counted = match name.as_ref() {
            "sst" => return check_promise(tag),
            "styleSheet" => {
                self.is_styles = true;
                return Ok(());
            }
            "si" => {
                self.within = Some(0);
                self.strings += 1;
                (self.strings, MAX_XLSX_STRINGS, "teksten")
            }
            "c" => {
                self.within = Some(0);
                return Ok(());
            }
            "xf" => counted(&mut self.formats[0], MAX_XLSX_FORMATS, "opmaken"),
            "font" => counted(&mut self.formats[1], MAX_XLSX_FORMATS, "lettertypen"),
            "fill" => counted(&mut self.formats[2], MAX_XLSX_FORMATS, "opvullingen"),
            "border" => counted(&mut self.formats[3], MAX_XLSX_FORMATS, "randen"),
            "numFmt" => counted(&mut self.formats[4], MAX_XLSX_FORMATS, "getalnotaties"),
            "sheet" => counted(&mut self.names[0], MAX_XLSX_NAMES, "bladen"),
            "definedName" => counted(&mut self.names[1], MAX_XLSX_NAMES, "namen"),
            "Relationship" => {
                check_target(tag)?;
                counted(&mut self.names[2], MAX_XLSX_NAMES, "verwijzingen")
            }
            _ => (0, 0, ""),
        };
        let (count, limit, what) = counted;
        if count > limit {
            return Err(too_many(what, limit));
        }
        if self.is_styles && tag.len() > MAX_XLSX_FORMAT_TAG_BYTES {
            return Err(FileFault::too_large(
                "De opmaak van dit Excel-bestand is te groot. Sla alleen de gegevens op, of stuur CSV.",
            ));
        }
        Ok(())
    }
}

fn counted(count: &mut u64, limit: u64, what: &'static str) -> (u64, u64, &'static str) {
    *count += 1;
    (*count, limit, what)
}

/// How many texts a part says it has: a reader makes room for so many before it has seen one.
fn check_promise(tag: &BytesStart<'_>) -> Result<(), FileFault> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| unreadable())?;
        if attribute.key.local_name().as_ref() != "uniqueCount" {
            continue;
        }
        let promised: u64 = attribute.value.parse().map_err(|_| unreadable())?;
        if promised > MAX_XLSX_STRINGS {
            return Err(too_many("teksten", MAX_XLSX_STRINGS));
        }
    }
    Ok(())
}

/// What a reader will take for the list of sheets or for a sheet must be a part that was read through here.
fn check_target(tag: &BytesStart<'_>) -> Result<(), FileFault> {
    let (mut is_read, mut is_checked) = (false, false);
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| unreadable())?;
        match attribute.key.as_ref() {
            "Type" => {
                let last = attribute.value.rsplit('/').next();
                is_read = matches!(last, Some("officeDocument" | "worksheet"));
            }
            "Target" => is_checked = is_read_through(&attribute.value),
            _ => {}
        }
    }
    if is_read && !is_checked {
        return Err(unreadable());
    }
    Ok(())
}
