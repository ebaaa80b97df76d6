from tools._public_web import Page
from tools.read_web_page import LONGEST_TEXT, read_page

URL = "https://example.com/"


def test_html_is_read_as_text() -> None:
    html = b"""<html><head><title> Light\nhouses </title><style>p {}</style></head><body>
    <nav>Menu</nav><h1>A <em>light</em> at sea</h1><p>Ships follow<br>it.<script>x()</script></p>
    <ul><li>One</li><li>Two &amp; three</li></ul><table><tr><td>a</td><td>b</td></tr></table>
    <p>Broken <b>tags"""
    assert read_page(Page(URL, "text/html; charset=utf-8", html)) == (
        "https://example.com/: Light houses\n\n"
        "A light at sea\nShips follow\nit.\nOne\nTwo & three\na\nb\nBroken tags"
    )


def test_the_charset_is_that_of_the_header_or_of_the_page() -> None:
    text = "<p>Grüße</p>".encode("latin-1")
    assert read_page(Page(URL, 'text/html; charset="iso-8859-1"', text)).endswith("\n\nGrüße")
    meta = b'<meta charset="iso-8859-1">' + text
    assert read_page(Page(URL, "text/html", meta)).endswith("\n\nGrüße")
    assert read_page(Page(URL, "text/plain; charset=nonsense", b"Hello")).endswith("\n\nHello")


def test_other_text_is_read_as_it_is() -> None:
    json = b'{"a": "<b>"}\n'
    assert read_page(Page(URL, "application/json", json)) == f'{URL}\n\n{{"a": "<b>"}}'


def test_a_page_without_text_says_so() -> None:
    assert read_page(Page(URL, "text/html", b"<script>x</script>")) == (
        f"{URL}\n\nThe page has no text."
    )


def test_a_long_page_is_cut() -> None:
    text = read_page(Page(URL, "text/plain", b"a" * (LONGEST_TEXT + 1)))
    assert text.endswith("aaa… (cut: 50,000 of 50,001 characters)")
