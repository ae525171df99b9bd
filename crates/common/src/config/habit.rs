//! Words of keepalived.conf that people write from habit, and what is written here instead.

/// The hint for a key of keepalived, if it is one that has another name here.
pub(super) fn ours(key: &str) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let (_, ours) = WORDS.iter().find(|(theirs, _)| *theirs == key)?;
    Some(format!("keepalived's `{key}` is {ours} here"))
}

/// Sorted by section of keepalived.conf(5). Words that are the same here are not listed.
const WORDS: &[(&str, &str)] = &[
    ("global_defs", "[global]"),
    ("vrrp_instance", "[[vrrp.instance]] with a `name`"),
    ("vrrp_sync_group", "[[vrrp.sync_group]] with a `name`"),
    ("vrrp_script", "[[vrrp.script]] with a `name`"),
    ("advert_int", "`advert_interval`"),
    ("authentication", "`auth = { type = \"pass\", password = \"...\" }`"),
    ("auth_type", "`auth = { type = \"pass\", password = \"...\" }`"),
    ("auth_pass", "`auth = { type = \"pass\", password = \"...\" }`"),
    ("vrrp_version", "`version`"),
    ("nopreempt", "`preempt = false`"),
    ("track_script", "`track_scripts`"),
    ("track_interface", "`track_interfaces`"),
    ("unicast_peer", "`unicast_peers`"),
    ("virtual_ipaddress", "`virtual_addresses`"),
    ("group", "`instances`"),
    ("script", "`command`"),
    ("notify_master", "`notify = { master = ... }`"),
    ("notify_backup", "`notify = { backup = ... }`"),
    ("notify_fault", "`notify = { fault = ... }`"),
    ("notify_stop", "`notify = { stop = ... }`"),
    ("lvs_sched", "`scheduler`"),
    ("lb_algo", "`scheduler`"),
    ("lvs_method", "`forward`"),
    ("lb_kind", "`forward`"),
    ("persistence_timeout", "`persistence`"),
    ("ops", "`one_packet`"),
    ("delay_loop", "`interval` of the check"),
    ("retry", "`retries` of the check"),
    ("delay_before_retry", "`retry_delay` of the check"),
    ("nb_get_retry", "`retries` of the check"),
    ("connect_timeout", "`timeout` of the check"),
    ("connect_port", "`port` of the check"),
    ("connect_ip", "`address` of the check"),
    ("bindto", "`source` of the check"),
    ("warmup", "`warm_up` of the check"),
    ("status_code", "`status` of the check"),
    ("virtualhost", "`host` of the check"),
    ("tcp_check", "`check = { type = \"tcp\" }`"),
    ("http_get", "`check = { type = \"http\" }`"),
    ("misc_check", "`check = { type = \"script\" }`"),
    ("misc_path", "`command` of the check"),
    ("misc_timeout", "`timeout` of the check"),
    ("misc_dynamic", "`dynamic` of the check"),
    ("smtp_check", "`check = { type = \"smtp\" }`"),
    ("dns_check", "`check = { type = \"dns\" }`"),
    ("udp_check", "`check = { type = \"udp\" }`"),
    ("ping_check", "`check = { type = \"ping\" }`"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_keepalived_get_ours() {
        assert_eq!(ours("lb_algo").as_deref(), Some("keepalived's `lb_algo` is `scheduler` here"));
        assert_eq!(
            ours("TCP_CHECK").as_deref(),
            Some("keepalived's `tcp_check` is `check = { type = \"tcp\" }` here")
        );
        assert_eq!(ours("priority"), None);
    }
}
