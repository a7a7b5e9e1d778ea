"""How steady the auto-router is: prompts with one slip of the hand, in capitals, or spaced otherwise.

  slips.py --data FOLDER --program fly-llm

The program itself chooses (`fly-llm route --json`), so nothing is computed twice. FOLDER is as
../../docs/router.md says; our own prompts (seeds.txt) come to it. Every seed is fixed. It needs
nothing but Python's standard library, and changes nothing.
"""

import argparse
import json
import os
import random
import re
import subprocess

PROMPTS_MAX = 600
SLIPS = 3
# Of our own prompts only those that stand for a request; the others are single words.
OWN_LETTERS_MIN = 30
SHORT_LETTERS = 100


def slip(text, dice):
    """Two letters swapped, or one left out or written twice."""
    letters = list(text)
    at = dice.randrange(max(1, len(letters) - 1))
    kind = dice.randrange(3)
    if kind == 0 and at + 1 < len(letters):
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    elif kind == 1 and letters:
        letters.pop(at)
    elif letters:
        letters.insert(at, letters[at])
    return "".join(letters)


def own_prompts(dice):
    """Our own prompts; of each choice in braces one."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "seeds.txt"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if not line.startswith(("#", "["))]
    fill = lambda choice: dice.choice(choice[1].split("|"))
    prompts = [re.sub(r"{([^{}]*\|[^{}]*)}", fill, line) for line in lines]
    return [prompt for prompt in prompts if len(prompt) >= OWN_LETTERS_MIN]


def prompts_of(folder, dice):
    """(population, prompt), so many of each data set."""
    found = [("our own", prompt) for prompt in own_prompts(dice)]
    names = sorted(os.listdir(os.path.join(folder, "routing")))
    files = [os.path.join(folder, "routing", name) for name in names if name.endswith(".jsonl")]
    files.append(os.path.join(folder, "task", "dev_mix.jsonl"))
    for path in files:
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file][1:]
        dice.shuffle(rows)
        name = os.path.splitext(os.path.basename(path))[0]
        found += [(name, row["prompt"]) for row in rows[:PROMPTS_MAX]]
    return found


def chosen(program, texts):
    chats = ({"id": "x", "messages": [{"role": "user", "content": text}]} for text in texts)
    lines = "".join(json.dumps(chat, ensure_ascii=False) + "\n" for chat in chats)
    done = subprocess.run(
        [program, "route", "--json", "--micros"], input=lines.encode(), stdout=subprocess.PIPE,
        check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--program", required=True)
    options = parser.parse_args()
    dice = random.Random(4)
    rows, texts = [], []
    for name, prompt in prompts_of(options.data, dice):
        changed = [("slip", slip(prompt, dice)) for _ in range(SLIPS)]
        changed += [("case", prompt.upper()), ("spacing", f"\n {prompt.replace(' ', '  ')} \n")]
        rows.append((name, len(prompt), [kind for kind, _ in changed]))
        texts += [prompt] + [text for _, text in changed]
    told = chosen(options.program, texts)
    counts, at = {}, 0
    for name, length, kinds in rows:
        plain, others = told[at], told[at + 1 : at + 1 + len(kinds)]
        at += 1 + len(kinds)
        size = "short" if length < SHORT_LETTERS else "longer"
        for kind, other in zip(kinds, others):
            for place in (name, f"all, {size}", "all"):
                count = counts.setdefault(place, {}).setdefault(kind, [0, 0, 0])
                count[0] += 1
                count[1] += other["model"] == plain["model"]
                count[2] += other["task"] == plain["task"]
    print("| prompts | slips | same model | same kind of work | case: same model | spacing |")
    print("|---|---|---|---|---|---|")
    for place, kinds in counts.items():
        share = lambda kind, column: f"{kinds[kind][column] / kinds[kind][0]:.3f}"
        print(f"| {place} | {kinds['slip'][0]} | {share('slip', 1)} | {share('slip', 2)} "
              f"| {share('case', 1)} | {share('spacing', 1)} |")
    micros = sorted(row["micros"] for row in told)
    print(f"\nA decision over {len(micros)} texts: median {micros[len(micros) // 2]} µs, "
          f"p99 {micros[len(micros) * 99 // 100]} µs, longest {micros[-1]} µs.")


if __name__ == "__main__":
    main()
