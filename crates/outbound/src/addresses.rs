//! Which addresses belong to the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: its first one and the length of the prefix in bits.
type Range<A> = (A, u32);

/// IPv4 that is not public, after the IANA registry of special-purpose addresses; and one that clouds use inside.
const NOT_PUBLIC_V4: &[Range<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // behind the NAT of a provider; also metadata at some clouds
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // this machine
    (Ipv4Addr::new(168, 63, 129, 16), 32), // the host agent of Azure
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local; metadata of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast
];

/// All of IPv6 that is handed out for public use.
const GLOBAL_V6: Range<Ipv6Addr> = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not public of that.
const NOT_PUBLIC_V6: &[Range<Ipv6Addr>] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: any IPv4 in disguise
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// IPv4 as a network without IPv4 reaches it (NAT64, RFC 6052): public if what it stands for is.
const NAT64: Range<Ipv6Addr> = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether an address belongs to the public internet. IPv4 in the clothes of IPv6 is judged by what it stands for.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|(first, bits)| shares_v4(address, *first, *bits)),
        IpAddr::V6(address) => {
            let within = |range: &Range<Ipv6Addr>| shares_v6(address, range.0, range.1);
            within(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(within)
        }
    }
}

/// The IPv4 address that an IPv6 address stands for (mapped, NAT64), or the address itself.
pub(crate) fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return IpAddr::V4(mapped);
    }
    if shares_v6(v6, NAT64.0, NAT64.1) {
        let [.., a, b, c, d] = v6.octets();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}

/// Whether both begin with the same bits; IPv4 and IPv6 never do.
pub(crate) fn shares(address: IpAddr, first: IpAddr, bits: u32) -> bool {
    match (address, first) {
        (IpAddr::V4(address), IpAddr::V4(first)) => shares_v4(address, first, bits),
        (IpAddr::V6(address), IpAddr::V6(first)) => shares_v6(address, first, bits),
        _ => false,
    }
}

fn shares_v4(address: Ipv4Addr, first: Ipv4Addr, bits: u32) -> bool {
    let differing = address.to_bits() ^ first.to_bits();
    differing.checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0) == 0
}

fn shares_v6(address: Ipv6Addr, first: Ipv6Addr, bits: u32) -> bool {
    let differing = address.to_bits() ^ first.to_bits();
    differing.checked_shr(128_u32.saturating_sub(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of every range that must not be reached, and the neighbours that may.
    const REFUSED: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "3fff:fff:ffff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];

    const ADMITTED: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.0.3.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.101.0",
        "203.0.114.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ];

    #[test]
    fn addresses_that_are_not_public_are_told_from_those_that_are() {
        let judged = |addresses: &[&str], expected: bool| -> Vec<String> {
            let wrong = addresses.iter().filter(|address| is_public(address.parse().unwrap()) != expected);
            wrong.map(|address| (*address).to_owned()).collect()
        };
        assert_eq!(judged(REFUSED, false), [""; 0], "these were taken for public");
        assert_eq!(judged(ADMITTED, true), [""; 0], "these were not taken for public");
    }

    #[test]
    fn a_prefix_of_no_bits_holds_every_address_and_one_of_all_bits_one() {
        let parsed = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(shares(parsed("9.9.9.9"), parsed("0.0.0.0"), 0));
        assert!(shares(parsed("9.9.9.9"), parsed("9.9.9.9"), 32));
        assert!(!shares(parsed("9.9.9.8"), parsed("9.9.9.9"), 32));
        assert!(shares(parsed("2a00::1"), parsed("::"), 0));
        assert!(!shares(parsed("2a00::1"), parsed("2a00::2"), 128));
        assert!(!shares(parsed("::1"), parsed("0.0.0.1"), 0));
    }
}
