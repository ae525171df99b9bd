//! Tunnels of every kind, and servers of one service that are reached in different ways: requests that arrive.

use e2e::farm::{TUN, farm};
use lab::Result;

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn each_server_is_reached_in_its_own_way() -> Result {
    let farm = farm();
    farm.open_tunnels()?;
    let server = |last: u8, keys: &str| {
        format!("[[virtual_server.real_server]]\naddress = \"10.0.0.2{last}\"\n{keys}\n")
    };
    let head = format!(
        "[[virtual_server]]\naddress = \"{TUN}:80\"\nscheduler = \"rr\"\ncheck = []\nforward = \"tun\"\n"
    );
    let saved = |last: u8, method: &str| format!("-a -t {TUN}:80 -r 10.0.0.2{last}:80 {method}");
    let service = format!("-A -t {TUN}:80 -s rr");
    let holdfast = farm.start(&format!("{head}real_servers = [\"10.0.0.21\"]\n"))?;
    for ways in [
        [
            ("", "-i -w 1 --tun-type ipip"),
            (
                "tunnel = { type = \"gue\", port = 6080 }\nforward = \"tun\"",
                "-i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            ),
            ("tunnel = { type = \"gre\" }\nforward = \"tun\"", "-i -w 1 --tun-type gre --tun-nocsum"),
        ],
        [
            (
                "tunnel = { type = \"gue\", port = 6080, checksum = \"plain\" }\nforward = \"tun\"",
                "-i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            ),
            (
                "tunnel = { type = \"gre\", checksum = \"plain\" }\nforward = \"tun\"",
                "-i -w 1 --tun-type gre --tun-csum",
            ),
            (
                "tunnel = { type = \"gue\", port = 6080, checksum = \"remote\" }\nforward = \"tun\"",
                "-i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
            ),
        ],
        // Held on the tunnel's end: it serves packets that come by direct routing as well.
        [("forward = \"dr\"", "-g -w 1"), ("forward = \"nat\"", "-m -w 1"), ("", "-i -w 1 --tun-type ipip")],
    ] {
        let (mut text, mut expected) = (head.clone(), vec![service.clone()]);
        for ((keys, method), last) in ways.iter().zip(1..) {
            text += &server(last, keys);
            expected.push(saved(last, method));
        }
        assert_eq!(holdfast.reload(&text)?.code, Some(0), "{text}");
        farm.wait_lines(&expected)?;
        let answers: Vec<_> = farm.ask_often(&format!("{TUN}:80"), 6)?.into_iter().collect();
        assert_eq!(answers, ["web1", "web2", "web3"].map(|name| (name.to_owned(), 2)), "{ways:?}");
    }
    Ok(())
}
