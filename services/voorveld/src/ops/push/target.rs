//! Where a file is written for the sender: tried before anything is sent, whole or not at all, and never over another.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// Most names tried for one file.
const NAMES_MAX: u32 = 1_000;

/// A file to be. Until it is kept it has another name, and only its owner can read it: it holds personal data.
#[derive(Debug)]
pub struct Target {
    file: NamedTempFile,
    path: PathBuf,
}

impl Target {
    /// Makes sure that there is room for a file, by whatever name is free when it is kept.
    pub fn beside(path: PathBuf) -> anyhow::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".voorveld-")
            .tempfile_in(folder)
            .with_context(|| format!("nothing can be written in {}", folder.display()))?;
        Ok(Self { file, path })
    }

    /// The same for a name that somebody chose: that one must be free.
    pub fn named(path: PathBuf) -> anyhow::Result<Self> {
        if path.try_exists().unwrap_or(true) {
            bail!("{} is there already; choose another name", path.display());
        }
        Self::beside(path)
    }

    /// Where to write.
    pub fn writer(&mut self) -> BufWriter<impl Write + '_> {
        BufWriter::new(self.file.as_file_mut())
    }

    /// Gives the file its name, or the next one that is free: `x.csv`, `x-2.csv`, `x-3.csv`.
    pub fn keep(self) -> anyhow::Result<PathBuf> {
        let Self { mut file, path } = self;
        file.as_file().sync_all()?;
        for number in 1..=NAMES_MAX {
            let name = numbered(&path, number);
            match file.persist_noclobber(&name) {
                Ok(_) => return Ok(name),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    file = error.file;
                }
                Err(error) => {
                    return Err(error.error)
                        .with_context(|| format!("writing {} failed", name.display()));
                }
            }
        }
        bail!("there are too many files like {}", path.display())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(ending) => format!("{stem}-{number}.{}", ending.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_gets_a_name_that_is_free_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.te-verbeteren.csv");
        for name in [
            "x.te-verbeteren.csv",
            "x.te-verbeteren-2.csv",
            "x.te-verbeteren-3.csv",
        ] {
            let mut target = Target::beside(path.clone()).unwrap();
            target.writer().write_all(b"b").unwrap();
            let kept = target.keep().unwrap();
            assert_eq!(kept, folder.path().join(name));
            assert_eq!(std::fs::read(&kept).unwrap(), b"b");
            let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(Target::named(path.clone()).is_err());
        drop(Target::beside(path).unwrap());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            3,
            "what is not kept is gone"
        );
        assert!(Target::beside(folder.path().join("no").join("x")).is_err());
    }
}
