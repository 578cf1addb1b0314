//! A file on its way in, kept on a nameless piece of disk: it holds personal data, so when the process ends, however, it is gone.

use std::fs::File;
use std::io;
use std::path::Path;

use axum::body::Body;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use voorveld_chassis::problem::{Problem, ProblemType};

use crate::config::{BODY_PATIENCE, MAX_DELIVERY_BYTES};
use crate::intake::Intake;

/// The digest is taken over blocks of this size, however the bytes came in.
const DIGEST_BLOCK_BYTES: usize = 64 * 1024;

/// A file that came in whole.
#[derive(Debug)]
pub struct Spooled {
    /// Its bytes.
    pub file: File,
    /// Keyed digest of all of it.
    pub digest: [u8; 32],
}

/// A piece of disk without a name, in the folder that was named for it.
pub fn unlinked(folder: Option<&Path>) -> io::Result<File> {
    match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    }
}

/// Takes a body in, within its limit.
pub async fn spool(body: Body, folder: Option<&Path>, intake: &Intake) -> Result<Spooled, Problem> {
    let disk =
        |error: io::Error| Problem::internal(format_args!("spooling a file failed: {error}"));
    let mut file = tokio::fs::File::from_std(unlinked(folder).map_err(disk)?);
    let mut stream = body.into_data_stream();
    let reading = async {
        let mut length: u64 = 0;
        let mut digest = [0; 32];
        let mut block = Vec::with_capacity(DIGEST_BLOCK_BYTES);
        while let Some(part) = stream.next().await {
            let part = part.map_err(|_| crate::http::broken_off())?;
            length += part.len() as u64;
            if length > MAX_DELIVERY_BYTES {
                return Err(Problem::new(ProblemType::TooLarge)
                    .detail("Een bestand is hoogstens 512 MiB. Knip het in delen."));
            }
            file.write_all(&part).await.map_err(disk)?;
            let mut rest = &part[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(DIGEST_BLOCK_BYTES - block.len()));
                block.extend_from_slice(now);
                rest = later;
                if block.len() == DIGEST_BLOCK_BYTES {
                    digest = intake.chain_file_digest(&digest, &block);
                    block.clear();
                }
            }
        }
        digest = intake.chain_file_digest(&digest, &block);
        file.flush().await.map_err(disk)?;
        Ok(digest)
    };
    let digest = tokio::time::timeout(BODY_PATIENCE, reading)
        .await
        .unwrap_or_else(|_late| Err(Problem::new(ProblemType::RequestTimeout)))?;
    Ok(Spooled {
        file: file.into_std().await,
        digest,
    })
}
