//! What the layout promises, on characters placed by hand: 10 points high, 6 wide.

use super::*;

const UPRIGHT: (f32, f32) = (1.0, 0.0);

/// The characters of a text that begins at x on a baseline y; blanks are gaps, not characters.
fn at(x: f32, y: f32, text: &str) -> Vec<Mark> {
    let place = |(index, character): (usize, char)| {
        let x = x + 6.0 * index as f32;
        let bbox = BBox::new(x, y - 8.0, x + 6.0, y + 2.0);
        (character != ' ').then(|| Mark::Glyph(Glyph::new(character, bbox, (x, y), UPRIGHT)))
    };
    text.chars().enumerate().filter_map(place).collect()
}

fn texts(marks: &[Vec<Mark>]) -> Vec<String> {
    lines(&marks.concat()).into_iter().map(|line| line.text).collect()
}

#[test]
fn columns_stay_under_each_other() {
    let rows = [at(10.0, 20.0, "Qty"), at(70.0, 20.0, "Price"), at(10.0, 34.0, "2"), at(70.0, 34.5, "9.50")];
    assert_eq!(texts(&rows), ["Qty       Price", "2         9.50"]);
}

#[test]
fn padding_is_bounded() {
    let text = texts(&[at(0.0, 20.0, "a"), at(90_000.0, 20.0, "b")]).concat();
    assert_eq!(text.len(), 401);
}

#[test]
fn a_gap_parts_words_whether_or_not_a_space_is_drawn() {
    let [line] = &lines(&at(0.0, 20.0, "two words"))[..] else { panic!("one line") };
    assert_eq!(line.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["two", "words"]);
    assert_eq!(line.words[1].bbox, BBox::new(24.0, 12.0, 54.0, 22.0));
    let drawn = [at(0.0, 20.0, "a"), vec![Mark::Space], at(6.0, 20.0, "b")];
    assert_eq!(texts(&drawn), ["a b"]);
}

#[test]
fn what_is_drawn_in_parts_and_out_of_order_is_one_word() {
    assert_eq!(texts(&[at(12.0, 20.0, "tal"), at(60.0, 20.0, "9"), at(0.0, 20.0, "to")]), ["total     9"]);
}

#[test]
fn dots_that_lead_to_a_value_are_part_of_neither() {
    assert_eq!(texts(&[at(0.0, 20.0, "Total......9.50")]), ["Total ...... 9.50"]);
    assert_eq!(texts(&[at(0.0, 20.0, "and so on...")]), ["and so on..."]);
}

#[test]
fn an_exponent_belongs_to_its_word() {
    assert_eq!(texts(&[at(0.0, 20.0, "5 m"), at(18.0, 16.5, "2")]), ["5 m2"]);
}

#[test]
fn fake_bold_is_read_once_while_double_letters_stay() {
    assert_eq!(texts(&[at(0.0, 20.0, "fill"), at(0.3, 20.0, "fill")]), ["fill"]);
    let by_character = [at(0.0, 20.0, "f"), at(0.3, 20.0, "f"), at(6.0, 20.0, "i"), at(6.3, 20.0, "i")];
    assert_eq!(texts(&by_character), ["fi"]);
    let ligature = [at(0.0, 20.0, "o"), at(6.0, 20.0, "f"), at(6.0, 20.0, "f"), at(12.0, 20.0, "er")];
    assert_eq!(texts(&ligature), ["offer"]);
}

#[test]
fn what_is_written_from_right_to_left_is_read_so() {
    // Drawn from the right: the first word stands rightmost, its letters run leftwards.
    let letter = |x: f32, character: char| at(x, 20.0, &character.to_string());
    let marks = [letter(60.0, 'ש'), letter(54.0, 'ל'), vec![Mark::Space], letter(40.0, 'ה'), at(22.0, 20.0, "42")];
    let [line] = &lines(&marks.concat())[..] else { panic!("one line") };
    assert_eq!(line.text.trim(), "של ה 42");
}

