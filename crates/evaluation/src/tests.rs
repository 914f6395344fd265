use protocol::TaskError;
use protocol::answer::Evidence;
use protocol::document::{BBox, Line, Page, Word};
use protocol::request::{EvalSettings, OutputType};
use serde_json::{Value, json};

use super::*;

/// One page; each word 10 points a character, 20 points a line.
fn document(lines: &[&str]) -> Document {
    let lines = (0_u8..)
        .zip(lines)
        .map(|(row, text)| {
            let y = f32::from(row) * 20.0;
            let words: Vec<Word> = text
                .split(' ')
                .scan(0.0, |x, word| {
                    let width = word.chars().count() as f32 * 10.0;
                    let bbox = BBox::new(*x, y, *x + width, y + 12.0);
                    *x += width + 10.0;
                    Some(Word::new(word.to_owned(), bbox))
                })
                .collect();
            Line { text: (*text).to_owned(), bbox: BBox::around(words.iter().map(|word| word.bbox)).unwrap(), words }
        })
        .collect();
    let page = Page { number: 1, width: 600.0, height: 800.0, lines, ..Page::default() };
    Document { media_type: "text/plain".into(), pages: vec![page], ..Document::default() }
}

/// Evidence on the words that hold `quote` on their line.
fn place(document: &Document, quote: &str) -> Evidence {
    let line = document.pages[0].lines.iter().find(|line| line.text.contains(quote)).unwrap();
    let wanted: Vec<&str> = quote.split(' ').collect();
    let at = line
        .words
        .windows(wanted.len())
        .position(|run| run.iter().map(|word| word.text.as_str()).eq(wanted.iter().copied()))
        .unwrap();
    let bbox = BBox::around(line.words[at..at + wanted.len()].iter().map(|word| word.bbox)).unwrap();
    Evidence { page: 1, bbox, quote: quote.to_owned() }
}

fn spec(name: &str, kind: OutputType) -> OutputSpec {
    OutputSpec { name: name.into(), kind, prompt: "?".into(), ..OutputSpec::default() }
}

fn answer(value: Value, evidence: Vec<Evidence>) -> PromptOutcome {
    PromptOutcome::Answered(Answer { value, evidence, reader: "test".into(), ..Answer::default() })
}

fn evaluated(document: &Document, given: Vec<(OutputSpec, PromptOutcome)>) -> BTreeMap<String, Evaluation> {
    let specs: Vec<OutputSpec> = given.iter().map(|(spec, _)| spec.clone()).collect();
    let prompts = given.into_iter().map(|(spec, outcome)| (spec.name, outcome)).collect();
    evaluate(document, &specs, &Answers { prompts, ..Answers::default() })
}

fn one(document: &Document, kind: OutputType, value: Value, quotes: &[&str]) -> Evaluation {
    let evidence = quotes.iter().map(|quote| place(document, quote)).collect();
    evaluated(document, vec![(spec("x", kind), answer(value, evidence))]).remove("x").unwrap()
}

#[test]
fn a_value_that_stands_where_it_says_passes_however_it_is_printed() {
    let document = document(&[
        "Rechnung Nr. RE-2024-17 vom 15.03.2024",
        "Gesamt 1.234,56 €",
        "Price in Rs 12",
        "Müller & Söhne GmbH",
        "株式会社山田様",
    ]);
    for (kind, value, quote) in [
        (OutputType::Text, json!("RE-2024-17"), "RE-2024-17"),
        (OutputType::Date, json!("2024-03-15"), "15.03.2024"),
        (OutputType::Number, json!(1234.56), "1.234,56 €"),
        (OutputType::Number, json!(-1234.56), "1.234,56"),
        (OutputType::Text, json!("EUR"), "€"),
        (OutputType::Text, json!("INR"), "Rs"),
        (OutputType::Text, json!("Müller & Söhne GmbH"), "Müller & Söhne GmbH"),
        (OutputType::Text, json!("株式会社山田"), "株式会社山田様"),
    ] {
        let evaluation = one(&document, kind, value.clone(), &[quote]);
        assert_eq!(evaluation.status, EvaluationStatus::Ok, "{value}: {evaluation:?}");
        assert_eq!(evaluation.checks["evidence"].score, Some(1.0));
    }
}

