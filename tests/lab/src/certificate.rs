//! Certificates for servers of TLS.

use crate::{Result, TempDir, run};

/// Makes a certificate that vouches for itself, `server.pem`, and its key, `server.key`, and returns both paths.
/// `extensions` are as `openssl req -addext` has them.
pub fn self_signed(folder: &TempDir, subject: &str, extensions: &[&str]) -> Result<(String, String)> {
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let mut argv =
        vec!["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    argv.extend(["-nodes", "-days", "2", "-subj", subject, "-keyout", &key, "-out", &certificate]);
    argv.extend(extensions.iter().flat_map(|extension| ["-addext", extension]));
    run(&argv)?;
    Ok((certificate, key))
}
