"""Scopes of memories: paths like `/crew/research`. A scope holds those below it."""

ROOT = "/"


def normalize_path(path: str | None) -> str:
    """With a slash in front and none behind."""
    return f"/{(path or '').strip('/')}"


def is_below(path: str, scope: str) -> bool:
    """Whether `path` is `scope` or below it. Both normalized."""
    return scope in {ROOT, path} or path.startswith(f"{scope}/")


def find_child(path: str, scope: str) -> str | None:
    """The scope right below `scope` that `path` is in; None if it is not below."""
    base = "" if scope == ROOT else scope
    if not is_below(path, scope) or path == scope:
        return None
    return f"{base}/{path.removeprefix(base).split('/')[1]}"
