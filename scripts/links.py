"""Whether the links of the book that mdBook made lead somewhere. Those of the sources, `tests/tests/documents.rs` checks."""
import html
import pathlib
import re
import sys
from urllib.parse import unquote


def main(folder):
    pages = {page: page.read_text() for page in folder.rglob("*.html")}
    anchors = {page: set(re.findall(r'id="([^"]+)"', text)) for page, text in pages.items()}
    followed, wrong = 0, []
    for page, text in pages.items():
        body = text[text.find("<main") : text.find("</main")]
        # The page for printing repeats the others.
        if page.name == "print.html":
            continue
        for link in re.findall(r'(?:href|src)="([^"]+)"', body):
            path, _, anchor = html.unescape(link).partition("#")
            if ":" in path:
                continue
            followed += 1
            to = (page.parent / unquote(path)).resolve() if path else page.resolve()
            if not to.exists():
                wrong.append(f"{page}: {link} leads nowhere")
            elif anchor and unquote(anchor) not in anchors.get(to, ()):
                wrong.append(f"{page}: {link} has no heading")
    print("\n".join(wrong) or f"{followed} links of {len(pages)} pages")
    return 1 if wrong or followed < 100 else 0


sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
