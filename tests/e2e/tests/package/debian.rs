//! A Debian in a folder, in a host of its own; and the package, made of the programs that the other tests use.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lab::{Netns, Output, Program, Result, TempDir, program};

/// The root of this project.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Makes the package and returns its path.
pub(crate) fn package(out: &Path) -> Result<PathBuf> {
    let programs = program(Program::Holdfastd)?.parent().unwrap().display().to_string();
    let script = top().join("etc/debian/build").display().to_string();
    let done = lab::run(&["env", &format!("BUILD={programs}"), &format!("OUT={}", out.display()), &script])?;
    Ok(PathBuf::from(done.trim()))
}

/// The same package with another version. Quickly packed: nobody keeps it.
pub(crate) fn with_version(package: &Path, version: &str, out: &Path) -> Result<PathBuf> {
    let (tree, new) = (out.join("tree"), out.join(format!("holdfast_{version}.deb")));
    let (tree, new) = (tree.display().to_string(), new.display().to_string());
    lab::run(&["dpkg-deb", "-R", &package.display().to_string(), &tree])?;
    let control = format!("{tree}/DEBIAN/control");
    lab::run(&["sed", "-i", &format!("s/^Version: .*/Version: {version}/"), &control])?;
    lab::run(&["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", &tree, &new])?;
    Ok(new.into())
}

/// A minimal Debian without systemd.
pub(crate) struct Root {
    folder: TempDir,
    host: Netns,
}

impl Root {
    pub(crate) fn new(host: Netns) -> Result<Self> {
        let folder = TempDir::new()?;
        let root = folder.path().display().to_string();
        // It is the machine's own Debian, from where the machine gets its own.
        let release = std::fs::read_to_string("/etc/os-release")?;
        let name =
            release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("stable");
        let extra = "--include=adduser,iproute2,procps,sysvinit-utils";
        let mirror = mirror(name)?;
        match std::env::var("LAB_DEBIAN") {
            // One that debootstrap has made before, for whoever runs this again and again.
            Ok(ready) => lab::run(&["cp", "-a", &format!("{ready}/."), &root])?,
            Err(_) => lab::run(&["debootstrap", "--variant=minbase", extra, name, &root, &mirror])?,
        };
        let root = Self { folder, host };
        // There is no init here that could be asked whether services may be started.
        let policy = root.path("/usr/sbin/policy-rc.d");
        std::fs::write(&policy, "#!/bin/sh\nexit 0\n")?;
        std::fs::set_permissions(&policy, Permissions::from_mode(0o755))?;
        Ok(root)
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    pub(crate) fn host(&self) -> &Netns {
        &self.host
    }

    /// Runs a command inside; its view of the machine goes with it.
    #[track_caller]
    pub(crate) fn output(&self, command: &[&str]) -> Result<Output> {
        let enter = "mount -t proc proc \"$0/proc\" && mount --rbind /dev \"$0/dev\" && \
                     exec chroot \"$0\" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
                     DEBIAN_FRONTEND=noninteractive LC_ALL=C \"$@\"";
        let root = self.folder.path().display().to_string();
        let mut argv = vec!["unshare", "--mount", "sh", "-c", enter, &*root];
        argv.extend(command);
        self.host.output(&argv)
    }

    /// As [`Self::output`], and it has to succeed.
    #[track_caller]
    pub(crate) fn run(&self, command: &[&str]) -> Result<String> {
        let done = self.output(command)?;
        let all = format!("{}{}", done.stdout, done.stderr);
        if done.code != Some(0) {
            return Err(format!("{command:?} in the Debian: {:?}: {all}", done.code).into());
        }
        Ok(all)
    }

    /// Every file and folder below a few places where a package could leave something.
    pub(crate) fn files(&self) -> Result<String> {
        let find = "find /etc /usr /lib/systemd /run /var/lib /var/log -not -path '/var/lib/dpkg/*' \
                    -not -path '/var/log/*' -not -path '*/ld.so.cache' -not -path '/run/adduser*' -not -name '*-'";
        self.run(&["sh", "-c", find])
    }
}

/// Where the machine gets its packages.
fn mirror(release: &str) -> Result<String> {
    let all = lab::run(&["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"])?;
    let main = format!(" {release} main");
    let site = all.lines().find_map(|line| line.strip_suffix(&main));
    Ok(site.unwrap_or("http://deb.debian.org/debian").to_owned())
}
