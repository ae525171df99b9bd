//! Redis, PostgreSQL and MariaDB.

use lab::Result;
use nix::sys::signal::Signal;

use crate::Bench;

#[test]
fn redis_is_alive_while_it_answers_ping() -> Result {
    let bench = Bench::new("redis")?;
    let dir = bench.path("");
    let start = |more: &[&str]| {
        let mut argv =
            vec!["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", &dir];
        argv.extend(more);
        bench.server(&argv)
    };
    let mut server = start(&[])?;
    let watched = bench.checked("127.0.0.1:6379", "type = \"redis\"")?;
    watched.alive("PONG")?;
    // It hangs: the connection is taken by the kernel, the answer does not come.
    server.signal(Signal::SIGSTOP)?;
    watched.dead("no answer in time")?;
    server.signal(Signal::SIGCONT)?;
    watched.alive("PONG")?;
    server.kill_tree()?;
    watched.dead("connection refused")?;
    let _server = start(&["--requirepass", "secret"])?;
    watched.alive("wants authentication")
}

#[test]
fn postgresql_is_alive_while_it_starts_sessions() -> Result {
    let bench = Bench::new("postgres")?;
    lab::run(&["chown", "postgres", &bench.path("")])?;
    let data = bench.path("data");
    // Debian's path has the version in it.
    let programs = lab::run(&["sh", "-c", "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1"])?;
    let programs = programs.trim();
    let initdb = format!("{programs}/initdb");
    let as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];
    let mut argv = as_postgres.to_vec();
    argv.extend([&initdb, "-D", &data, "--auth=scram-sha-256", "--pwfile=/etc/hostname", "--no-sync"]);
    lab::run(&argv)?;
    let postgres = format!("{programs}/postgres");
    let sockets = bench.path("");
    let mut argv = as_postgres.to_vec();
    argv.extend([&postgres, "-D", &data, "-h", "127.0.0.1", "-k", &sockets, "-F"]);
    let mut server = bench.server(&argv)?;
    let watched = bench.checked("127.0.0.1:5432", "type = \"postgres\"")?;
    watched.alive("asks for authentication")?;
    server.signal(Signal::SIGQUIT)?;
    server.wait_exit(crate::LIMIT)?;
    watched.dead("connection refused")
}

#[test]
fn mariadb_is_alive_while_it_answers_logins_and_never_locks_us_out() -> Result {
    let bench = Bench::new("mariadb")?;
    let data = bench.path("data");
    let datadir = format!("--datadir={data}");
    lab::run(&[
        "mariadb-install-db",
        "--no-defaults",
        &datadir,
        "--user=root",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    ])?;
    let socket = format!("--socket={}", bench.path("sock"));
    // Two broken connections would lock this machine out.
    let mut server = bench.server(&[
        "mariadbd",
        "--no-defaults",
        &datadir,
        "--user=root",
        &socket,
        "--bind-address=127.0.0.1",
        "--max-connect-errors=2",
        "--skip-log-bin",
    ])?;
    let watched = bench.checked("127.0.0.1:3306", "type = \"mysql\"")?;
    watched.alive("refuses us by name")?;
    let attempts = || -> Result<u64> {
        let server = watched.server()?;
        Ok(server.pointer("/checks/0/attempts").and_then(serde_json::Value::as_u64).unwrap_or_default())
    };
    let start = attempts()?;
    lab::wait::until("a dozen more checks", crate::LIMIT, || Ok(attempts()? >= start + 12))?;
    watched.alive("refuses us by name")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}