#[test]
fn evidence_that_does_not_hold_the_value_or_the_quote_is_flagged() {
    let document = document(&["Invoice INV-12 total 119.00 EUR", "Due 2024-04-01"]);
    let flagged = |kind, value: Value, quotes: &[&str]| {
        let evaluation = one(&document, kind, value, quotes);
        assert_eq!(evaluation.status, EvaluationStatus::Flagged, "{evaluation:?}");
        evaluation.checks["evidence"].reasons[0].clone()
    };
    assert!(flagged(OutputType::Text, json!("INV-1"), &["INV-12"]).contains("do not say \"INV-1\""));
    assert!(flagged(OutputType::Number, json!(100), &["119.00"]).contains("do not say 100"));
    assert!(flagged(OutputType::Date, json!("2024-04-02"), &["2024-04-01"]).contains("2024-04-02"));
    assert!(flagged(OutputType::Number, json!(42), &[]).contains("no place"));

    let lie = |page: u32, quote: &str| Evidence { page, quote: quote.into(), ..place(&document, "119.00") };
    let reason = |evidence: Evidence| {
        let given = vec![(spec("x", OutputType::Number), answer(json!(120), vec![evidence]))];
        evaluated(&document, given).remove("x").unwrap().checks["evidence"].reasons[0].clone()
    };
    assert_eq!(reason(lie(1, "120.00")), "the box on page 1 does not hold the words that are quoted from it");
    assert_eq!(reason(lie(7, "119.00")), "the document has no page 7");
}

#[test]
fn null_and_failed_prompts_are_empty_not_wrong() {
    let failed = PromptOutcome::Failed(TaskError::permanent("model_refused", "no"));
    let given = vec![(spec("a", OutputType::Text), answer(Value::Null, vec![])), (spec("b", OutputType::Text), failed)];
    let evaluations = evaluated(&document(&["text"]), given);
    assert!(evaluations.values().all(|one| one.status == EvaluationStatus::Empty && one.checks.is_empty()));
    assert_eq!(evaluations.len(), 2);
}

#[test]
fn amounts_have_to_add_up() {
    let document = document(&["100.00 19.00 119.00 120.00", "Bolts 60.00", "Nuts 40.00"]);
    let number = |name: &str, value: f64, quote: &str| {
        (spec(name, OutputType::Number), answer(json!(value), vec![place(&document, quote)]))
    };
    let items = (
        spec("line_items", OutputType::LineItem),
        answer(
            json!([{"description": "Bolts", "amount": 60}, {"description": "Nuts", "amount": 40.0}]),
            vec![place(&document, "Bolts 60.00"), place(&document, "Nuts 40.00")],
        ),
    );
    let good = evaluated(
        &document,
        vec![
            number("net_amount", 100.0, "100.00"),
            number("tax_amount", 19.0, "19.00"),
            number("total", 119.0, "119.00"),
            items.clone(),
        ],
    );
    assert!(good.values().all(|one| one.status == EvaluationStatus::Ok), "{good:#?}");
    assert_eq!(good["total"].checks["arithmetic"].reasons, ["100 + 19 = 119, total is 119"]);
    assert_eq!(good["line_items"].checks["arithmetic"].reasons, ["the sum of 2 lines = 100, net_amount is 100"]);

    let bad = evaluated(
        &document,
        vec![
            number("net_amount", 120.0, "120.00"),
            number("tax_amount", 19.0, "19.00"),
            number("total", 119.0, "119.00"),
            items,
        ],
    );
    assert!(bad.values().all(|one| one.status == EvaluationStatus::Flagged));
    assert_eq!(bad["total"].checks["arithmetic"].reasons, ["120 + 19 = 139, but total is 119"]);
    assert!(bad["line_items"].checks["arithmetic"].reasons[0].ends_with("but net_amount is 120 and total is 119"));
}

#[test]
fn two_questions_for_the_same_amount_are_not_compared() {
    let document = document(&["100.00 19.00 50.00 119.00"]);
    let number = |name: &str, value: f64, quote: &str| {
        (spec(name, OutputType::Number), answer(json!(value), vec![place(&document, quote)]))
    };
    let given = vec![
        number("net", 100.0, "100.00"),
        number("tax", 19.0, "19.00"),
        number("total_january", 50.0, "50.00"),
        number("total_year", 119.0, "119.00"),
    ];
    assert!(evaluated(&document, given).values().all(|one| !one.checks.contains_key("arithmetic")));
}

#[test]
fn requested_scores_that_need_a_judge_are_null_and_say_so() {
    let document = document(&["Bolts 60.00"]);
    let settings = EvalSettings {
        evaluate: true,
        eval_quality_faithfulness: true,
        eval_quality_correctness: true,
        eval_guidance_completeness: true,
        ..EvalSettings::default()
    };
    let asked = OutputSpec { eval_settings: settings, ..spec("rows", OutputType::Table) };
    let rows = json!([{"item": "Bolts", "price": 60}, {"item": "Bolts", "price": null}]);
    let evaluation = evaluated(&document, vec![(asked, answer(rows, vec![place(&document, "Bolts 60.00")]))])
        .remove("rows")
        .unwrap();
    assert_eq!(evaluation.checks["faithfulness"].score, Some(1.0));
    let correctness = &evaluation.checks["correctness"];
    assert_eq!((correctness.score, correctness.passed, correctness.method.as_str()), (None, true, NOT_AVAILABLE));
    assert_eq!(evaluation.checks["completeness"].reasons, ["1 of 4 cells are empty, most of them in \"price\""]);
}
