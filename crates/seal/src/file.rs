//! Key files: a title that says what it is and who may have it, lines with a name, the key in base64.
//!
//! ```text
//! voorveld sealing key v1 (public)
//! id: 00112233445566aa
//! key: …
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Every key in a file has this many bytes.
pub(crate) const FILE_KEY_BYTES: usize = 32;
/// A key file is three or four short lines; more is another file.
const FILE_MAX_BYTES: u64 = 4_096;

/// Why a file is no key. Never holds anything of the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("key file {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another kind of key, or no key at all.
    #[error("expected a file that begins with `{expected}`")]
    WrongTitle {
        /// The first line it should have had.
        expected: &'static str,
    },
    /// A line is missing or says something else than the key itself.
    #[error("the line `{0}:` is missing or does not belong to this key")]
    Line(&'static str),
    /// The key is no base64 of the right length.
    #[error("the line `key:` holds no key")]
    NotAKey,
}

/// The parts of a read key file.
pub(crate) struct KeyFile<'a> {
    lines: Vec<(&'a str, &'a str)>,
    pub(crate) key: Zeroizing<[u8; FILE_KEY_BYTES]>,
}

impl<'a> KeyFile<'a> {
    pub(crate) fn write(
        title: &str,
        lines: &[(&str, &str)],
        key: &[u8; FILE_KEY_BYTES],
    ) -> Zeroizing<String> {
        // The capacity is generous so that no copy of the key stays behind in a buffer that was outgrown.
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str(title);
        text.push('\n');
        for (name, value) in lines {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        }
        text.push_str("key: ");
        STANDARD.encode_string(key, &mut text);
        text.push('\n');
        text
    }

    pub(crate) fn read(text: &'a str, title: &'static str) -> Result<Self, KeyFileError> {
        let mut rows = text.lines().map(str::trim_end);
        if rows.next() != Some(title) {
            return Err(KeyFileError::WrongTitle { expected: title });
        }
        let lines: Vec<(&str, &str)> = rows.filter_map(|row| row.split_once(": ")).collect();
        let encoded = lines
            .iter()
            .find(|(name, _)| *name == "key")
            .map(|(_, value)| *value)
            .ok_or(KeyFileError::Line("key"))?;
        let decoded = Zeroizing::new(
            STANDARD
                .decode(encoded)
                .map_err(|_| KeyFileError::NotAKey)?,
        );
        let mut key = Zeroizing::new([0; FILE_KEY_BYTES]);
        if decoded.len() != FILE_KEY_BYTES {
            return Err(KeyFileError::NotAKey);
        }
        key.copy_from_slice(&decoded);
        Ok(Self { lines, key })
    }

    pub(crate) fn line(&self, name: &'static str) -> Result<&'a str, KeyFileError> {
        self.lines
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
            .ok_or(KeyFileError::Line(name))
    }

    pub(crate) fn expect_line(&self, name: &'static str, value: &str) -> Result<(), KeyFileError> {
        if self.line(name)? == value {
            Ok(())
        } else {
            Err(KeyFileError::Line(name))
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_path_buf();
    move |source| KeyFileError::Io { path, source }
}

pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let length = fs::metadata(path).map_err(io_at(path))?.len();
    if length > FILE_MAX_BYTES {
        return Err(KeyFileError::NotAKey);
    }
    Ok(Zeroizing::new(
        fs::read_to_string(path).map_err(io_at(path))?,
    ))
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeyFileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(io_at(path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io_at(path))
}

/// Writes a private key file, readable by its owner alone. Never overwrites: what an old key sealed would be lost with it.
pub fn write_private(path: &Path, text: &str) -> Result<(), KeyFileError> {
    write_new(path, text, 0o600)
}

/// Writes a public key file. Never overwrites.
pub fn write_public(path: &Path, text: &str) -> Result<(), KeyFileError> {
    write_new(path, text, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLE: &str = "voorveld test key v1";

    #[test]
    fn what_is_written_reads_back() {
        let text = KeyFile::write(TITLE, &[("label", "x")], &[7; 32]);
        let file = KeyFile::read(&text, TITLE).unwrap();
        assert_eq!(*file.key, [7; 32]);
        assert_eq!(file.line("label").unwrap(), "x");
        assert!(file.expect_line("label", "y").is_err());
    }

    #[test]
    fn broken_files_say_what_is_wrong_without_the_key() {
        for (text, expected) in [
            (
                "",
                "expected a file that begins with `voorveld test key v1`",
            ),
            (
                "voorveld test key v1\nid: 1\n",
                "the line `key:` is missing or does not belong to this key",
            ),
            (
                "voorveld test key v1\nkey: !!!\n",
                "the line `key:` holds no key",
            ),
            (
                "voorveld test key v1\nkey: AAAA\n",
                "the line `key:` holds no key",
            ),
        ] {
            let error = KeyFile::read(text, TITLE).err().unwrap();
            assert_eq!(error.to_string(), expected);
        }
    }
    #[test]
    fn a_private_file_is_its_owners_alone_and_is_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("opening.key");
        write_private(&path, "first").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            write_private(&path, "second"),
            Err(KeyFileError::Io { .. })
        ));
        assert_eq!(read_text(&path).unwrap().as_str(), "first");
    }

    #[test]
    fn a_long_file_is_not_read_as_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("not.key");
        write_public(&path, &"x".repeat(5_000)).unwrap();
        assert!(matches!(read_text(&path), Err(KeyFileError::NotAKey)));
        assert!(matches!(
            read_text(&directory.path().join("absent")),
            Err(KeyFileError::Io { .. })
        ));
    }
}
