//! nginx in a host: a real web server, whose answer is its name.

use std::time::Duration;

use crate::{Error, Netns, Process, Result, TempDir, wait};

/// A running nginx with one worker on port 80.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx in a host; returns when it listens. It answers every request with `name` and a line feed.
    ///
    /// `program` is the name its processes have: hosts share one list of processes, so a `pidof nginx` of one host
    /// would find every host's. A copy of the program under another name is another program.
    #[track_caller]
    pub fn start(host: &Netns, name: &str, program: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let config = format!(
            "daemon off; user root; worker_processes 1; pid {pid}; error_log stderr;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  access_log off;\n  client_body_temp_path {temp};\n  proxy_temp_path {temp};\n  \
             fastcgi_temp_path {temp};\n  uwsgi_temp_path {temp};\n  scgi_temp_path {temp};\n  \
             server {{ listen 80; location / {{ return 200 \"{name}\\n\"; }} }}\n}}\n",
            pid = place("pid"),
            temp = place("temp"),
        );
        let file = folder.write("nginx.conf", &config)?;
        let program = folder.path().join(program);
        let original = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"]
            .into_iter()
            .find(|path| std::fs::exists(path).unwrap_or(false));
        std::fs::copy(original.ok_or_else(|| Error::new("no nginx: run `make deps`"))?, &program)?;
        let argv =
            [&*program.to_string_lossy(), "-c", &*file.to_string_lossy(), "-p", &place(""), "-e", "stderr"];
        let mut process = Process::start(host, &argv, &folder.path().join("log"))?;
        wait::until("nginx to listen", Duration::from_secs(20), || {
            if !process.running() {
                return Err(Error::new(format!("nginx ended:\n{}", process.log().tail(10))));
            }
            Ok(crate::get(host, "127.0.0.1:80", "/", Duration::from_secs(1)).is_ok())
        })?;
        Ok(Self { process, _folder: folder })
    }

    /// SIGKILL for the master and its worker.
    pub fn kill(mut self) -> Result {
        self.process.kill_tree()
    }

    /// The process, for signals.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
