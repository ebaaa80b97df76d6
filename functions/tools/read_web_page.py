"""The text of a public web page."""

from bs4 import BeautifulSoup
from crewai.tools import BaseTool
from pydantic import BaseModel, Field

from quarterdeck.tooling.policy import Policy
from tools._public_web import Page, fetch_page, look_up

POLICY = Policy(has_effect=False, timeout=30)

FETCH_SECONDS = 20.0
LONGEST_TEXT = 50_000
NOT_READ = ("script", "style", "noscript", "template", "svg", "iframe", "nav", "form")
BLOCKS = (
    *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption"),
    *("footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre"),
    *("section", "table", "td", "th", "tr", "ul"),
)


class ReadWebPageArguments(BaseModel):
    url: str = Field(description="https://…", max_length=2000)


class ReadWebPage(BaseTool):
    name: str = "read_web_page"
    description: str = "Reads the text of a public web page, at an address that begins https://."
    args_schema: type[BaseModel] = ReadWebPageArguments

    def _run(self, url: str) -> str:
        return read_page(fetch_page(url, FETCH_SECONDS, look_up))


def read_page(page: Page) -> str:
    """Address, title and text."""
    if "html" not in page.content_type:
        title, text = "", decode_text(page)
    else:
        title, text = extract_text(page)
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… (cut: {LONGEST_TEXT:,} of {len(text):,} characters)"
    heading = f"{page.url}: {title}" if title else page.url
    return f"{heading}\n\n{text or 'The page has no text.'}"


def extract_text(page: Page) -> tuple[str, str]:
    """Title and text of HTML, a line for each block."""
    soup = BeautifulSoup(page.content, "html.parser", from_encoding=find_charset(page))
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for part in soup([*NOT_READ, "head"]):
        part.decompose()
    for block in soup(list(BLOCKS)):
        block.insert_before("\n")
        block.insert_after("\n")
    lines = (" ".join(line.split()) for line in soup.get_text().splitlines())
    return title, "\n".join(filter(None, lines))


def decode_text(page: Page) -> str:
    try:
        return page.content.decode(find_charset(page) or "utf-8", errors="replace").strip()
    except LookupError:
        return page.content.decode(errors="replace").strip()


def find_charset(page: Page) -> str | None:
    for part in page.content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ") or None
    return None
