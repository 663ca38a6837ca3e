"""The text of a JSON object written otherwise: some of it still JSON, some of it only nearly."""

import json
import re
from random import Random


def spaced(rng: Random, text: str, put: str) -> str:
    """Put something beside a comma, colon or bracket that stands outside of strings."""
    spots = [found.start() for found in re.finditer(r'[,:{}\[\]](?=(?:[^"]*"[^"]*")*[^"]*$)', text)]
    at = rng.choice(spots) + rng.randint(0, 1)
    return text[:at] + put + text[at:]


def escaped(rng: Random, text: str) -> str:
    """One letter as an escape, not always a valid one."""
    at = rng.choice([found.start() for found in re.finditer(r"[a-z]", text)])
    form = rng.choice(["\\u{:04x}", "\\u{:04X}", "\\U{:04x}", "\\u{:x}"])
    return text[:at] + form.format(ord(text[at])) + text[at + 1 :]


def twin(rng: Random, text: str) -> str:
    """A member a second time, once in a while under an escaped name."""
    names = re.findall(r'"([A-Za-z]+)":', text)
    name = rng.choice(names)
    again = rng.choice([name, f"\\u{ord(name[0]):04x}{name[1:]}"])
    member = f'"{again}":{rng.choice(["0", "null", json.dumps(name)])}'
    return rng.choice(
        [f"{text[:-1]},{member}}}", f"{{{member},{text[1:]}", text.replace("{", "{" + member + ",")]
    )


def deep(rng: Random, text: str) -> str:
    """Around the greatest depth."""
    levels = rng.choice([4, 5, 6, 7, 300])
    return f'{text[:-1]},"deep":{"[" * levels}{"]" * levels}}}'


def broken(rng: Random, text: str) -> str | bytes:
    """Mostly no JSON, or no object, or no text."""
    return rng.choice(
        [
            text[:-1], text + "}", text[1:], "\ufeff" + text, text + "\x00", text + " x", f"[{text}]", '"x"', "null", "7",
            text[:-1] + ",}", text.replace('"', "'"), text.replace(":", "="), "/**/" + text, text[:-1] + ',"a":"\x1f"}',
            text[:-1] + ',"a":"\\x"}', text[:-1] + ',"a":"\\u12"}', text[:-1] + ',"a":"\\ud800"}', text[:-1] + ',"a":nul}',
            text[:-1] + ',"a":"\x7f\u2028"}', text[:-1].encode() + b',"a":"\xff"}', text[:-1].encode() + b',"a":"\xc0\x80"}',
            text[:-1].encode() + b',"a":"\xed\xa0\x80"}', text.encode("utf-16"), text[:-1] + ',"":1}', " \t\r\n" + text + " \n",
            text + "\u00a0", "\x0c" + text, text[:-1] + ',"a":[1,]}', text[:-1] + ',"a":[,1]}', text[:-1] + ",,}", "{}", "",
        ]
    )  # fmt: skip
