"""The README's tables, made from the code that they describe.

    python tests/support/readme_tables.py        writes them into README.md

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from appliance.config import schema  # noqa: E402
from appliance.outputs.commands import topic_table_markdown  # noqa: E402

README = ROOT / "README.md"
DEFAULT = pathlib.Path(schema.__file__).with_name("default.yaml")


def configuration_table() -> str:
    """Key, default and meaning of every line of default.yaml; the meaning is the comment above the key."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    section, comment = "", []
    for line in DEFAULT.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("#"):
            text = line.strip().removeprefix("#").strip()
            comment = [] if line.strip() == "#" else [*comment, text]
            continue
        found = re.fullmatch(r"( *)([a-z_]+):(?: +(.+))?", line)
        if found is None:
            comment = []
            continue
        indent, key, value = found.groups()
        if not indent and value is None:
            section = f"{key}."
        else:
            prefix = section if indent else ""
            words = " ".join(text for text in comment if not re.match(r"[a-z]+: \[", text))
            rows.append(f"| `{prefix}{key}` | `{value}` | {words.removesuffix(':')} |")
        comment = []
    return "\n".join(rows)


TABLES = {"topics": topic_table_markdown, "configuration": configuration_table}


def with_tables(text: str) -> str:
    """The README's text with every table made anew."""
    for name, make in TABLES.items():
        text, count = re.subn(
            rf"(<!-- table: {name} -->\n).*?(<!-- end -->)",
            lambda match, make=make: match[1] + "\n" + make().strip() + "\n\n" + match[2],
            text,
            flags=re.DOTALL,
        )
        assert count == 1, f"README.md has {count} places for the table {name}"
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
