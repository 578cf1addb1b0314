//! The samples in `config/` are settings that work.

use std::path::PathBuf;

use voorveld::config::Settings;
use voorveld_tests::root;

fn samples() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn each_sample_is_parsed_and_there_is_one_per_role() {
    let files = samples();
    for name in [
        "voorveld",
        "gateway",
        "resolver",
        "correlator",
        "outreach",
        "console",
    ] {
        let wanted = root().join("config").join(format!("{name}.toml"));
        assert!(files.contains(&wanted), "there is no sample for {name}");
    }
    for file in files {
        // A sample names secrets that exist only where it is deployed; their paths are checked there.
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "postgres://voorveld@localhost/voorveld").unwrap();
        let text = std::fs::read_to_string(&file)
            .unwrap()
            .replace("/run/secrets/postgres-url", secret.to_str().unwrap());
        let copy = folder.path().join("sample.toml");
        std::fs::write(&copy, text).unwrap();
        Settings::from_file(&copy).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn every_setting_in_the_reference_is_one_that_the_program_knows() {
    let text = std::fs::read_to_string(root().join("config/voorveld.toml")).unwrap();
    // A setting that is commented out begins right behind the #; words have a space between. Twins of a secret are left
    // out, because the value and its file exclude each other.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting)
                if setting.starts_with(|first: char| first.is_ascii_lowercase())
                    && !setting.starts_with("url_file")
                    && !setting.starts_with("username")
                    && !setting.starts_with("password") =>
            {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(
        uncommented.contains("\nlisten = "),
        "nothing was uncommented"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("voorveld.toml");
    std::fs::write(&file, uncommented).unwrap();
    let settings = Settings::from_file(&file).unwrap();
    assert!(settings.kafka.is_some());
}
