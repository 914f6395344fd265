//! Other documents, and questions that no lexicon knows.

use super::*;

const POLICY: &str = "
HOME INSURANCE SCHEDULE

Policy number       HI-7734-22          Insured since     1 June 2015
Policyholder        Ms Rana Okafor      Telephone         +44 20 7946 0018
Annual premium      £ 412.80
Smoke detector      yes
Yearly excess: 250.00
Risk address: 4 Mill Lane, Bath BA1 1AA
";

#[test]
fn labels_of_any_wording_are_found_by_the_questions_words() {
    let document = document(POLICY);
    for (name, kind, prompt, right) in [
        ("policy_number", OutputType::Text, "What is the policy number?", json!("HI-7734-22")),
        ("policyholder", OutputType::Text, "Who is the policyholder?", json!("Ms Rana Okafor")),
        ("annual_premium", OutputType::Number, "", json!(412.8)),
        ("insured_since", OutputType::Date, "", json!("2015-06-01")),
        ("smoke_detector", OutputType::Boolean, "Is there a smoke detector?", json!(true)),
        ("q7", OutputType::Text, "What is the risk address?", json!("4 Mill Lane, Bath BA1 1AA")),
        ("policy_nr", OutputType::Text, "", json!("HI-7734-22")),
        ("phone", OutputType::Text, "", json!("+44 20 7946 0018")),
        ("yearly_excess", OutputType::Number, "", json!(250)),
    ] {
        assert_eq!(ask_with(&document, name, kind, prompt, &[]).value, right, "{name}");
    }
}

#[test]
fn words_of_the_trade_stand_in_for_the_questions_words() {
    let grammar = [GrammarEntry { word: "deductible".into(), synonyms: vec!["yearly excess".into()] }];
    let reply = ask_with(&document(POLICY), "deductible", OutputType::Number, "What is the deductible?", &grammar);
    assert_eq!(reply.value, json!(250));
}

#[test]
fn evidence_holds_exactly_the_words_of_the_value() {
    let reply = ask(&document(POLICY), "policyholder", OutputType::Text);
    let [evidence] = &reply.evidence[..] else { panic!("{:?}", reply.evidence) };
    assert_eq!(
        (evidence.page, evidence.quote.as_str(), evidence.bbox),
        (1, "Ms Rana Okafor", BBox::new(120.0, 36.0, 204.0, 48.0))
    );
}

#[test]
fn a_table_of_any_kind_is_read_with_the_names_of_its_header() {
    let text = "
# Fees

| Service              | Unit    | Price (GBP) |
|----------------------|---------|------------:|
| Monthly base fee     | month   |      420.00 |
| On-site support      | hour    |       95.00 |
";
    let reply =
        ask_with(&document(text), "fees", OutputType::Table, "List the fees with service, unit and price.", &[]);
    let rows = reply.value.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["Service"], json!("Monthly base fee"));
}

#[test]
fn a_table_of_a_trade_that_no_lexicon_knows_is_found_by_its_headings() {
    let text = "
RENT ROLL

Tenant               Suite     Lease start     Monthly rent
Blue Door Bakery     101       2021-03-01          1,250.00
Fern & Moss Ltd      204       2022-07-15            980.00
Ito Dental           305       2020-01-01          2,100.00

Staff                Extension
Ann Lee              114
Bob Ray              115
";
    let reply = ask_with(
        &document(text),
        "rent_roll",
        OutputType::Table,
        "List every tenant with suite and monthly rent.",
        &[],
    );
    let rows = reply.value.as_array().unwrap();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(
        rows[1],
        json!({"Tenant": "Fern & Moss Ltd", "Suite": 204, "Lease start": "2022-07-15", "Monthly rent": 980})
    );
    let staff = ask_with(&document(text), "staff", OutputType::Table, "Which staff has which extension?", &[]);
    assert_eq!(staff.value.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_contract_names_its_parties_dates_and_law() {
    let text = "
CONSULTING AGREEMENT

Agreement No.: CA-12

This agreement is entered into between Orchid Labs GmbH (\"Client\"), Ringstrasse 1, Vienna,
and Peter Summerfield Ltd (\"Consultant\"), 2 High Road, London.

Effective date: 1 April 2023
Notice period: 30 days

This agreement is governed by the laws of Austria without regard to conflict of laws rules.
";
    let document = document(text);
    assert_eq!(ask(&document, "parties", OutputType::Json).value, json!(["Orchid Labs GmbH", "Peter Summerfield Ltd"]));
    assert_eq!(ask(&document, "effective_date", OutputType::Date).value, json!("2023-04-01"));
    assert_eq!(ask(&document, "governing_law", OutputType::Text).value, json!("Austria"));
    assert_eq!(ask(&document, "termination_notice", OutputType::Text).value, json!("30 days"));
    assert_eq!(ask(&document, "agreement_number", OutputType::Text).value, json!("CA-12"));
    assert_eq!(ask(&document, "title", OutputType::Text).value, json!("CONSULTING AGREEMENT"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_layout_is_answered_without_a_panic(words in proptest::collection::vec("[a-zäéß#:.,$€()%|0-9/'\"-]{0,7}|Total|Invoice|Bill to|VAT:|GmbH|between|(\"x\")|Qty  Price  Amount|12.50|3 May 2020|\\n\\n|\\n|\\x0c|   ", 0..60)) {
        let document = document(&words.join(" "));
        let reading = Reading::of(&document);
        for kind in OutputType::ALL {
            for concept in [Concept::InvoiceNumber, Concept::IssueDate, Concept::Total, Concept::Seller, Concept::Buyer, Concept::LineItems, Concept::Parties, Concept::Term, Concept::Currency, Concept::Iban, Concept::Title] {
                let _ = reading.known(concept, kind);
            }
            let _ = labelled::read(&reading.analysis, &[vec!["x".to_owned()]], kind);
        }
        let _ = parties::in_role(&reading.analysis, "x");
    }
}

#[test]
fn long_documents_cost_time_in_proportion_to_their_length() {
    let page = format!(
        "{}\nInvoice total 5.00 on 3 May 2020 between the parties\n",
        "words of a long contract that says little, 12.50 EUR each\n".repeat(45)
    );
    let time = |pages: usize| {
        let document = document(&vec![page.as_str(); pages].join("\u{c}"));
        let start = std::time::Instant::now();
        let reading = Reading::of(&document);
        for concept in [Concept::Total, Concept::Seller, Concept::IssueDate, Concept::InvoiceNumber, Concept::Currency]
        {
            let _ = reading.known(concept, OutputType::Text);
        }
        start.elapsed()
    };
    let (few, many) = (time(10), time(100));
    assert!(many < few * 30, "10 pages: {few:?}, 100 pages: {many:?}");
}
