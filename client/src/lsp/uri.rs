//! `file:` URIs and paths.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The path of a `file:` URI.
pub(super) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    // A host may stand before the path; it is this one.
    let path = rest.get(rest.find('/')?..)?;
    let mut bytes = Vec::new();
    let mut left = path.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [left.next()?, left.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    let path = String::from_utf8(bytes).ok()?;
    // `/c:/folder` is `c:/folder`.
    let drive = path.as_bytes().get(2) == Some(&b':') && cfg!(windows);
    Some(PathBuf::from(if drive { path.get(1..)? } else { &path }))
}

/// The `file:` URI of an absolute path.
pub(super) fn of_path(path: &Path) -> String {
    let text = path.display().to_string().replace('\\', if cfg!(windows) { "/" } else { "\\" });
    let mut uri = "file://".to_owned();
    if !text.starts_with('/') {
        uri.push('/');
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back() {
        for path in ["/a/b.hq", "/my data/größe #1/x%20.hq"] {
            assert_eq!(to_path(&of_path(Path::new(path))), Some(PathBuf::from(path)));
        }
        assert_eq!(of_path(Path::new("/a b.hq")), "file:///a%20b.hq");
        assert_eq!(to_path("file://localhost/a.hq"), Some(PathBuf::from("/a.hq")));
        for wrong in ["untitled:Untitled-1", "file:///%", "file:///%zz", "file:///%ff", "file:", "http://x/y"]
        {
            assert_eq!(to_path(wrong), None, "{wrong}");
        }
    }
}
