"""`make deploy-crews URL=… KEY=…`: crew systems over the API, each a new one or a new version."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlsplit

from infra.crews.systems import CREWS, CrewSystem, load_systems
from infra.crews.yaml_source import Refused
from infra.local.api import Answer, Api
from quarterdeck.systems.configuration import SystemConfiguration

DEPLOY_S = 120.0
POLL_S = 1.0
WAIT = {"Prefer": "wait=10"}
REASONS = {
    404: "it is gone: deploy again",
    409: "its state does not allow it: deploy again when it has changed",
    412: "somebody has deployed another version meanwhile: look at it, and deploy again",
}


class NotDeployed(Exception):
    """The message is one line for the person at the terminal."""


def main(arguments: Sequence[str]) -> int:
    """0 if every system runs as its file says; 1 if one does not, 2 if none was sent."""
    try:
        api = open_api(os.environ.get("URL", ""), os.environ.get("KEY", ""))
        systems = load_systems([Path(argument) for argument in arguments] or [CREWS])
    except (NotDeployed, Refused) as refused:
        print(refused, file=sys.stderr)
        return 2
    failed = 0
    for system in systems:
        for note in system.notes:
            print(f"{note} (left out)", file=sys.stderr)
        try:
            print(f"{system.configuration.name}: {deploy_system(api, system)}", flush=True)
        except (NotDeployed, URLError, TimeoutError) as reason:
            print(f"{system.configuration.name}: {reason}", file=sys.stderr)
            failed = 1
    return failed


def open_api(url: str, key: str) -> Api:
    """NotDeployed unless both are given and the key cannot be read on its way."""
    if not url or not key:
        raise NotDeployed("say where and who: URL=https://… KEY=…")
    parts = urlsplit(url)
    host = parts.hostname or ""
    local = host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise NotDeployed(f"URL={url} is not https: the key would be sent in the clear")
    return Api(url.rstrip("/"), key)


def deploy_system(api: Api, system: CrewSystem) -> str:
    """What came of it, in words; NotDeployed with the reason."""
    found = find_system(api, system.configuration.name)
    if found is None:
        system_id = require(api.post("/crews", system.body, WAIT))["system_id"]
        return await_deployment(api, system_id)
    path = f"/crews/{found}"
    answer = api.get(path)
    if runs_as_written(require(answer), system.configuration):
        return f"unchanged ({found})"
    etag = answer.headers.get("etag")
    if etag is None:
        raise NotDeployed("the API tells no ETag: it takes no new versions")
    require(api.send("PUT", path, system.body, {"If-Match": etag, **WAIT}))
    return await_deployment(api, found)


def find_system(api: Api, name: str) -> str | None:
    """The id of the system of that name; one that never came to life has given its name back."""
    found = (s for s in list_systems(api) if s["name"] == name and s["state"] != "failed")
    return next((system["system_id"] for system in found), None)


def list_systems(api: Api) -> Iterator[dict[str, Any]]:
    query = ""
    while True:
        page = require(api.get(f"/crews?limit=200{query}"))
        yield from page["systems"]
        if not (cursor := page.get("next_cursor")):
            return
        query = f"&cursor={quote(cursor)}"


def runs_as_written(view: Mapping[str, Any], configuration: SystemConfiguration) -> bool:
    if view["state"] != "active":
        return False
    try:
        return SystemConfiguration.model_validate(view["configuration"]) == configuration
    except ValueError:
        return False  # of another release


def await_deployment(api: Api, system_id: str) -> str:
    give_up = time.monotonic() + DEPLOY_S
    while True:
        view = require(api.get(f"/crews/{system_id}"))
        deployment = view["deployment"]
        if deployment["status"] == "succeeded":
            return f"deployed, version {deployment['version']} ({system_id})"
        if deployment["status"] == "failed":
            reasons = (f"{r['field']}: {r['rule']}" for r in deployment.get("reasons", ()))
            raise NotDeployed("; ".join(["the deployment failed", *reasons]))
        if time.monotonic() > give_up:
            raise NotDeployed(f"still deploying after {DEPLOY_S:.0f} s: see /crews/{system_id}")
        time.sleep(POLL_S)


def require(answer: Answer) -> Any:
    """The body of an answer that is not an error."""
    if answer.status < 400:
        return answer.json
    problem = answer.json if isinstance(answer.json, dict) else {}
    errors = problem.get("errors") or ()
    told = [f"{error['field']}: {error['rule']}" for error in errors]
    reason = REASONS.get(answer.status)
    detail = problem.get("detail") or problem.get("message") or "no reason"
    raise NotDeployed(
        "; ".join([f"{answer.status}", *(told or [detail]), *([reason] if reason else [])])
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