#[test]
fn the_number_of_a_note_stands_in_the_line_of_its_word() {
    let small = |x: f32, y: f32, character: char| {
        let bbox = BBox::new(x, y - 5.0, x + 3.0, y + 1.0);
        vec![Mark::Glyph(Glyph::new(character, bbox, (x, y), UPRIGHT))]
    };
    // Drawn apart from its word, and right before a word.
    let rows = [at(0.0, 20.0, "text"), at(40.0, 20.0, "more"), small(24.5, 16.5, '7')];
    assert_eq!(texts(&rows), ["text7  more"]);
    assert_eq!(texts(&[small(0.0, 16.5, '1'), at(3.0, 20.0, "See")]), ["1 See"]);
}

#[test]
fn letters_that_are_set_apart_evenly_are_one_word() {
    let spaced = |x: f32, text: &str| {
        let letter = |(index, letter): (usize, char)| at(x + 9.0 * index as f32, 20.0, &letter.to_string());
        text.chars().enumerate().flat_map(letter).collect::<Vec<_>>()
    };
    assert_eq!(texts(&[spaced(0.0, "INVOICE"), spaced(80.0, "PAID")]), ["INVOICE  PAID"]);
    // With spaces drawn between them they are letters: of a list, or of a key.
    let with_spaces = "ABCD"
        .chars()
        .enumerate()
        .flat_map(|(index, letter)| [at(9.0 * index as f32, 20.0, &letter.to_string()), vec![Mark::Space]].concat());
    assert_eq!(texts(&[with_spaces.collect()]), ["A B C D"]);
}

#[test]
fn text_that_is_written_downwards_is_read_so_column_after_column_from_the_right() {
    let column = |x: f32, text: &str| {
        let character = |(index, character): (usize, char)| {
            let y = 20.0 + 10.0 * index as f32;
            Mark::Glyph(Glyph::new(character, BBox::new(x, y - 8.0, x + 10.0, y + 2.0), (x, y), UPRIGHT))
        };
        text.chars().enumerate().map(character).collect::<Vec<_>>()
    };
    assert_eq!(texts(&[column(40.0, "日本国民は"), column(20.0, "正当に選挙")]), ["日本国民は", "正当に選挙"]);
}

#[test]
fn words_of_two_scripts_that_touch_are_one_word_in_the_order_of_reading() {
    // "and" in Arabic stands right of the Latin word that it belongs to.
    let marks = [at(30.0, 20.0, "و"), at(0.0, 20.0, "Rust")];
    assert_eq!(texts(&[marks[0].clone(), vec![Mark::Break], at(6.0, 20.0, "Rust")]), ["وRust"]);
    // A stop that ends a sentence stands on its left.
    assert_eq!(texts(&[at(12.0, 20.0, "ש"), at(6.0, 20.0, "ל"), at(0.0, 20.0, ".")]), ["של."]);
}

#[test]
fn print_that_would_push_its_neighbours_away_makes_columns_narrower() {
    let narrow = |x: f32, y: f32, text: &str| {
        let letter = |(index, letter): (usize, char)| {
            let x = x + 3.0 * index as f32;
            Mark::Glyph(Glyph::new(letter, BBox::new(x, y - 8.0, x + 3.0, y + 2.0), (x, y), UPRIGHT))
        };
        text.chars().enumerate().map(letter).collect::<Vec<_>>()
    };
    let rows = [
        at(0.0, 20.0, "wide"),
        at(60.0, 20.0, "wide"),
        at(0.0, 34.0, "wide"),
        at(60.0, 34.0, "wide"),
        narrow(0.0, 48.0, "narrowprint"),
        at(60.0, 48.0, "wide"),
    ];
    let found = texts(&rows);
    let columns: Vec<Option<usize>> = found.iter().map(|line| line.rfind("wide")).collect();
    assert!(columns.iter().all(|column| *column == columns[0]), "{found:#?}");
}
