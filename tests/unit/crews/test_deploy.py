"""Files of crew systems over the API itself: new systems, further versions, refusals."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from infra.crews import deploy
from infra.crews.deploy import NotDeployed, main, open_api
from infra.local.api import Answer, Api
from quarterdeck.errors import FieldError
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from tests import systems
from tests.api_calls import call

URL, KEY = "https://api.example", "qd_key"


class HandlerApi(Api):
    """The api's handler in this process. What a deployment does comes right after its request."""

    after: Callable[[str], None]
    asked: list[str]

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        self.asked.append(f"{method} {path}")
        path, _, query = path.partition("?")
        sent = {name: value for name, value in headers.items() if name != "Prefer"}
        answer = call(method, path, body, headers=sent, query=dict(parse_qsl(query)))
        if method in {"POST", "PUT"} and answer.status == 202:
            self.after(answer.json["system_id"])
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, named, answer.json)


@pytest.fixture
def api(services: Services, monkeypatch: pytest.MonkeyPatch) -> HandlerApi:
    api = HandlerApi(URL, KEY)
    object.__setattr__(api, "asked", [])
    object.__setattr__(
        api, "after", lambda system_id: systems.activate(services.systems, system_id)
    )
    monkeypatch.setattr(deploy, "Api", lambda url, key: api)
    monkeypatch.setenv("URL", URL)
    monkeypatch.setenv("KEY", KEY)
    return api


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_system(name: str = "desk", **fields: Any) -> str:
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(systems.system(name, **fields)))
        return str(file)

    return write_system


def test_a_file_is_a_new_system_then_a_version_then_unchanged(
    api: HandlerApi,
    services: Services,
    write: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([write("other")]) == 0
    assert main([write(), write("other")]) == 0
    assert main([write(crews=[systems.crew(max_agents=3)])]) == 0
    assert main([write(crews=[systems.crew(max_agents=3, min_agents=1)])]) == 0
    said = [line.partition(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "other: deployed, version 1",
        "desk: deployed, version 1",
        "other: unchanged",
        "desk: deployed, version 2",
        "desk: unchanged",
    ]
    listed = call("GET", "/crews").json["systems"]
    assert sorted((s["name"], s["current_version"]) for s in listed) == [("desk", 2), ("other", 1)]


def test_a_system_is_found_on_any_page(
    api: HandlerApi,
    write: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [write(name) for name in ("one", "two", "three")]
    assert main(files) == 0
    send = HandlerApi.send
    monkeypatch.setattr(
        HandlerApi,
        "send",
        lambda self, method, path, *rest: send(self, method, path.replace("=200", "=1"), *rest),
    )
    capsys.readouterr()
    assert main(files) == 0
    assert capsys.readouterr().out.count("unchanged") == 3


def test_a_deployment_that_fails_is_told_with_its_reasons_and_the_others_go_on(
    api: HandlerApi,
    services: Services,
    write: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(system_id: str) -> None:
        reason = FieldError("crews[0]", "SecretMissing: secret 'openai' cannot be read")
        services.systems.abandon(system_id, 1, reason, read_clock())
        object.__setattr__(api, "after", lambda s: systems.activate(services.systems, s))

    object.__setattr__(api, "after", fail)
    assert main([write(), write("other")]) == 1
    said = capsys.readouterr()
    assert said.err == (
        "desk: the deployment failed; crews[0]: SecretMissing: secret 'openai' cannot be read\n"
    )
    assert said.out.startswith("other: deployed")
    assert main([write()]) == 0
    assert capsys.readouterr().out.startswith("desk: deployed, version 1"), "its name was free"


def test_what_somebody_else_has_deployed_is_not_overwritten(
    api: HandlerApi,
    services: Services,
    write: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([write()]) == 0
    send = HandlerApi.send

    def overtake(self: HandlerApi, method: str, path: str, *rest: Any) -> Answer:
        if method == "PUT":
            tag = call("GET", path).headers["ETag"]
            theirs = systems.system(crews=[systems.crew(max_agents=9)])
            call("PUT", path, theirs, headers={"If-Match": tag})
            systems.activate(services.systems, path.rpartition("/")[2])
        return send(self, method, path, *rest)

    monkeypatch.setattr(HandlerApi, "send", overtake)
    assert main([write(crews=[systems.crew(max_agents=3)])]) == 1
    assert "412; " in (told := capsys.readouterr().err)
    assert "somebody has deployed another version meanwhile" in told


def test_a_state_that_forbids_it_is_told(
    api: HandlerApi, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    object.__setattr__(api, "after", lambda _: None)
    system_id = call("POST", "/crews", systems.system()).json["system_id"]
    assert main([write()]) == 1
    assert f"PUT /crews/{system_id}" in api.asked
    told = capsys.readouterr().err
    assert told.startswith("desk: 409; ")
    assert told.endswith("its state does not allow it: deploy again when it has changed\n")


def test_a_refusal_is_told_with_its_fields(
    api: HandlerApi, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the files' check cannot know: which tools this release has."""
    assert main([write(crews=[systems.crew(agents=[systems.agent(tools=["nothing"])])])]) == 1
    assert "desk: 422; crews[0].agents[0].tools[0]: unknown tool 'nothing'" in (
        capsys.readouterr().err
    )


def test_nothing_is_sent_unless_all_is_right(
    api: HandlerApi, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(), write("Bad")]) == 2
    assert api.asked == []
    assert "name: String should match" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "key", "rule"),
    [
        ("", KEY, "say where and who"),
        (URL, "", "say where and who"),
        ("http://api.example", KEY, "is not https: the key would be sent in the clear"),
        ("ftp://localhost", KEY, "is not https"),
        ("api.example", KEY, "is not https"),
    ],
)
def test_a_key_is_sent_to_no_place_where_it_can_be_read(url: str, key: str, rule: str) -> None:
    with pytest.raises(NotDeployed, match=rule):
        open_api(url, key)


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:4566/x", "http://a1.execute-api.localhost:4566"]
)
def test_it_may_be_the_cloud_or_this_machine(url: str) -> None:
    assert open_api(f"{url}/", KEY).url == url
