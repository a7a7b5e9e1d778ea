"""Trains the auto-router and writes its weights, or only prints how well it generalises.

  train.py --data FOLDER [--out weights.bin] [--golden golden.json] [--report report.md]

FOLDER has routing/, lang/ and task/ as ../../docs/router.md says. Every seed is fixed: the same
packages and data give the same file. It never trains on what judges the router.
"""

import argparse
import json
import os
import time

import numpy as np

import data as source
import features
import language
import model
import pieces
import weights

LANGUAGE_SAMPLES = 16000
LANGUAGE_POWER = 0.65
QUANTILES = 33
GOLDEN_PROMPTS = 80


LABELLED = (("lingua", 4.0), ("romaji", 2.0), ("han_only", 8.0))


def labelled_rows(folder):
    """The labelled texts, which are few but written by people, with their kind and weight."""
    rows = []
    for name, weight in LABELLED:
        for row in source.rows(os.path.join(folder, "lang", name + ".jsonl"))[1]:
            for group, languages in language.GROUPS.items():
                words = language.words_of(row["prompt"], group)
                fits = row["lang"] in languages and words
                if fits and (group != "latin" or row["lang"] != "ja" or name == "romaji"):
                    kind = row["kind"] if name == "lingua" else name
                    if group == "han" and name == "lingua":
                        kind = "characters, " + kind
                    rows.append((group, row["lang"], words, weight, kind))
    return rows


def drawn_rows(lists):
    return language.samples(lists, LANGUAGE_SAMPLES, LANGUAGE_POWER)


def language_checks(folder, lists):
    """How many labelled texts a model of the word lists alone, which saw none of them, gets right."""
    weights = language.train(drawn_rows(lists))
    table = language.lookup(language.known_words(lists))
    right = {}
    for group, wanted, words, _, kind in labelled_rows(folder):
        found = language.GROUPS[group][language.evidence(group, words, weights, table).argmax()]
        name = f"{kind}, {wanted}" if kind in ("romaji", "han_only") else kind
        right.setdefault(name, []).append(found == wanted)
    text = "| texts that share a script | number | right |\n|---|---|---|\n"
    for name, hits in sorted(right.items()):
        text += f"| {name} | {len(hits)} | {np.mean(hits):.3f} |\n"
    return text


def report(lines, task_line, language_table, path):
    text = "| data set | prompts | left out | strong calls for 95 % | five-fold |\n"
    text += "|---|---|---|---|---|\n"
    for name, count, out, share, within in lines:
        text += f"| {name} | {count} | {out:.3f} | {share:.2f} | {within:.3f} |\n"
    sets = lines[: len(source.ROUTING)]
    text += f"| mean of the {len(sets)} sets | | {np.mean([line[2] for line in sets]):.3f} |" \
        f" {np.mean([line[3] for line in sets]):.2f} | {np.mean([line[4] for line in sets]):.3f} |\n"
    text += "\n" + task_line + "\n\n" + language_table
    print(text)
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def task_checks(table, data):
    """Prompts that people wrote, by a model that saw half of them, and by one that saw none."""
    users = np.isin(data.groups, model.USERS)
    half = np.random.RandomState(1).randint(0, 2, len(users)) == 1
    seen = np.full(len(users), -1)
    for part in (half, ~half):
        rows = users & part
        seen[rows] = model.TaskModel(table, data, ~rows).logits(table).argmax(1)[rows]
    blind = model.TaskModel(table, data, ~users).logits(table).argmax(1)
    say = lambda found: "accuracy {:.3f}, macro-F1 {:.3f}".format(
        (found == data.labels)[users].mean(), macro_f1(data.labels[users], found[users]))
    return f"Kind of work, {users.sum()} prompts of users: half of them seen: {say(seen)}; " \
        f"none of them seen: {say(blind)}."


def macro_f1(wanted, found):
    scores = []
    for label in sorted(set(wanted)):
        both = ((wanted == label) & (found == label)).sum()
        scores.append(2 * both / max(1, (wanted == label).sum() + (found == label).sum()))
    return float(np.mean(scores))


def quantiles(score, sets):
    """Where a score lies among the data sets, each counted alike."""
    weight = np.zeros(len(sets))
    for name in set(sets):
        weight[sets == name] = 1 / (sets == name).sum()
    order = np.argsort(score)
    share = np.cumsum(weight[order]) / weight.sum()
    return np.interp(np.linspace(0, 1, QUANTILES), share, score[order])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out")
    parser.add_argument("--golden")
    parser.add_argument("--report")
    options = parser.parse_args()
    started = time.time()
    names, vectors = pieces.load()
    tasks, routes = source.TaskData(options.data), source.RoutingData(options.data)
    task_table = source.Table(tasks.prompts, names, vectors)
    route_table = source.Table(routes.prompts, names, vectors)
    print(f"read in {time.time() - started:.0f} s")
    everything = np.ones(len(tasks.prompts), bool)
    task = model.TaskModel(task_table, tasks, everything)
    chance = model.softmax(task.logits(route_table))
    own = source.Grades(names, vectors)
    grades = own, model.softmax(task.logits(own.table))
    lists = language.word_lists() if options.report or options.out else {}
    if options.report:
        lines = model.leave_one_out(route_table, chance, routes, grades)
        table = language_checks(options.data, lists)
        report(lines, task_checks(task_table, tasks), table, options.report)
    everything = np.ones(len(routes.prompts), bool)
    route = model.RouteModel(route_table, chance, routes, everything, grades)
    score = route.score(route_table, chance)
    print(f"kinds and scores in {time.time() - started:.0f} s")
    if options.out:
        labelled = [row[:4] for row in labelled_rows(options.data)]
        columns = language.train(drawn_rows(lists) + labelled)
        known = language.known_words(lists)
        spread = quantiles(score, routes.sets)
        weights.write(options.out, names, vectors, task, route, columns, known, spread)
        print(f"{os.path.getsize(options.out)} bytes in {time.time() - started:.0f} s")
    if options.golden:
        golden(options.golden, names, vectors, task, route)


def golden(path, names, vectors, task, route):
    """Own prompts with what this side computes, so that the other side can be held to it."""
    own = [prompt for prompt, _ in source.own_prompts()]
    chosen = np.random.RandomState(4).choice(len(own), GOLDEN_PROMPTS - 3, replace=False)
    prompts = [own[at] for at in sorted(chosen)]
    prompts += ["", "def add(a, b):\n    return a + b;\n- 1. x\n(b) y $", "長い文章。" * 700]
    table = source.Table(prompts, names, vectors)
    logits = task.logits(table)
    score = route.score(table, model.softmax(logits))
    rows = [
        {"prompt": prompt, "task": [round(float(x), 3) for x in line], "score": round(float(s), 3)}
        for prompt, line, s in zip(prompts, logits, score)]
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
