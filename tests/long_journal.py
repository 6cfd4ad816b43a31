"""The journal of a session of hours, made of one talk that is repeated."""

import json

from serve_harness import Client, speech

_TIMES = ("start", "end", "audio_s", "wall_s")


async def talk_for_a_while(server):
    """Hold a talk of a minute and leave; its journal is what the long one is made of."""
    client = await Client(server).open()
    await client.play(speech() * 3)
    await client.finish()
    return client


def lengthen(path, hours):
    """Repeat the talk until it is so long, and take its end away; return the last number."""
    header, *block = map(json.loads, path.read_text("utf-8").splitlines())
    block = [record for record in block if record["type"] != "end"]
    settled = max(record["settled"] for record in block if record["type"] == "heard")
    seq = max(record.get("seq", 0) for record in block)
    utterance = 1 + max(record.get("utterance", 0) for record in block)
    rounds = int(hours * 3600 * 16_000 / settled)
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(header) + "\n")
        for number in range(rounds):
            steps = dict.fromkeys(_TIMES, number * settled / 16000)
            steps |= {"settled": number * settled, "seq": number * seq}
            steps |= {"utterance": number * utterance}
            for record in block:
                file.write(json.dumps(_later(record, steps), ensure_ascii=False) + "\n")
    return rounds * seq


def _later(record, steps):
    moved = _shifted(record, steps)
    if record["type"] == "heard":
        moved["words"] = [_shifted(word, steps) for word in record["words"]]
    return moved


def _shifted(record, steps):
    return {**record, **{key: record[key] + step for key, step in steps.items() if key in record}}
