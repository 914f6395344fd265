//! Documents in, answers out.

use serde_json::{Value, json};

use crate::harness::{flotilla, repository, run_json};

/// The words of the evidence's first place.
fn quote<'a>(result: &'a Value, name: &str) -> &'a str {
    result["evidence"][name][0]["quote"].as_str().unwrap_or_default()
}

#[test]
fn the_example_invoice_gives_number_date_currency_and_total_with_page_and_box() {
    let ran = run_json(
        &repository("examples/invoice.pdf"),
        &["--request", repository("examples/invoice.request.json").to_str().unwrap()],
    );

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let result = ran.json();
    let output = &result["output"];
    assert_eq!(output["invoice_number"], "NI-2026-00417");
    assert_eq!(output["invoice_date"], "2026-03-14");
    assert_eq!(output["due_date"], "2026-04-13");
    assert_eq!(output["currency"], "EUR");
    assert_eq!(output["net_amount"], json!(3947.70));
    assert_eq!(output["tax_amount"], json!(750.06));
    assert_eq!(output["total_amount"], json!(4697.76));
    assert_eq!(output["line_items"].as_array().map(Vec::len), Some(5));
    assert_eq!(quote(&result, "invoice_number"), "NI-2026-00417");
    for name in ["invoice_number", "invoice_date", "currency", "total_amount"] {
        let place = &result["evidence"][name][0];
        assert_eq!(place["page"], 1, "{name}");
        let edges: Vec<f64> = place["bbox"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        assert!(
            matches!(edges[..], [x0, y0, x1, y1] if 0.0 < x0 && x0 < x1 && x1 < 596.0 && 0.0 < y0 && y0 < y1 && y1 < 843.0),
            "{edges:?}"
        );
    }
    assert_eq!(result["status"], "succeeded");
    assert_eq!(result["model"], "builtin");
    assert_eq!(result["document"]["pages"], 1);
    assert_eq!(result["errors"], json!({}));
    let stages: Vec<&str> =
        result["stages"].as_array().unwrap().iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert_eq!(stages, protocol::stages::names());
}

#[test]
fn a_document_without_questions_is_asked_what_its_kind_suggests() {
    let ran = run_json(&repository("examples/invoice.pdf"), &[]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let result = ran.json();
    for name in [
        "invoice_number",
        "issue_date",
        "seller",
        "buyer",
        "currency",
        "net_amount",
        "tax_amount",
        "total_amount",
        "line_items",
    ] {
        assert!(!result["output"][name].is_null(), "{name} is not answered: {}", result["output"]);
    }
}

#[test]
fn markdown_is_read_as_well() {
    let request = repository("examples/contract.request.json");
    let ran = run_json(&repository("examples/contract.md"), &["--request", request.to_str().unwrap()]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "succeeded");
}

#[test]
fn a_person_gets_a_table_and_a_program_gets_nothing_on_standard_error() {
    let output = flotilla().arg("run").arg(repository("examples/invoice.pdf")).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();

    for expected in ["name", "value", "type", "confidence", "page", "NI-2026-00417", "succeeded"] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn every_broken_document_is_a_named_error_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(repository("examples/invoice.pdf")).unwrap();
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty.pdf", b"", "file_empty"),
        ("header-only.pdf", b"%PDF-1.7\n", "file_corrupt"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "file_corrupt"),
        ("archive.zip", b"PK\x03\x04\x14\0\0\0", "file_unsupported"),
        ("truncated.pdf", &whole[..200], "file_corrupt"),
    ];
    for (name, bytes, code) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();

        let ran = run_json(&path, &[]);

        assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
        let result = ran.json();
        assert_eq!(result["status"], "failed", "{name}");
        assert_eq!(result["errors"]["extract-text"]["code"], code, "{name}: {}", result["errors"]);
        assert_eq!(result["document"]["name"], name);
    }
}
