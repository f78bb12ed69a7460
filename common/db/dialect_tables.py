"""CREATE TABLE in SQLite's words, with MySQL's strictness kept as CHECKs.

A text that is too long, a number out of range, JSON that is none and a word outside an ENUM are
refused, as under STRICT_TRANS_TABLES.
"""

from __future__ import annotations

from common.db.dialect_tokens import closing, is_word, split_at_commas

_RANGES = {"TINYINT": 7, "SMALLINT": 15, "MEDIUMINT": 23, "INT": 31, "INTEGER": 31}
_INTEGERS = {*_RANGES, "BIGINT", "BOOL", "BOOLEAN"}
_REALS = {"DOUBLE", "FLOAT", "DECIMAL", "NUMERIC"}
_BLOBS = {"BLOB", "BINARY", "VARBINARY", "MEDIUMBLOB", "LONGBLOB"}
_AFFINITIES = {
    **dict.fromkeys(_INTEGERS, "INTEGER"),
    **dict.fromkeys(_REALS, "REAL"),
    **dict.fromkeys(_BLOBS, "BLOB"),
}
_INSTANT = "____-__-__ __:__:__.______"


def create_table(tokens: list[str], database: str) -> tuple[str, ...]:
    """Return the CREATE TABLE and the CREATE INDEXes that its KEYs become."""
    opening = tokens.index("(")
    table = tokens[opening - 1].strip('"')
    items = split_at_commas(tokens[opening + 1 : closing(tokens, opening)])
    own = [item for item in items if not _is_index(item)]
    indexes = [item for item in items if _is_index(item)]
    counted = {item[0] for item in own if "AUTO_INCREMENT" in (word.upper() for word in item)}
    lines = [_item(item, counted) for item in own]
    body = ", ".join(line for line in lines if line)
    made = f'CREATE TABLE IF NOT EXISTS {database}."{table}" ({body})'
    return (made, *(_index(item, database, table) for item in indexes))


def create_index(tokens: list[str], database: str) -> str:
    """Translate ``CREATE [UNIQUE] INDEX name ON table (columns)``."""
    at = tokens.index("INDEX")
    table = tokens[at + 3].strip('"')
    return _index([*tokens[1 : at + 2], *tokens[at + 4 :]], database, table)


def drop_index(tokens: list[str], database: str) -> str:
    """Translate ``DROP INDEX name ON table``."""
    return f"DROP INDEX {_index_name(database, tokens[4], tokens[2])}"


def add_column(tokens: list[str], database: str) -> str:
    """Translate ``ALTER TABLE table ADD COLUMN column``; nothing else is altered by a migration."""
    table = tokens[2].strip('"')
    if not (is_word(tokens, 3, "ADD") and is_word(tokens, 4, "COLUMN")):
        raise ValueError(f"only ADD COLUMN is known here, not {' '.join(tokens[3:5])}")
    return f'ALTER TABLE {database}."{table}" ADD COLUMN {_column(tokens[5:], is_counted=False)}'


def _is_index(item: list[str]) -> bool:
    """Tell whether it becomes an index with a name, which a later migration may drop."""
    return is_word(item, 0, "KEY", "INDEX") or (
        is_word(item, 0, "UNIQUE") and is_word(item, 1, "KEY", "INDEX") and item[2] != "("
    )


def _item(item: list[str], counted: set[str]) -> str:
    if is_word(item, 0, "UNIQUE"):
        return f"UNIQUE {_columns(item)}"
    if is_word(item, 0, "PRIMARY"):
        is_counted = item[3] in counted and item[4] == ")"
        return "" if is_counted else f"PRIMARY KEY {_columns(item)}"
    if is_word(item, 0, "CONSTRAINT", "FOREIGN", "CHECK"):
        return " ".join(item)
    return _column(item, is_counted=item[0] in counted)


def _columns(item: list[str]) -> str:
    opening = item.index("(")
    columns = split_at_commas(item[opening + 1 : closing(item, opening)])
    return f"({', '.join(column[0] for column in columns)})"  # without prefix lengths and order


def _index(item: list[str], database: str, table: str) -> str:
    is_unique = is_word(item, 0, "UNIQUE")
    kind, name = ("UNIQUE INDEX", item[2]) if is_unique else ("INDEX", item[1])
    named = _index_name(database, table, name)
    return f'CREATE {kind} IF NOT EXISTS {named} ON "{table}" {_columns(item)}'


def _index_name(database: str, table: str, name: str) -> str:
    joined = f"{table}_{name}".replace('"', "")  # MySQL names indexes per table
    return f'{database}."{joined}"'


def _column(item: list[str], *, is_counted: bool) -> str:
    name, kind = item[0], item[1].upper()
    if is_counted:
        return f"{name} INTEGER PRIMARY KEY AUTOINCREMENT"
    has_size = len(item) > 2 and item[2] == "("
    end = closing(item, 2) + 1 if has_size else 2
    size = item[3 : end - 1]
    affinity, check = _kind(name, kind, size)
    rest = _attributes(item[end:])
    return " ".join([name, affinity, *rest, *([f"CHECK ({check})"] if check else [])])


def _kind(name: str, kind: str, size: list[str]) -> tuple[str, str]:
    check = f"LENGTH({name}) <= {size[0]}" if size else ""
    match kind:
        case "DATETIME" | "TIMESTAMP":
            check = f"{name} LIKE '{_INSTANT}'"
        case "JSON":
            check = f"{name} IS NULL OR JSON_VALID({name})"
        case "ENUM":
            check = f"{name} IN ({' '.join(size)})"
        case "BIGINT":
            check = ""
        case "BOOL" | "BOOLEAN":
            check = f"{name} BETWEEN -128 AND 127"
    if kind in _RANGES:
        half = 2 ** _RANGES[kind]
        check = f"{name} BETWEEN -{half} AND {half - 1}"
    return _AFFINITIES.get(kind, "TEXT"), "" if kind in _REALS else check


def _attributes(tokens: list[str]) -> list[str]:
    """NULL, NOT NULL, DEFAULT, PRIMARY KEY, UNIQUE and REFERENCES; the rest has no use here."""
    found: list[str] = []
    position = 0
    while position < len(tokens):
        if is_word(tokens, position, "COLLATE", "COMMENT", "CHARSET"):
            position += 2
        elif is_word(tokens, position, "CHARACTER"):
            position += 3
        elif is_word(tokens, position, "UNSIGNED", "KEY") and not is_word(
            tokens, position - 1, "PRIMARY"
        ):
            position += 1
        elif is_word(tokens, position, "DEFAULT"):
            found += ["DEFAULT", _default(tokens[position + 1])]
            position += 2
        else:
            found.append(tokens[position])
            position += 1
    return found


def _default(token: str) -> str:
    is_day = token.startswith("'") and len(token) in {12, 21} and token[5:6] == "-"
    if not is_day:
        return token
    return f"'{token[1:-1]}{' 00:00:00' if len(token) == 12 else ''}.000000'"
