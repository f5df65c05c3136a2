"""Names of columns: which of them tells who, what, how much and when; and whether a first row holds names at all."""

from __future__ import annotations

import re

from recsys_cl.interactions.batches import Role

# In order of preference; compared without case, spaces and signs.
SYNONYMS: dict[Role, tuple[str, ...]] = {
    "user": (
        *("userid", "user", "uid", "customerid", "customer", "visitorid", "visitor", "memberid", "member"),
        *("reviewerid", "reviewerid", "accountid", "account", "clientid", "client", "buyerid", "personid"),
        *("playerid", "readerid", "listenerid", "userkey", "useridx", "usernum", "username", "fullvisitorid"),
        *("deviceid", "sessionid", "session", "who"),
    ),
    "item": (
        *("itemid", "item", "iid", "movieid", "movie", "productid", "product", "asin", "sku", "stockcode"),
        *("articleid", "article", "bookid", "book", "isbn", "trackid", "track", "songid", "song", "artistid"),
        *("artist", "gameid", "game", "videoid", "video", "newsid", "businessid", "venueid", "locationid", "poiid"),
        *("contentid", "recipeid", "courseid", "showid", "animeid", "docid", "documentid", "goodsid", "adid"),
        *("parentasin", "itemkey", "itemidx", "itemnum", "description", "productname", "itemname", "title", "what"),
    ),
    "value": (
        *("rating", "value", "score", "stars", "quantity", "qty", "count", "plays", "playcount", "listens"),
        *("weight", "overall", "preference", "units"),
    ),
    "time": (
        *("timestamp", "time", "datetime", "date", "ts", "unixreviewtime", "unixtime", "invoicedate", "eventtime"),
        *("createdat", "created", "ratedat", "orderdate", "purchasedate", "reviewtime", "playedat", "watchedat"),
        *("when",),
    ),
    "title": ("title", "movietitle", "itemtitle", "producttitle", "name", "itemname", "productname", "description"),
    "category": ("genres", "genre", "categories", "category", "class", "maincategory", "productcategory"),
    "invoice": ("invoiceno", "invoice", "invoicenumber"),
}
# Parts of a name that tell a role when no whole name does.
PARTS: dict[Role, tuple[str, ...]] = {
    "user": ("user", "customer", "visitor"),
    "item": ("item", "product", "movie", "article"),
    "value": ("rating", "score"),
    "time": ("timestamp", "time", "date"),
}
_QUANTITIES = frozenset({"quantity", "qty", "units"})
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def plain(name: str) -> str:
    """Return a column's name without case, spaces and signs."""
    return re.sub(r"[\W_]+", "", name).lower()


def named_like(role: Role, columns: tuple[str, ...], taken: set[str]) -> str | None:
    """Return the column whose name tells ``role``, leaving out those ``taken``; None if there is none."""
    by_plain = {plain(column): column for column in columns if column not in taken}
    for synonym in SYNONYMS[role]:
        if synonym in by_plain:
            return by_plain[synonym]
    for part in PARTS.get(role, ()):
        found = [column for name, column in by_plain.items() if part in name]
        if len(found) == 1:
            return found[0]
    return None


def is_quantity(column: str) -> bool:
    """Tell whether a column counts pieces, so that a negative value takes a purchase back."""
    return plain(column) in _QUANTITIES


def is_number(text: str) -> bool:
    """Tell whether a text is a finite decimal number."""
    return _NUMBER.fullmatch(text) is not None


def looks_like_header(rows: list[list[str]]) -> bool:
    """Tell whether the first row names the columns.

    It does if it holds no number and either a name that is known, or words above a column of numbers.
    """
    first, rest = rows[0], [row for row in rows[1:101] if len(row) == len(rows[0])]
    if any(map(is_number, first)):
        return False
    known = {name for names in SYNONYMS.values() for name in names}
    if any(plain(name) in known for name in first):
        return True
    if not all(name.strip() for name in first):
        return False
    columns = zip(*rest, strict=True) if rest else iter(())
    return any(sum(map(is_number, column)) > 0.9 * len(column) for column in columns)
