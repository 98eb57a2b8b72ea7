"""Pure: what a browser asks the page for, out of a URL's query."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from m2s.observers.page.rows import PageRow


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for: a part of a name or a version, a state, one deployment, a page from 1."""

    text: str = ""
    state: str = ""
    deployment: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: str) -> Asked:
        """Return what a URL's query asks for; what it does not know it leaves out."""
        said = {name: values[-1].strip()[:_LONGEST] for name, values in _parsed(query).items()}
        page = said.get("page", "")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
        text, state = said.get("q", ""), said.get("state", "")
        return cls(text, state, said.get("deployment", ""), max(1, number))

    def at(self, page: int) -> str:
        """Return the query of another page of the same."""
        return urlencode({"q": self.text, "state": self.state, "page": page})

    def finds(self, row: PageRow) -> bool:
        """Whether a deployment is one of those."""
        if self.state and row.kind != self.state:
            return False
        return self.is_in(row.one.key.name, *map(str, row.one.served))

    def is_in(self, *texts: str) -> bool:
        """Whether the part that is looked for stands in one of these."""
        return any(self.text.lower() in text.lower() for text in texts)


_LONGEST = 300


def _parsed(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, max_num_fields=20)
    except ValueError:
        return {}
