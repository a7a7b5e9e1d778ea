"""The two models: the kind of work (softmax), and who gains from a stronger model (ridge)."""

import numpy as np
import scipy.optimize
import scipy.sparse

from data import OF_MANY_KINDS, ROUTING, TASKS

EDGE_SCALE, STRUCTURE_SCALE, HASH_SCALE, TASK_DECAY = 0.1, 0.05, 3.0, 2e-3
WHOLE_SCALE, ROUTE_DECAY, PRIOR_SHARE, GRADES_SHARE = 0.2, 0.1, 1.4, 1.5
# "The weak model fails" holds on other data, "the strong one gains" on more of the same kinds: the
# gain counts twice, once for each data set's own pair of models and once for several of them.
FAILS_SHARE, GAIN_SHARE = 0.7, 0.65
# A kind of work that the data sets hardly show must not get a weight out of its noise.
CHANCE_SCALE_MIN = 0.25
# What is known of today's models in general: cheap ones fall behind in programs and proofs, and
# hardly in talk. It pulls where the data sets, which are mostly exams, say nothing.
PRIOR = np.array([1.0, 1.0, -0.6, -0.4, -0.6, 0.0])
# How much a group of prompts counts: what people wrote before what a template wrote.
OWN, WRITTEN_BY_USERS, TEMPLATES, EXAMS = 12.0, 6.0, 0.03, 0.03
USERS = ("vicuna_bench", "arena_hard_v2")


def softmax(scores):
    scores = scores - scores.max(1, keepdims=True)
    chance = np.exp(scores)
    return chance / chance.sum(1, keepdims=True)


class TaskModel:
    """Logits = edge vector, structure and hashed words, each by a matrix."""

    def __init__(self, table, data, chosen):
        self.edge_mean, self.edge_scale = table.edge[chosen].mean(0), table.edge[chosen].std()
        self.mean = table.structure[chosen].mean(0)
        self.scale = table.structure[chosen].std(0) + 1e-6
        seen = np.asarray((table.hashed[chosen] > 0).sum(0)).ravel()
        rarity = (1 / np.sqrt(seen + 3.0)) ** 0.5
        self.rarity = rarity / np.sqrt((rarity**2 * seen).sum() / seen.sum())
        self.fit(table, data, chosen)

    def dense(self, table):
        return np.hstack([
            (table.edge - self.edge_mean) / self.edge_scale * EDGE_SCALE,
            (table.structure - self.mean) / self.scale * STRUCTURE_SCALE,
            np.ones((len(table.edge), 1)),
        ]).astype(np.float32)

    def hashed(self, table):
        return table.hashed @ scipy.sparse.diags((self.rarity * HASH_SCALE).astype(np.float32))

    def fit(self, table, data, chosen):
        dense = self.dense(table)[chosen]
        hashed = self.hashed(table)[np.where(chosen)[0]].tocsr()
        back = hashed.T.tocsr()
        labels, weight = data.labels[chosen], row_weights(data, chosen)[chosen].astype(np.float32)
        weight /= weight.sum()
        wide, count = dense.shape[1], len(TASKS)
        wanted = np.eye(count, dtype=np.float32)[labels]

        def loss(flat):
            matrix = flat.astype(np.float32).reshape(-1, count)
            chance = softmax(dense @ matrix[:wide] + hashed @ matrix[wide:])
            right = chance[np.arange(len(labels)), labels]
            error = (chance - wanted) * weight[:, None]
            gradient = np.vstack([dense.T @ error, back @ error]) + TASK_DECAY * matrix
            value = -(weight * np.log(right + 1e-12)).sum() + TASK_DECAY * (flat * flat).sum() / 2
            return float(value), gradient.astype(np.float64).ravel()

        start = np.zeros((wide + hashed.shape[1]) * count)
        found = scipy.optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
        self.matrix = found.x.reshape(-1, count).astype(np.float32)

    def logits(self, table):
        wide = self.edge_mean.shape[0] + self.mean.shape[0] + 1
        return self.dense(table) @ self.matrix[:wide] + self.hashed(table) @ self.matrix[wide:]


def row_weights(data, chosen):
    weight = np.zeros(len(data.labels))
    for group in sorted(set(data.groups[chosen])):
        for task in range(len(TASKS)):
            rows = chosen & (data.groups == group) & (data.labels == task)
            if not rows.any():
                continue
            text = task == TASKS.index("text")
            share = (
                OWN if group == "own"
                else WRITTEN_BY_USERS if group in USERS
                else TEMPLATES if group == "p3"
                else EXAMS if text and group.startswith("llmrouter")
                else 0.1 if group in ("jsquad", "jcommonsenseqa")
                else 1.0
            )
            weight[rows] = share / np.sqrt(rows.sum())
    for task in range(len(TASKS)):
        rows = chosen & (data.labels == task)
        weight[rows] /= weight[rows].sum()
    return weight


