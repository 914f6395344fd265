//! E-mails and what is attached to them.

use super::made::{attachment, email};
use super::*;

#[tokio::test]
async fn an_e_mail_is_its_headers_its_text_and_its_attachments() {
    let inner = email(&[attachment("t.csv", b"x;y\n1;2\n")]);
    let inner = format!(
        "--edge\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n",
        String::from_utf8(inner).unwrap().replace("edge", "inner")
    );
    let parts = [
        attachment("invoice.xlsx", &fixture("invoice.xlsx")),
        attachment("fax.tif", &fixture("fax.tif")),
        inner,
        attachment("odd.bin", b"\0\x01\x02"),
    ];
    let bytes = email(&parts);
    let Extracted { document, extractor, warnings } = read("a", &bytes).await.unwrap();
    assert_eq!((extractor.as_str(), document.media_type.as_str()), ("email", "message/rfc822"));
    let head = [
        "From: Jane Døe <jane@example.org>",
        "To: bob@example.org",
        "Date: 2026-03-02 10:00:00+01:00",
        "Subject: März",
        "",
        "Dear Bob",
        "",
        "Attachment: invoice.xlsx",
        "Attachment: fax.tif",
        "Attachment: März.eml",
        "Attachment: odd.bin",
    ];
    assert_eq!(lines(&document.pages[0]), head);
    let numbers: Vec<u32> = document.pages.iter().map(|page| page.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(cells(&document.pages[1].tables[0])[1][1], "Tide gauge");
    assert!(document.pages[4].lines.is_empty() && document.pages[5].lines.is_empty());
    assert_eq!(lines(&document.pages[6])[0], "From: Jane Døe <jane@example.org>");
    assert_eq!(cells(&document.pages[7].tables[0]), [["x", "y"], ["1", "2"]]);
    let [hidden, odd, scans] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(hidden, "invoice.xlsx: the sheet \"Rates\" on page 3 is hidden in the workbook");
    assert!(odd.starts_with("the attachment \"odd.bin\" was not read: the file is of an unknown binary kind"), "{odd}");
    assert!(scans.starts_with("pages 5–6: without a text layer"), "{scans}");

    // The second page of the fax is the sixth of the e-mail.
    let alone = picture("a.tif", &fixture("fax.tif"), Wish::page(2, 204.0)).await.unwrap();
    assert_eq!(picture("a.eml", &bytes, Wish::page(6, 204.0)).await.unwrap(), alone);
    assert_eq!(picture("a.eml", &bytes, Wish::page(1, 204.0)).await.unwrap_err().code(), "picture_unavailable");
}

#[tokio::test]
async fn pages_of_attachments_can_be_asked_for() {
    let bytes = email(&[attachment("invoice.xlsx", &fixture("invoice.xlsx")), attachment("a.txt", b"last")]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.eml");
    std::fs::write(&path, &bytes).unwrap();
    let source = Source { pages: Some("3,5".parse().unwrap()), ..Source::file(path) };
    let Extracted { document, .. } = Extractor::new(config()).extract(&source).await.unwrap();
    let first: Vec<(u32, &str)> = document.pages.iter().map(|page| (page.number, lines(page)[0])).collect();
    assert_eq!(first, [(3, "Notes"), (5, "last")]);
}

#[tokio::test]
async fn text_comes_before_its_version_as_a_web_page() {
    let parts = |text: &str| {
        format!(
            "From: a@example.org\nTo: b@example.org\nSubject: c\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=e\n\n\
             {text}--e\nContent-Type: text/html; charset=utf-8\n\n<p>as a <b>page</b>\n--e--\n"
        )
    };
    let both = parts("--e\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nas =\ntext\n");
    let Extracted { document, .. } = read("a.eml", both.as_bytes()).await.unwrap();
    assert_eq!(texts(&document)[3..], ["as text"]);
    let Extracted { document, .. } = read("a.eml", parts("").as_bytes()).await.unwrap();
    assert_eq!(texts(&document)[3..], ["as a page"]);
}

#[tokio::test]
async fn what_is_signed_is_read_and_what_is_encrypted_is_named() {
    let signed = "From: a@example.org\nTo: b@example.org\nSubject: c\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=e\n\n\
        --e\nContent-Type: text/plain\n\nsigned text\n--e\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\
        Content-Transfer-Encoding: base64\n\nMIIB\n--e--\n";
    let Extracted { document, warnings, .. } = read("a.eml", signed.as_bytes()).await.unwrap();
    assert_eq!((texts(&document)[3..].to_vec(), warnings), (vec!["signed text"], vec![]));
    let part = "--edge\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n".to_owned();
    let Extracted { warnings, .. } = read("a.eml", &email(&[part])).await.unwrap();
    assert_eq!(warnings, ["the attachment \"smime.p7m\" was not read: it is encrypted"]);
    let whole = "From: a@example.org\nTo: b@example.org\nSubject: c\nContent-Type: application/pkcs7-mime\n\nMIIB\n";
    assert_eq!(read("a.eml", whole.as_bytes()).await.unwrap_err().code(), "file_encrypted");
}
