//! How messages travel on a channel: the sender in the first line, then a message in each line.

/// A batch of messages, none of which contains a line break.
pub(super) fn seal(origin: &str, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut sealed = origin.as_bytes().to_vec();
    for message in messages {
        sealed.push(b'\n');
        sealed.extend(message);
    }
    sealed
}

/// The messages of a batch, unless they are our own.
pub(super) fn open<'a>(origin: &str, sealed: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lines = sealed.split(|byte| *byte == b'\n');
    let foreign = lines.next().is_some_and(|sender| sender != origin.as_bytes());
    lines.filter(move |_| foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_get_the_messages_and_the_sender_none() {
        let sealed = seal("us", &[b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(open("them", &sealed).collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(open("us", &sealed).count(), 0);
    }
}
