"""What looks like a secret: names that promise one, and texts that carry one.

Every pattern takes linear time, whatever the text: each begins at a boundary, its runs are
possessive (``*+``) or of bounded length, and what begins a match need not be completed.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_WORDS = frozenset({
    "auth", "authorization", "bearer", "cookie", "cred", "creds", "dsn", "htpasswd", "jwt",
    "otp", "pass", "passcode", "pin", "pw", "pwd", "sas", "sig", "signature", "totp",
})  # fmt: skip
_WORD = re.compile(r"[A-Z]++(?![a-z])|[A-Z]?[a-z]++|[0-9]++|[A-Z]")
_PART = re.compile(
    r"(?i)passw(?:or)?d|passphrase|secret|token(?!s|iz)|credential|signature|web-?hook"
    r"|api[_-]?key|connection[_-]?string|sas[_-]?url"
)
_END = re.compile(r"(?i)(?:pass|pwd|keys?|secrets?)[_-]?\d{0,9}\Z")
# "password: x", but neither "token-model: x" nor "password: Invalid value" is a secret.
_LAST = re.compile(
    r"(?i)(?:pass(?:w(?:or)?d|phrase|code)?|pwd|secret|token|credentials?|key|auth(?:orization)?|jwt"
    r"|cookie|signature|dsn|pin|webhook)[_-]?\d{0,9}\Z"
)
# A name that ends like this tells where a secret is, not what it is.
_POINTS = re.compile(r"(?i)(?:file|path|dir|name|ref|env-secret|image-pull-secret)\Z")
_LONGEST_NAME = 200


def name(text: str) -> bool:
    """Whether a variable, a parameter or an option of this name holds a secret."""
    text = text[-_LONGEST_NAME:]
    if _PART.search(text) or _END.search(text):
        return True
    return any(word.lower() in _WORDS for word in _WORD.findall(text))


_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY[A-Z ]{0,9}-----(?:[^-]++|-(?!----END))*+"
    r"(?:-----END [A-Z0-9 ]{0,60}-----)?"
)
_URI = re.compile(r"://(?P<rest>(?:[^\s\"'<>`:]++|:(?!//))*+)")
_AUTHORITY = re.compile(r"[^/?#]*+")
_NO_USER = ("wasb", "wasbs", "abfs", "abfss", "r2", "b2", "dbfs")
"""Schemes that have a container, a bucket or a profile where others have a user."""
# The address of a chat service's incoming webhook is all that it takes to write there.
_HOOK = re.compile(
    r"(?i)(?:(?:[\w-]{1,63}\.){0,9}?(?:hooks|webhook)\.[^/?#]++"
    r"|[^/?#]++/(?:[\w-]{1,20}/){0,3}?(?:incoming)?web-?hooks?b?\d?(?=/[^/]))/"
)
_SCHEMED = re.compile(r"(?i)(?P<name>\b(?:bearer|basic)\s++)(?!authenti|authori)[\w.~+/=-]{8,}+")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:eyJ[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+){1,4}"
    r"|gh[oprsu]_[A-Za-z0-9]{30,}+|github_pat_\w{30,}+|glpat-[\w-]{20,}+|xox[a-z]-[\w-]{10,}+"
    r"|A[KS]IA[A-Z0-9]{16}(?!\w)|hf_[A-Za-z0-9]{30,}+|npm_[A-Za-z0-9]{30,}+|AIza[\w-]{30,}+"
    r"|sk-(?:(?:proj|ant|svcacct|or)-[\w-]{20,}+|[A-Za-z0-9]{20,}+)|dapi[0-9a-f]{32})"
)
_ASSIGNED = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]++)\\?[\"']?[ \t]*+(?:=[ \t]*+|(?P<colon>:\s*+))"
)
_FLAG = re.compile(r"(?<![\w-])(?P<name>--?[A-Za-z][\w-]*+)\s++")
_QUOTED = r"\\\"(?:[^\"\\]++|\\(?!\"))*+(?:\\\")?|\"(?:[^\"\\]++|\\.)*+\"?|'[^']*+'?"
_VALUE = re.compile(rf"{_QUOTED}|[^\s&;\"']++", re.DOTALL)
_ITEM = re.compile(rf"{_QUOTED}|(?<=\s)[^\s,;}}\]\"']++(?=\s*+(?:[,;}}\]\n]|\Z))", re.DOTALL)
_PROSE = frozenset({"and", "for", "in", "is", "must", "of", "or", "to", "wants", "with"})


def hidden(text: str) -> str:
    """Return ``text`` without what looks like a secret in it, however long it is."""
    if "-----BEGIN " in text:
        text = _PEM.sub(HIDDEN, text)
    if "://" in text:
        text = _URI.sub(_uri, text)
    text = _SCHEMED.sub(rf"\g<name>{HIDDEN}", _TOKEN.sub(HIDDEN, text))
    if "=" in text or ":" in text:
        text = _without_values(text, _ASSIGNED)
    return _without_values(text, _FLAG) if "-" in text else text


def in_uri(uri: str) -> bool:
    """Whether a URI has a user's password or token, or a signature, in it."""
    if any(_shown_user(found) == f"{HIDDEN}@" for found in _URI.finditer(uri)):
        return True
    heads = _ASSIGNED.finditer(uri)
    names = [head["name"] for head in heads if uri[head.start() - 1 : head.start()] in ("?", "&")]
    return any(_PART.search(each) or each.lower() == "sig" for each in names)


def _uri(found: re.Match[str]) -> str:
    host = found["rest"][len(_user(found["rest"])) :]
    hook = _HOOK.match(host) if _scheme(found).endswith(("http", "https")) else None
    return f"://{_shown_user(found)}{f'{hook[0]}{HIDDEN}' if hook else host}"


def _scheme(found: re.Match[str]) -> str:
    return found.string[max(0, found.start() - 6) : found.start()].lower()


def _shown_user(found: re.Match[str]) -> str:
    user = _user(found["rest"])
    container = _scheme(found).endswith(_NO_USER) and ":" not in user
    return user if container or not user else f"{HIDDEN}@"


def _user(rest: str) -> str:
    """Return ``user:password@`` (RFC 3986), also where a "/" in the password is not encoded."""
    authority = rest[: _AUTHORITY.match(rest).end()]  # type: ignore[union-attr]  # always matches
    odd = ":" in authority and not authority.rpartition(":")[2].isdigit()
    known = authority if "@" in authority or not odd else rest
    return "".join(known.rpartition("@")[:2])


def _without_values(text: str, heads: re.Pattern[str]) -> str:
    """Hide what stands behind each head that asks for a secret; a hidden value has no heads."""
    parts: list[str] = []
    end = 0
    for head in heads.finditer(text):
        # A name that asks for a secret, and does not tell where one is.
        asks = name(head["name"]) and not _POINTS.search(head["name"])
        if head.start() < end or not asks or (value := _behind(head)) is None:
            continue
        quote = next((mark for mark in ('\\"', '"', "'") if value[0].startswith(mark)), "")
        parts += text[end : head.end()], f"{quote}{HIDDEN}{quote}"
        end = value.end()
    return "".join([*parts, text[end:]]) if parts else text


def _behind(head: re.Match[str]) -> re.Match[str] | None:
    if head.re is _ASSIGNED and head["colon"]:
        return _ITEM.match(head.string, head.end()) if _LAST.search(head["name"]) else None
    value = _VALUE.match(head.string, head.end())
    prose = head.re is _FLAG and value and value[0].lower() in _PROSE
    return None if prose else value
