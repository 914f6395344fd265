//! E-mail addresses.

/// The first e-mail address in `text`, its domain in lower case.
#[must_use]
pub fn parse(text: &str) -> Option<String> {
    text.split(|ch: char| ch.is_whitespace() || matches!(ch, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | '"' | '|'))
        .find_map(address)
}

fn address(token: &str) -> Option<String> {
    let token = token.strip_prefix("mailto:").unwrap_or(token);
    // "E-Mail:jo@example.org" is one word on paper.
    let token = token.rsplit(':').next().unwrap_or(token).trim_matches(|ch: char| matches!(ch, '.' | '\'' | '/' | '*'));
    let (local, domain) = token.split_once('@')?;
    let domain = domain.to_lowercase();
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|ch| ch.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(ch));
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|ch| ch.is_alphanumeric() || ch == '-')
    };
    let (_, top) = domain.rsplit_once('.')?;
    let domain_ok = domain.len() <= 253
        && domain.split('.').all(label_ok)
        && top.chars().count() >= 2
        && !top.chars().all(|ch| ch.is_ascii_digit());
    (local_ok && domain_ok).then(|| format!("{local}@{domain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_and_their_domain_is_lower_case() {
        for (text, found) in [
            ("Jo.Doe@Example.ORG", "Jo.Doe@example.org"),
            ("write to <billing+eu@acme.co.uk>.", "billing+eu@acme.co.uk"),
            ("E-Mail:info@müller.de", "info@müller.de"),
            ("mailto:a@b.io", "a@b.io"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(found), "{text}");
        }
        for text in ["", "a@b", "@x.de", "a..b@x.de", "a@x..de", "a@1.2.3.4", "no address here"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
