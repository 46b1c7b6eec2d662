//! A file of certificates that a configuration names, and a mark of what stands in it: so that a configuration whose
//! file has new content is another one than before, as the connections made with it have to be.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::document::Node;
use super::values::path;

/// More than all public authorities together take, in bytes. What comes after that does not count as a change.
const LARGEST: u64 = 4 << 20;

/// A file of certificates (PEM).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFile {
    /// Where it is.
    pub path: PathBuf,
    /// The digest of what stood there when the configuration was read; `None` if it could not be read. Whether there
    /// are certificates in it is for whoever uses it to say.
    content: Option<[u8; 32]>,
}

impl CaFile {
    /// A value that is the path of such a file. Blocks on the file.
    pub(super) fn read(folder: &Path) -> impl Fn(&Node) -> Result<Self, String> {
        let path = path(folder);
        move |node| {
            let path = path(node)?;
            let content = digest(&path).ok();
            Ok(Self { path, content })
        }
    }
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut content = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut content)?;
    Ok(Sha256::digest(&content).into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Config, Environment, Source, load};

    #[test]
    fn a_configuration_is_another_one_when_its_certificates_are() {
        let folder = std::env::temp_dir().join(format!("weir-ca-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, ca) = (folder.join("weir.yaml"), folder.join("ca.pem"));
        let text = "providers: [{ name: a, plugin: openai, base_url: https://a.example, ca_file: ca.pem }]";
        fs::write(&file, text).unwrap();
        let read =
            || -> Config { load(&Source { file: Some(file.clone()), environment: Environment::default() }).unwrap() };
        let missing = read();
        assert_eq!(missing, read());
        fs::write(&ca, "one").unwrap();
        let one = read();
        assert_ne!(missing, one);
        fs::write(&ca, "two").unwrap();
        assert_ne!(one, read());
        fs::write(&ca, "one").unwrap();
        assert_eq!(one, read());
        assert!(one.files().contains(&ca));
        fs::remove_dir_all(&folder).unwrap();
    }
}
