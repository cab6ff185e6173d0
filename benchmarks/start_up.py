"""What imports cost: the SDK, each handler, and a whole run in a fresh process."""

from __future__ import annotations

from benchmarks.table import fresh_process, show

HANDLERS = ("api", "queue", "steps", "monitor", "user_code")
HEAVY = ("boto3", "botocore", "pydantic", "pynamodb")

ONE_ASSET = """
from tidegate import asset, materialize

@asset
def answer():
    return 42

assert materialize([answer]).success
"""


def main() -> None:
    floor = fresh_process("pass")
    imports = {
        "import tidegate": "import tidegate",
        **{f"handler {name}": f"import tidegate.handlers.{name}" for name in HANDLERS},
    }
    rows = []
    for name, code in imports.items():
        probe = f"{code}\nimport sys; print([m for m in {HEAVY!r} if m in sys.modules])"
        rows.append((name, f"{(fresh_process(code) - floor) * 1000:.0f}", _loaded(probe)))
    show(
        "Imports in a fresh process (the interpreter's own start taken off)",
        ("import", "ms", "of boto3, botocore, pydantic, pynamodb it loads"),
        rows,
    )
    show(
        "A whole fresh process",
        ("what", "s"),
        [("one trivial asset by materialize()", f"{fresh_process(ONE_ASSET):.2f}")],
    )


def _loaded(probe: str) -> str:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    return done.stdout.strip().strip("[]").replace("'", "") or "none"


if __name__ == "__main__":
    main()
