//! Documents that tests make.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(crate) const CONTENT_TYPES: &str = "[Content_Types].xml";

/// An archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let method = if content.is_empty() { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn types(main: &str) -> String {
    format!(
        "<Types><Override PartName=\"/x\" ContentType=\"application/vnd.openxmlformats-officedocument.{main}.main+xml\"/></Types>"
    )
}

/// A Word document with that body.
pub(crate) fn word(body: &str) -> Vec<u8> {
    word_with(body, &[])
}

/// A Word document with that body and more parts.
pub(crate) fn word_with(body: &str, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    let types = types("wordprocessingml.document");
    let mut files = vec![(CONTENT_TYPES, types.as_bytes()), ("word/document.xml", document.as_bytes())];
    files.extend(parts);
    archive(&files)
}

/// A workbook of one sheet with those rows.
pub(crate) fn workbook(rows: &str, behind: &str, texts: &str) -> Vec<u8> {
    let types = types("spreadsheetml.sheet");
    let workbook =
        "<workbook xmlns:r=\"r\"><sheets><sheet name=\"One\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>";
    let relations = "<Relationships><Relationship Id=\"r1\" Type=\"x/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
                     <Relationship Id=\"r2\" Type=\"x/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>";
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData>{behind}</worksheet>");
    let texts = format!("<sst>{texts}</sst>");
    archive(&[
        (CONTENT_TYPES, types.as_bytes()),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ("xl/sharedStrings.xml", texts.as_bytes()),
    ])
}

/// An OpenDocument spreadsheet with that table.
pub(crate) fn spreadsheet(table: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\"><office:body><office:spreadsheet>\
         <table:table table:name=\"One\">{table}</table:table></office:spreadsheet></office:body></office:document-content>"
    );
    let media_type: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";
    archive(&[("mimetype", media_type), ("content.xml", content.as_bytes())])
}

/// A part of an e-mail.
pub(crate) fn attachment(name: &str, content: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for (index, three) in content.chunks(3).enumerate() {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let is_there = digit <= three.len();
            let digit = DIGITS[(number >> (18 - 6 * digit) & 63) as usize];
            encoded.push(if is_there { char::from(digit) } else { '=' });
        }
        if index % 19 == 18 {
            encoded.push_str("\r\n");
        }
    }
    format!(
        "--edge\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{encoded}\r\n"
    )
}

/// An e-mail with those parts.
pub(crate) fn email(parts: &[String]) -> Vec<u8> {
    let text = "--edge\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDear Bob\r\n";
    let headers = "From: Jane =?utf-8?q?D=C3=B8e?= <jane@example.org>\r\nTo: bob@example.org\r\n\
                   Date: Mon, 2 Mar 2026 10:00:00 +0100\r\nSubject: =?iso-8859-1?q?M=E4rz?=\r\nMIME-Version: 1.0\r\n\
                   Content-Type: multipart/mixed; boundary=edge\r\n\r\n";
    format!("{headers}{text}{}--edge--\r\n", parts.concat()).into_bytes()
}
