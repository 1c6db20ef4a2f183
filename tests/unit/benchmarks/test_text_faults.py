from benchmarks.text_faults import find_faults

SAID = "he was not an ill-disposed young man, unless to be cold is to be ill-disposed"


def test_misheard_words_are_no_faults() -> None:
    assert not find_faults(SAID, "He was not an ill sposed young men. Unless to be called is to be ill disposed.")


def test_three_words_in_a_row_are_lost() -> None:
    faults = find_faults(SAID, "He was not an ill-disposed young man, is to be ill-disposed.")

    assert faults.lost == ("unless to be cold",)
    assert not faults.invented


def test_what_stands_twice_is_doubled_and_what_nobody_said_is_invented() -> None:
    twice = find_faults("one two three four five", "one two three four five one two three four five")
    invented = find_faults("one two three", "one two three thanks for watching")

    assert twice.doubled == ("one two three four five",)
    assert invented.invented == ("thanks for watching",)
