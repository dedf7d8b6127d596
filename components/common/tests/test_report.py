from html.parser import HTMLParser

import pytest

from components.common.reports import charts, html

HOSTILE = '<script>alert("1")</script>'


class Outline(HTMLParser):
    """Tags opened and not closed, all tags seen, and the visible text."""

    VOID = ("meta", "br")

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def whole_page(word="x"):
    chart = charts.histogram([1, 2, 3], label=word)
    return html.page(
        word,
        word,
        html.verdict("failed", word),
        html.cards({word: word}),
        html.cards([(word, 1, "failed")]),
        html.section(
            word,
            html.table([word, "n"], [[word, 1], [html.badge("passed", word), None]], row_classes=["failed", ""]),
            note=word,
        ),
        html.gallery(html.figure(chart, word, word), html.figure(chart, size="wide")),
        html.text(word, word),
        word,
    )


def test_a_page_is_well_formed_and_needs_nothing_else():
    page = whole_page()
    outline = Outline(page)
    assert outline.open == []
    for tag, attributes in outline.seen:
        assert not {"src", "href"} & set(attributes) and tag not in ("link", "img", "iframe")
    assert (
        "url(" not in page and "@import" not in page and "prefers-color-scheme:dark" in page and "@media print" in page
    )


def test_hostile_names_are_shown_and_not_run():
    page = whole_page(HOSTILE)
    outline = Outline(page)
    assert [tag for tag, _ in outline.seen].count("script") == 1, "the page's own"
    assert "".join(outline.words).count(HOSTILE) >= 12


def test_a_kind_cannot_break_out_of_its_attribute():
    assert '"><script' not in html.badge('"><script>', "x") + html.cards([("a", 1, '"><script>')])


@pytest.mark.parametrize(
    "word", ["\ud800", "a\x00b", "tab\tand\nline", "日本語 ünï"], ids=["surrogate", "nul", "tab", "unicode"]
)
def test_any_text_can_be_written(tmp_path, word):
    html.write_page(tmp_path / "page.html", whole_page(word))
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "\x00" not in written
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_columns_of_numbers_are_flush_right_and_sort_by_value():
    table = html.table(["name", "score"], [["a", 1234.5], ["b", None]])
    assert '<td class="num" data-v="1234.5">1,234</td>' in table
    assert '<th scope="col"><button' in table and '<th scope="col" class="num">' in table


def test_a_table_of_very_many_rows_lists_the_first_and_counts_the_others():
    table = html.table(["n"], [[at] for at in range(5000)])
    assert table.count("<tr>") == 1001 and "and 4,000 more, which are not listed" in table


def test_a_row_of_the_wrong_length_is_an_error():
    with pytest.raises(ValueError, match="2 cells"):
        html.table(["a", "b"], [[1]])


def test_a_page_says_of_which_run_it_is_only_where_a_run_keeps_it():
    made = html.page("t", "s", facts={"source": HOSTILE, "rows": 1200})
    kept = html.of_run(made, {"use case": "iris", "run": "r-17"})
    said = [word for word in Outline(kept).words if word.strip()]
    assert said[said.index("use case") :][:8] == ["use case", "iris", "run", "r-17", "source", HOSTILE, "rows", "1,200"]
    assert "r-17" not in made and html.of_run("<p>another</p>", {"run": "r"}) == "<p>another</p>"


def test_a_failed_write_leaves_the_old_page(tmp_path):
    path = tmp_path / "page.html"
    html.write_page(path, "old")
    with pytest.raises(UnicodeEncodeError):
        html.write_page(path, "new \ud800")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
