//! The farm carries every forwarding method: by hand, so that a failure of the others is not the wires' fault.

use e2e::farm::{DR, DR6, NAT, TUN, farm};
use lab::Result;

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn every_forwarding_method_reaches_every_server() -> Result {
    let farm = farm();
    let of = |service: &str, net: &str, option: &str| -> Result {
        farm.ipvsadm(&format!("-A -t {service} -s rr"))?;
        for number in 1..=3 {
            farm.ipvsadm(&format!("-a -t {service} -r {} {option}", net.replace('N', &number.to_string())))?;
        }
        let answers = farm.ask_often(service, 6)?;
        let expected = ["web1", "web2", "web3"].map(|name| (name.to_owned(), 2));
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), expected, "{service}");
        Ok(())
    };
    of(&format!("{NAT}:80"), "10.0.0.2N:80", "-m")?;
    of(&format!("{DR}:80"), "10.0.0.2N:80", "-g")?;
    of(&format!("{TUN}:80"), "10.0.0.2N:80", "-i")?;
    of(&format!("[{DR6}]:80"), "[2001:db8:2::2N]:80", "-g")
}
