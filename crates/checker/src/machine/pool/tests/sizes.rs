//! What there can be ten thousand of stays small: memory is mostly these.

use super::*;

#[test]
fn what_there_can_be_ten_thousand_of_is_small() {
    assert!(size_of::<Check>() <= 144, "a check has {}", size_of::<Check>());
    assert!(size_of::<RealServer>() <= 72, "a server has {}", size_of::<RealServer>());
    assert!(size_of::<plan::RealServer>() <= 40, "a server's plan has {}", size_of::<plan::RealServer>());
    assert!(size_of::<(Moment, CheckId)>() <= 16, "a deadline has {}", size_of::<(Moment, CheckId)>());
    assert!(size_of::<VirtualServer>() <= 136, "a service has {}", size_of::<VirtualServer>());
    assert!(size_of::<plan::VirtualServer>() <= 328, "its plan has {}", size_of::<plan::VirtualServer>());
}

#[test]
fn what_a_reload_leaves_is_not_kept() {
    let text = |servers: u8| {
        let servers: Vec<String> = (1..=servers).map(|host| format!("\"10.0.0.{host}:80\"")).collect();
        format!(
            "[[virtual_server]]\naddress = \"192.0.2.1:80\"\ncheck = {{ type = \"tcp\" }}\nreal_servers = [{}]\n",
            servers.join(", ")
        )
    };
    let mut lab = Lab::new(&text(200));
    lab.load(&text(3));
    assert_eq!((lab.pool.checks.len(), lab.pool.checks.room()), (3, 3));
    assert_eq!((lab.pool.servers.len(), lab.pool.servers.room()), (3, 3));
}
