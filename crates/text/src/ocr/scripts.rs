//! Which data tesseract needs for which script.

/// What tesseract found out about a page (`--psm 0`).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Orientation {
    /// Quarter turns clockwise that make it upright.
    pub(super) turns: u8,
    /// Its script, such as `Latin`.
    pub(super) script: String,
}

impl Orientation {
    /// Reads what `tesseract … --psm 0` prints.
    pub(super) fn parse(said: &str) -> Option<Self> {
        let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let degrees: u16 = value("Rotate:")?.parse().ok()?;
        let turns = u8::try_from(degrees / 90 % 4).ok()?;
        Some(Self { turns, script: value("Script:")?.to_owned() })
    }
}

/// Scripts as tesseract calls them, and languages that are written in them, most likely ones first.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("Latin", &["eng", "deu", "fra", "spa", "ita", "por", "nld"]),
    ("Fraktur", &["frk", "deu_frak"]),
    ("Cyrillic", &["rus", "ukr", "bul", "srp"]),
    ("Greek", &["ell"]),
    ("Arabic", &["ara", "fas", "urd"]),
    ("Hebrew", &["heb"]),
    ("Han", &["chi_sim", "chi_tra"]),
    ("HanS", &["chi_sim"]),
    ("HanT", &["chi_tra"]),
    ("Japanese", &["jpn"]),
    ("Hiragana", &["jpn"]),
    ("Katakana", &["jpn"]),
    ("Korean", &["kor"]),
    ("Hangul", &["kor"]),
    ("Devanagari", &["hin", "mar", "nep"]),
    ("Bengali", &["ben"]),
    ("Thai", &["tha"]),
    ("Georgian", &["kat"]),
    ("Armenian", &["hye"]),
    ("Tamil", &["tam"]),
    ("Telugu", &["tel"]),
    ("Gujarati", &["guj"]),
    ("Gurmukhi", &["pan"]),
    ("Kannada", &["kan"]),
    ("Malayalam", &["mal"]),
];

/// The data to read a script with, out of what is installed: that of the script, or else of its languages, two at most, as
/// each costs its time. `None` when there is none.
pub(super) fn data(script: &str, installed: &[String]) -> Option<String> {
    let is_there = |name: &str| installed.iter().any(|known| known == name);
    let of_script = format!("script/{script}");
    if script != "Latin" && is_there(&of_script) {
        return Some(of_script);
    }
    let languages = LANGUAGES.iter().find(|(known, _)| *known == script).map(|(_, languages)| *languages)?;
    let found: Vec<&str> = languages.iter().copied().filter(|language| is_there(language)).take(2).collect();
    (!found.is_empty()).then(|| found.join("+"))
}

/// What a page is read with before anything is known of it.
pub(super) fn first(installed: &[String]) -> Option<String> {
    let language = |name: &String| name != "osd" && !name.starts_with("script/");
    data("Latin", installed).or_else(|| installed.iter().find(|name| language(name)).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_script_is_read_with_what_is_installed() {
        let some = installed(&["eng", "osd", "rus", "script/Cyrillic", "chi_tra"]);
        assert_eq!(data("Latin", &some).as_deref(), Some("eng"));
        assert_eq!(data("Cyrillic", &some).as_deref(), Some("script/Cyrillic"));
        assert_eq!(data("Han", &some).as_deref(), Some("chi_tra"));
        assert_eq!(data("Thai", &some), None);
        assert_eq!(first(&installed(&["osd", "jpn"])).as_deref(), Some("jpn"));
        assert_eq!(first(&installed(&["osd"])), None);
    }

    #[test]
    fn orientation_is_read_from_what_tesseract_prints() {
        let said = "Page number: 0\nOrientation in degrees: 270\nRotate: 90\nOrientation confidence: 9.41\n\
                    Script: Latin\nScript confidence: 2.33\n";
        assert_eq!(Orientation::parse(said), Some(Orientation { turns: 1, script: "Latin".into() }));
        assert_eq!(Orientation::parse("Too few characters. Skipping this page\n"), None);
    }
}
