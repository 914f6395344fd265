//! What was measured, as Markdown.

use std::fmt::{Result, Write as _};

use super::Measured;
use super::ocr::Rendered;
use super::quality::{GOOD, Quality};
use super::receipts::Receipts;
use super::speed::Speed;

/// How many documents a list of the worst has.
const LISTED: usize = 15;

/// All tables.
#[must_use]
pub fn markdown(measured: &Measured) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, measured);
    text
}

fn write(text: &mut String, measured: &Measured) -> Result {
    writeln!(text, "{} documents, {}.\n", measured.documents, measured.build)?;
    if let Some(quality) = &measured.quality {
        write_quality(text, quality)?;
    }
    if let Some(speed) = &measured.speed {
        write_speed(text, speed)?;
    }
    if let Some(rendered) = &measured.rendered {
        write_rendered(text, rendered)?;
    }
    if let Some(receipts) = &measured.receipts {
        write_receipts(text, receipts)?;
    }
    Ok(())
}

fn write_quality(text: &mut String, quality: &Quality) -> Result {
    let count = |of: fn(&super::quality::Row) -> usize| quality.rows.first().map_or(0, of);
    let three = count(|row| row.of_three.documents.len());
    let two = count(|row| row.neutral.documents.len());
    writeln!(text, "### Words and their order\n")?;
    writeln!(
        text,
        "| | F1 of {three} documents, poppler + PDFium + MuPDF | order | < {GOOD} | F1 of {two}, poppler + MuPDF | order | < {GOOD} | F1 against the two others |"
    )?;
    writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
    for row in &quality.rows {
        let (a, b, c) = (&row.of_three, &row.neutral, &row.others);
        writeln!(
            text,
            "| {} | {:.4} | {:.3} | {} | {:.4} | {:.3} | {} | {:.4} |",
            row.title,
            a.f1,
            a.order,
            a.bad().len(),
            b.f1,
            b.order,
            b.bad().len(),
            c.f1
        )?;
    }
    writeln!(text)?;
    if let Some(ours) = quality.rows.first().filter(|ours| !ours.neutral.bad().is_empty()) {
        writeln!(text, "Documents that {} reads worse than {GOOD} (poppler + MuPDF):\n", ours.title)?;
        writeln!(text, "| document | F1 | order | missing | surplus |\n|---|---:|---:|---|---|")?;
        for (name, score) in ours.neutral.bad().into_iter().take(LISTED) {
            let (missing, surplus) = (few(&score.missing), few(&score.surplus));
            writeln!(text, "| {name} | {:.3} | {:.3} | {missing} | {surplus} |", score.f1, score.order)?;
        }
        writeln!(text)?;
    }
    let pages: usize = quality.recognised.iter().map(|(_, pages)| pages).sum();
    let names: Vec<String> = quality.recognised.iter().map(|(name, pages)| format!("{name} ({pages})")).collect();
    let list = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    writeln!(text, "Pages that poppler reads and ours would recognise (OCR) instead: {pages}{list}\n")?;
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for left_out in &quality.left_out {
        match reasons.iter_mut().find(|(reason, _)| *reason == left_out.reason) {
            Some((_, names)) => names.push(&left_out.name),
            None => reasons.push((&left_out.reason, vec![&left_out.name])),
        }
    }
    writeln!(text, "Left out of the above (poppler + MuPDF):\n")?;
    for (reason, names) in reasons {
        writeln!(text, "- {reason}: {}", names.len())?;
    }
    writeln!(text)
}

fn few(words: &[(String, usize)]) -> String {
    // A bar would end the cell.
    let word = |(word, count): &(String, usize)| {
        let word: String = word.chars().take(24).map(|ch| if ch == '|' { '¦' } else { ch }).collect();
        if *count > 1 { format!("{word} ×{count}") } else { word }
    };
    words.iter().take(6).map(word).collect::<Vec<_>>().join(" · ")
}

fn write_speed(text: &mut String, speed: &Speed) -> Result {
    writeln!(text, "### Cost: {} documents that everybody reads, {} pages\n", speed.documents, speed.pages)?;
    writeln!(text, "| engine | CPU s | pages / CPU s | × pdftotext | peak MiB |\n|---|---:|---:|---:|---:|")?;
    for cost in &speed.engines {
        let at_most = if cost.peak_is_at_most { "≤ " } else { "" };
        writeln!(
            text,
            "| {} | {:.2} | {:.0} | {:.2} | {at_most}{:.0} |",
            cost.engine.title(),
            cost.cpu_s,
            cost.pages_per_cpu_s,
            cost.ratio,
            cost.peak_mib
        )?;
    }
    writeln!(text, "\nThe documents that cost most beyond what they cost pdftotext, a child for each:\n")?;
    writeln!(text, "| document | pages | ours, CPU ms | pdftotext | × |\n|---|---:|---:|---:|---:|")?;
    for dear in speed.dearest.iter().take(LISTED) {
        let (ours, theirs) = (dear.ours_s * 1e3, dear.pdftotext_s * 1e3);
        let times = ours / theirs.max(f64::MIN_POSITIVE);
        writeln!(text, "| {} | {} | {ours:.0} | {theirs:.0} | {times:.1} |", dear.name, dear.pages)?;
    }
    writeln!(text)
}

fn write_rendered(text: &mut String, rendered: &Rendered) -> Result {
    writeln!(text, "### Recognition: {} pages with known text, rendered\n", rendered.pages.len())?;
    writeln!(text, "| pages | engine | recognised | word F1 | characters | CPU s / page | failures |")?;
    writeln!(text, "|---|---|---:|---:|---:|---:|---|")?;
    let mut rows: Vec<_> = rendered.rows.iter().collect();
    // Whose rows belong together, in the order in which they were degraded.
    let place = |kind: &str| rendered.rows.iter().position(|row| row.kind == kind);
    rows.sort_by_key(|row| place(&row.kind));
    for row in rows {
        let failures: Vec<String> = row.failures.iter().map(|(what, count)| format!("{what} ×{count}")).collect();
        writeln!(
            text,
            "| {} | {} | {} of {} | {:.3} | {:.3} | {:.2} | {} |",
            row.kind,
            row.engine.title(),
            row.recognised,
            row.pages,
            row.f1,
            row.characters,
            row.cpu_s,
            failures.join("; ")
        )?;
    }
    writeln!(text)
}

fn write_receipts(text: &mut String, receipts: &Receipts) -> Result {
    writeln!(text, "### Recognition: {} scanned receipts\n", receipts.receipts)?;
    writeln!(text, "| engine | read | word F1 | boxes found | CPU s / receipt | peak MiB | first failure |")?;
    writeln!(text, "|---|---:|---:|---:|---:|---:|---|")?;
    for row in &receipts.rows {
        let failure = row.receipts.iter().find_map(|(.., failure)| failure.as_deref()).unwrap_or("");
        writeln!(
            text,
            "| {} | {} of {} | {:.3} | {:.3} | {:.2} | {:.0} | {failure} |",
            row.engine.title(),
            row.read,
            receipts.receipts,
            row.f1,
            row.boxes,
            row.cpu_s,
            row.peak_mib
        )?;
    }
    writeln!(text)
}
