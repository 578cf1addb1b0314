//! Delivered files: from bytes to claims, row by row, in constant memory.
//!
//! A file is spooled to a disk without a name, surveyed once (so that a file that is no file is refused before its first row is taken), and
//! then read in chunks. A row is a line of a text file, a row of a sheet, or a `vroegsignaal` of a DDAS document.

mod archive;
mod cells;
mod columns;
mod csv;
mod ddas;
mod lines;
mod ndjson;
pub mod receive;
pub mod spool;
mod xlsx;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use voorveld_chassis::problem::{Problem, ProblemDetail, ProblemType};
use voorveld_policy::Policy;
use voorveld_store::partners::Partner;
use voorveld_wire::intake_v1::{Claim, Flaw};

pub(crate) use cells::dutch_number;
pub use columns::{TEMPLATE_COLUMNS, TemplateColumn};

/// What kind of file it is, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with a separator.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// A DDAS vroegsignalering document.
    Ddas,
    /// A spreadsheet.
    Xlsx,
}

impl Format {
    /// Every media type that is understood.
    pub const MEDIA_TYPES: [(&'static str, Self); 5] = [
        ("text/csv", Self::Csv),
        ("application/x-ndjson", Self::Ndjson),
        ("application/ndjson", Self::Ndjson),
        ("application/json", Self::Ddas),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Xlsx,
        ),
    ];

    /// The format of a media type.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Self::MEDIA_TYPES
            .into_iter()
            .find(|(known, _)| *known == media_type)
            .map(|(_, format)| format)
    }
}

/// What goes for rows that do not say it themselves.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The kind.
    pub kind: Option<String>,
    /// The municipality.
    pub municipality: Option<String>,
}

/// What a reader needs to know besides the bytes.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Kinds and their fields.
    pub policy: Arc<Policy>,
    /// Who sends.
    pub partner: Arc<Partner>,
    /// What goes for rows that do not say it.
    pub defaults: Defaults,
}

/// A row as it was read.
#[derive(Debug)]
pub struct Row {
    /// As the sender counts: the line, the sheet's row, or the position in the document.
    pub number: u64,
    /// What it states.
    pub claim: Claim,
    /// What could not be read; places as in the JSON form.
    pub flaws: Vec<Flaw>,
}

/// What a row takes besides its texts.
const ROW_BYTES: usize = 512;

impl Row {
    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let flaws = self.flaws.iter();
        let told = flaws.map(|flaw| flaw.place.len() + flaw.expected.len() + size_of::<Flaw>());
        ROW_BYTES + self.claim.text_bytes() + told.sum::<usize>()
    }
}

/// How the sender calls the places of the JSON form.
#[derive(Debug, Clone, Default)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// The sender's own word for a place: a heading it wrote and we know, or the pointer itself.
    #[must_use]
    pub fn shown(&self, place: &str) -> String {
        self.0
            .get(place)
            .cloned()
            .unwrap_or_else(|| place.to_owned())
    }

    fn call(&mut self, place: &str, word: &str) {
        self.0.insert(place.to_owned(), word.to_owned());
    }
}

/// What was found out about a file before its first row was taken in.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The format, as a code.
    pub format: &'static str,
    /// Rows.
    pub rows: u64,
    /// Parts that tell what another system did.
    pub not_imported: u64,
    /// How the sender calls things.
    pub names: Names,
    /// For a DDAS document: the municipality of each `levering`, which may stand behind its signals.
    ddas_municipalities: Arc<Vec<Option<String>>>,
}

impl Survey {
    fn of(format: &'static str, names: Names) -> Self {
        Self {
            format,
            rows: 0,
            not_imported: 0,
            names,
            ddas_municipalities: Arc::default(),
        }
    }
}

/// Why a file as a whole cannot be taken in. Never holds anything of its contents.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The disk.
    #[error("reading a spooled file failed")]
    Io(#[from] io::Error),
    /// It can be read, but not as this format.
    #[error("the file was refused as {code}")]
    Refused {
        /// What is wrong.
        code: &'static str,
        /// What to do, in Dutch.
        detail: String,
    },
    /// More than a limit that has a name.
    #[error("the file is larger than it may be")]
    TooLarge {
        /// Which limit, in Dutch.
        detail: String,
    },
}

impl FileFault {
    fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused {
            code,
            detail: detail.into(),
        }
    }

    fn too_large(detail: impl Into<String>) -> Self {
        Self::TooLarge {
            detail: detail.into(),
        }
    }

    /// The codes of refused files, for `docs/api.md`.
    pub const CODES: [&'static str; 12] = [
        "file_empty",
        "not_text",
        "heading_row_missing",
        "column_unknown",
        "column_twice",
        "column_missing",
        "too_many_columns",
        "not_json",
        "document_shape",
        "document_field_unknown",
        "signal_too_long",
        "not_a_spreadsheet",
    ];

    /// What the sender is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Io(error) => Problem::internal(error),
            Self::Refused { code, detail } => Problem::new(ProblemType::InvalidRequest)
                .detail("Dit bestand kunnen wij niet aannemen. Er is niets uit overgenomen.")
                .error(ProblemDetail::new(*code, detail.clone())),
            Self::TooLarge { detail } => Problem::new(ProblemType::TooLarge).detail(detail.clone()),
        }
    }
}

/// Takes rows one by one; breaking off ends the reading without a fault.
pub type Sink<'a> = dyn FnMut(Row) -> ControlFlow<()> + 'a;

/// Makes a spooled file ready to be read as often as it takes. `folder` is where files wait.
pub fn prepare(format: Format, file: File, folder: Option<&Path>) -> io::Result<File> {
    match format {
        Format::Csv | Format::Ndjson | Format::Ddas => lines::in_narrow_letters(file, folder),
        Format::Xlsx => Ok(file),
    }
}

/// Reads a whole file once to see what it is: format, rows, and whatever stands in the way of taking it in. A file without rows is taken for a
/// mistake, unless its sender said that it tells all there is.
pub fn survey(
    format: Format,
    file: &mut File,
    reading: &Reading,
    may_be_empty: bool,
) -> Result<Survey, FileFault> {
    let mut rows = 0;
    let mut count = |_row: Row| {
        rows += 1;
        ControlFlow::Continue(())
    };
    let mut survey = match format {
        Format::Csv => csv::read(file, reading, &mut count)?,
        Format::Ndjson => ndjson::read(file, reading, &mut count)?,
        Format::Ddas => ddas::survey(file)?,
        Format::Xlsx => xlsx::read(file, reading, &mut count)?,
    };
    if format != Format::Ddas {
        survey.rows = rows;
    }
    if survey.rows == 0 && survey.not_imported == 0 && !may_be_empty {
        return Err(FileFault::refused(
            "file_empty",
            "Er staan geen signalen in dit bestand.",
        ));
    }
    Ok(survey)
}

/// Reads the rows of a surveyed file.
pub fn read_rows(
    format: Format,
    file: &mut File,
    reading: &Reading,
    survey: &Survey,
    sink: &mut Sink<'_>,
) -> Result<(), FileFault> {
    match format {
        Format::Csv => csv::read(file, reading, sink).map(drop),
        Format::Ndjson => ndjson::read(file, reading, sink).map(drop),
        Format::Ddas => ddas::read(file, reading, &survey.ddas_municipalities, sink),
        Format::Xlsx => xlsx::read(file, reading, sink).map(drop),
    }
}
