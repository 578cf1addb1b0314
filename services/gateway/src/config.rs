//! What the gateway is told, and the limits it keeps. Everything has a limit and the limit has a name; `docs/api.md` tells partners.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use voorveld_domain::MunicipalityCode;

/// Most signals in one request.
pub const MAX_SIGNALS_PER_REQUEST: usize = 1_000;
/// Largest JSON body of a request with signals: a thousand signals of two kilobytes.
pub const MAX_REQUEST_BYTES: usize = 2 * 1024 * 1024;
/// Largest delivered file.
pub const MAX_DELIVERY_BYTES: u64 = 512 * 1024 * 1024;
/// Most rows in a delivered file.
pub const MAX_DELIVERY_ROWS: u64 = 500_000;
/// Most rows in a spreadsheet.
pub const MAX_XLSX_ROWS: u64 = 100_000;
/// Largest spreadsheet as it is sent.
pub const MAX_XLSX_BYTES: u64 = 64 * 1024 * 1024;
/// Largest spreadsheet when unpacked, all its parts together.
pub const MAX_XLSX_UNPACKED_BYTES: u64 = 256 * 1024 * 1024;
/// Most files inside a spreadsheet's archive.
pub const MAX_XLSX_PARTS: usize = 1_000;
/// Most different texts that a spreadsheet keeps apart from its cells: ten for each row there may be. A reader holds all of them at once.
pub const MAX_XLSX_STRINGS: u64 = 1_000_000;
/// All those texts together.
pub const MAX_XLSX_STRING_BYTES: u64 = 64 * 1024 * 1024;
/// Most fonts, fills, borders, number formats or combinations of them. A reader holds a copy of its parts for each combination.
pub const MAX_XLSX_FORMATS: u64 = 32_768;
/// Longest tag that tells of a format: a copy of it may be held for each of the [`MAX_XLSX_FORMATS`].
pub const MAX_XLSX_FORMAT_TAG_BYTES: usize = 2 * 1024;
/// Most sheets, names and relations between parts, each.
pub const MAX_XLSX_NAMES: u64 = 65_536;
/// Longest cell: 32,767 characters is what a spreadsheet program allows, and none takes more than 32 bytes with its markup.
pub const MAX_XLSX_CELL_BYTES: u64 = 1024 * 1024;
/// Longest row of a text file, and longest signal of a document.
pub const MAX_ROW_BYTES: usize = 64 * 1024;
/// Most columns of a file.
pub const MAX_COLUMNS: usize = 100;
/// Rows taken in together: one transaction, one append, one acknowledgement. As many as a stage reads at once: a broker that is alone flushes every
/// partition for each append, and what is set by set in the database costs less a row in larger sets.
pub const CHUNK_ROWS: usize = voorveld_bus::MAX_BATCH;
/// Most text in rows that are taken in together; whichever comes first. Rows are held in a few copies while they are.
pub const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Chunks read ahead of the one being taken in.
pub const CHUNKS_AHEAD: usize = 2;
/// Deliveries of one partner that are read at the same time.
pub const MAX_DELIVERIES_PER_PARTNER: usize = 4;
/// Longest silence in which a delivery still counts as being received by somebody.
pub const DELIVERY_SILENCE: Duration = Duration::from_mins(2);
/// How often a delivery shows that somebody is still at it, however slowly its rows come in.
pub const DELIVERY_TOUCH: Duration = Duration::from_secs(30);
/// How often silent deliveries are looked for.
pub const DELIVERY_SWEEP: Duration = Duration::from_secs(20);
/// How long a delivery waits for a database or log that is down before it is interrupted.
pub const DELIVERY_PATIENCE: Duration = Duration::from_mins(1);
/// How long a key that was looked up is believed: this long a disabled partner may still send.
pub const KEY_BELIEVED: Duration = Duration::from_secs(5);
/// Keys remembered.
pub const KEYS_REMEMBERED: usize = 10_000;
/// When to come back after a refusal for want of the database or the log.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Results in one page.
pub const RESULTS_PER_PAGE: u32 = 1_000;
/// How long a caller may take to send its body.
pub const BODY_PATIENCE: Duration = Duration::from_mins(10);

/// What the gateway is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where its door opens.
    pub listen: SocketAddr,
    /// How partners reach it, for the API document; absent: an example.
    pub public_url: Option<String>,
    /// Tell browsers to use HTTPS only.
    pub strict_transport: bool,
    /// The municipalities this installation serves.
    pub municipalities: BTreeSet<MunicipalityCode>,
    /// Where files wait, without a name, while they are read; absent: the system's temporary folder. Use a disk, not memory.
    pub spool_dir: Option<PathBuf>,
}
