"""The recipes use what the catalogue has: their examples are read, and each member they name is looked up."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from trunkline.eventing import catalogue
from webhooks.catalogue import Hearer

FOLDER = Path(__file__).parents[2] / "docs" / "recipes"
CATALOGUE = catalogue()
TYPES = CATALOGUE.heard_by(Hearer.OWNER)


def text(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text("utf-8")


def block(name: str, language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", text(name), re.DOTALL)
    return str(found)


def looked_up(path: str, type_: str) -> Any:
    """The member of an example; a missing one fails the test."""
    value: Any = CATALOGUE.example(type_, Hearer.OWNER)
    for part in path.split("."):
        value = value[part]
    return value


def asked_for(name: str) -> list[str]:
    return re.findall(r"--type\s+([a-z_.]+)", text(name))


def test_home_assistant_names_what_there_is() -> None:
    automation = yaml.safe_load(block("home-assistant", "yaml"))
    [trigger] = automation["triggers"]
    assert (trigger["trigger"], trigger["allowed_methods"], trigger["local_only"]) == (
        "webhook",
        ["POST"],
        False,
    )
    members = re.findall(r"trigger\.json\.((?:data\.)?[a-z_.]+)", block("home-assistant", "yaml"))
    words = automation["actions"][0]["variables"]["words"]
    assert set(words) == set(asked_for("home-assistant")) <= set(TYPES)
    for type_ in words:
        for member in members:
            assert looked_up(member.removesuffix(".startswith"), type_)
    [subject] = re.findall(r"match\('(.*?)'\)", automation["conditions"][0]["value_template"])
    assert re.match(subject, looked_up("subject", "delivery.asked"))


def test_ifttt_names_what_there_is() -> None:
    told = json.loads(block("ifttt", "json"))
    assert set(asked_for("ifttt")) <= set(TYPES)

    def same(mine: dict[str, Any], whole: dict[str, Any]) -> None:
        for name, value in mine.items():
            if isinstance(value, dict):
                same(value, whole[name])
            else:
                assert whole[name] == value, name

    same(told, CATALOGUE.example(told["type"], Hearer.OWNER))
    for member in re.findall(r"event\.((?:data\.)?[a-z_.]+)", block("ifttt", "javascript")):
        assert looked_up(re.sub(r"\.startsWith$|\.starts$", "", member), told["type"])


def test_no_recipe_but_the_bridge_answers_for_anybody() -> None:
    for name in ("home-assistant", "ifttt"):
        for way in ("/v1/decisions", "/decide", "approve", "webhook-signature"):
            assert way not in text(name), (name, way)
    for name in ("home-assistant", "ifttt"):
        assert "https://trunkline.example/deliveries/" in text(name), "the link is made from the own address"
        assert "data.page" not in text(name)


def test_the_bridge_names_what_there_is() -> None:
    code = (FOLDER / "signing-bridge" / "bridge.py").read_text("utf-8")
    question = looked_up("data.question", "delivery.asked")
    for member in re.findall(r'asked\["([a-z]+)"\]', code):
        assert member in question
    assert len(code.splitlines()) <= 80
    rule = block("signing-bridge", "python")
    for member in re.findall(r'asked\["([a-z]+)"\]', rule):
        assert member in question["content"]
