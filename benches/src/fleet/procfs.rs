//! What processes cost: processor time and memory, with all their descendants, read from `/proc`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;

/// Processor seconds by process, of everything that takes part.
pub type Seconds = BTreeMap<&'static str, f64>;

/// A process, and the parts of its `/proc/…/stat` that are of use.
struct Stat {
    parent: u32,
    /// Its own time and that of its children that ended and were waited for, in clock ticks.
    ticks: u64,
}

/// Processor seconds that a process and its descendants have used so far, those included that ended and were waited
/// for.
#[must_use]
pub fn seconds(root: u32) -> f64 {
    let ticks: u64 = tree(root).iter().filter_map(|process| stat(*process)).map(|stat| stat.ticks).sum();
    #[expect(clippy::cast_precision_loss, reason = "ticks of hundredths of a second")]
    let (ticks, per_second) = (ticks as f64, rustix::param::clock_ticks_per_second() as f64);
    ticks / per_second
}

/// Memory of a process and its descendants in MiB; what several share is shared out among them (PSS).
#[must_use]
pub fn memory(root: u32) -> f64 {
    tree(root).into_iter().filter_map(proportional).sum()
}

/// Processor seconds of this process so far.
#[must_use]
pub fn own_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of one process")]
    let (whole, nanos) = (time.tv_sec as f64, time.tv_nsec as f64);
    whole + nanos / 1e9
}

/// The process that listens on a TCP port of this machine; of several that share the socket, the first.
#[must_use]
pub fn listener(port: u16) -> Option<u32> {
    let here = sockets().into_iter().filter(|socket| socket.listens && socket.port == port);
    let here: HashSet<u64> = here.map(|socket| socket.number).collect();
    processes().into_iter().find(|process| !here.is_disjoint(&sockets_of(*process)))
}

/// The local ports of this process's TCP connections.
#[must_use]
pub fn local_ports() -> Vec<u16> {
    let own = sockets_of(std::process::id());
    sockets().into_iter().filter(|socket| own.contains(&socket.number)).map(|socket| socket.port).collect()
}

/// A process and all its descendants.
#[must_use]
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for process in processes() {
        if let Some(stat) = stat(process) {
            children.entry(stat.parent).or_default().push(process);
        }
    }
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        all.extend(children.remove(&all[at]).unwrap_or_default());
        at += 1;
    }
    all
}

/// The ids of all processes, ascending.
fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    all.sort_unstable();
    all
}

fn stat(process: u32) -> Option<Stat> {
    // The name in parentheses may hold anything.
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>()).sum::<Result<_, _>>().ok()?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn proportional(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// A TCP socket of this machine.
struct Socket {
    number: u64,
    port: u16,
    listens: bool,
}

fn sockets() -> Vec<Socket> {
    const LISTENS: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        Some(Socket { number: fields.get(9)?.parse().ok()?, port, listens: *fields.get(3)? == LISTENS })
    };
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(socket).collect()
}

/// The numbers of the sockets that a process has open, if we may look.
fn sockets_of(process: u32) -> HashSet<u64> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| socket_number(link.to_str()?)).collect()
}

fn socket_number(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn time_of_children_counts_while_they_run_and_when_they_have_ended() -> std::io::Result<()> {
        let own = std::process::id();
        let before = seconds(own);
        let mut child = Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]).spawn()?;
        assert!(tree(own).contains(&child.id()));
        child.wait()?;
        assert!(seconds(own) > before);
        Ok(())
    }

    #[test]
    fn memory_of_a_process_that_runs_is_more_than_nothing() -> std::io::Result<()> {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn()?;
        let alone = memory(child.id());
        child.kill()?;
        child.wait()?;
        assert!(alone > 0.0 && memory(std::process::id()) > alone);
        Ok(())
    }

    #[test]
    fn whoever_listens_on_a_port_is_found() -> std::io::Result<()> {
        let listener_here = std::net::TcpListener::bind("127.0.0.1:0")?;
        assert_eq!(listener(listener_here.local_addr()?.port()), Some(std::process::id()));
        Ok(())
    }
}
