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