def standard(values, groups):
    """Each data set on its own scale: which set a prompt is from must not help."""
    out = np.zeros(len(values))
    for group in sorted(set(groups)):
        rows = groups == group
        out[rows] = (values[rows] - values[rows].mean()) / (values[rows].std() + 1e-9)
    return out


class RouteModel:
    """Score = structure, kind of work and the vector of the whole text, each by a row."""

    def __init__(self, table, chance, data, chosen, grades):
        """`grades` come with the chances of their prompts."""
        prior = chance @ PRIOR
        self.prior = PRIOR_SHARE / prior[chosen].std()
        self.blocks = [
            (table.structure[chosen].mean(0), table.structure[chosen].std(0) + 1e-6, 1.0),
            (chance[chosen].mean(0), np.maximum(chance[chosen].std(0), CHANCE_SCALE_MIN), 1.0),
            (table.whole[chosen].mean(0), table.whole[chosen].std(), WHOLE_SCALE),
        ]
        matrix = self.matrix(table, chance)[chosen].astype(np.float64)
        weight = np.zeros(len(data.sets))
        for name in set(data.sets[chosen]):
            rows = chosen & (data.sets == name)
            weight[rows] = rows.sum() ** -0.5
        weight = weight[chosen]
        self.row = np.zeros(matrix.shape[1])
        fails = standard(1 - data.weak_mean, data.sets)[chosen]
        gain = standard(data.strong_mean - data.weak_mean, data.sets)[chosen]
        pair = standard(data.strong - data.weak, data.sets)[chosen]
        for target, share in ((fails, FAILS_SHARE), (gain, GAIN_SHARE), (pair, GAIN_SHARE)):
            row = ridge(matrix, target, weight)
            self.row += share * row / ((matrix @ row).std() + 1e-9)
        own, own_chance = grades
        graded = self.matrix(own.table, own_chance).astype(np.float64)
        row = ridge(graded, own.target, own.weight)
        self.row += GRADES_SHARE * row / ((matrix @ row).std() + 1e-9)

    def matrix(self, table, chance):
        parts = (table.structure, chance, table.whole)
        return np.hstack([
            (part - mean) / scale * factor
            for part, (mean, scale, factor) in zip(parts, self.blocks)])

    def score(self, table, chance):
        return self.matrix(table, chance) @ self.row + self.prior * (chance @ PRIOR)


def ridge(matrix, target, weight):
    mean = (matrix * weight[:, None]).sum(0) / weight.sum()
    centred = matrix - mean
    level = (target * weight).sum() / weight.sum()
    left = (centred * weight[:, None]).T @ centred
    left += ROUTE_DECAY * weight.sum() * np.eye(matrix.shape[1])
    return np.linalg.solve(left, (centred * weight[:, None]).T @ (target - level))


def apgr(score, data, rows):
    """Area under the curve of recovered quality; a coin has 0.5."""
    gain = (data.strong - data.weak)[rows]
    order = np.argsort(-score[rows], kind="stable")
    curve = np.concatenate([[0], np.cumsum(gain[order])])
    return ((curve[1:] + curve[:-1]) / 2).mean() / curve[-1]


def strong_share(score, data, rows):
    """The share of strong calls that 95 % of the strong model's quality needs."""
    weak, strong = data.weak[rows], data.strong[rows]
    gain = (strong - weak)[np.argsort(-score[rows], kind="stable")]
    quality = weak.mean() + np.concatenate([[0], np.cumsum(gain)]) / rows.sum()
    return np.argmax(quality >= 0.95 * strong.mean()) / rows.sum()


def leave_one_out(table, chance, data, grades):
    """APGR and strong share of each data set by a model that never saw it, then APGR by five-fold
    checks; and the same for sets of many kinds with each of their kinds left out."""
    lines = []
    fit = lambda rows: RouteModel(table, chance, data, ~rows, grades).score(table, chance)
    fold = np.random.RandomState(0).randint(0, 5, len(data.sets))
    within, blind = np.zeros(len(fold)), np.zeros(len(fold))
    for number in range(5):
        rows = fold == number
        within[rows] = fit(rows)[rows]
    for domain in sorted(set(data.domains)):
        rows = data.domains == domain
        blind[rows] = fit(rows)[rows]
    found = [(name, data.sets == name, fit(data.sets == name)) for name in ROUTING]
    found += [(name + ", each kind left out", data.sets == name, blind) for name in OF_MANY_KINDS]
    for name, rows, out in found:
        lines.append((name, int(rows.sum()), apgr(out, data, rows), strong_share(out, data, rows),
                      apgr(within, data, rows)))
    return lines
