# The few commands of this repository. Most are a script in scripts/, which also runs without make.

.DEFAULT_GOAL := help
.PHONY: help up test test-clients test-browser test-compose test-processors soak sbom fuzz chaos
.PHONY: bench bench-steps bench-cache bench-queue bench-llama bench-charges bench-masking profile
.PHONY: router-eval semantic-eval test-tools fmt lint lint-format lint-code lint-scripts deny clean

# Passed to the program: make up ARGS="--json", make test ARGS="--test tidy".
ARGS ?=

help: ## このヘルプを表示 / Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## 必要なものを入れ、ビルドし、起動 / Install what is missing, build, run (Ctrl-C ends it)
	@scripts/up $(ARGS)

test: ## すべてのテストを実行 / Run every test
	@scripts/test $(ARGS)

test-clients: ## 公式クライアントで実行 / Run the official Python clients against the program
	@scripts/test-clients $(ARGS)

test-browser: ## 画面をブラウザーで試す / Drive the pages with Chromium; keeps screenshots
	@scripts/test-browser $(ARGS)

bench: ## 全体の速さを測る / Measure the whole beside the direct way (ARGS=--help tells more)
	@scripts/bench $(ARGS)

bench-cache: ## キャッシュの効果を測る / Latency of a kept answer beside one that is asked for
	@scripts/bench-cache

# What make profile looks at.
ROLE ?= gateway
CELL ?= plain 64

profile: ## CPU 時間の内訳 / Where CPU time goes, by perf (ROLE=gateway CELL="plain 64")
	@scripts/profile "$(ROLE)" "$(CELL)"

bench-llama: ## llama.cpp のサーバーと速さを比べる / Measure our engine beside llama.cpp's server
	@scripts/bench-llama $(ARGS)

router-eval: ## auto の精度を測る / Print how well the auto-router does (ARGS=FOLDER of the data)
	@scripts/router-eval $(ARGS)

# The judged pairs that make semantic-eval reads, and from which label on two mean the same.
FILE ?= gateway/src/cache/semantic/judged.tsv
SAME ?= 1

semantic-eval: ## 似た質問の判定を測る / Hits and false hits of the cache on judged pairs (FILE= SAME=)
	@scripts/semantic-eval "$(FILE)" --same "$(SAME)" $(ARGS)

bench-charges: ## 1秒あたりの課金数を測る / Measure charges a second
	@scripts/bench-charges $(ARGS)

bench-queue: ## キューの速さを測る / How soon a hang-up, a killed worker and a new worker show
	@scripts/bench-queue

bench-steps: ## 各段階の速さを測る / Measure each step of a request alone, by Criterion (ARGS=FILTER)
	@scripts/bench-steps $(ARGS)

bench-masking: ## マスクの速さを測る / Measure masking, with a digest of what it gives (ARGS=FILE.jsonl)
	@scripts/bench-masking $(ARGS)

# How long make chaos, make soak and each target of make fuzz run. Memory is judged from 120 on.
fuzz chaos: SECONDS ?= 60
soak: SECONDS ?= 120

soak: ## 長時間動かしてメモリーと台帳を確認 / Run under load: memory stays flat, sums agree (SECONDS=120 or more)
	@FLY_LLM_SOAK_SECONDS=$(SECONDS) scripts/test -p fly-llm --test deploy soak -- --nocapture

sbom: ## 部品表 (CycloneDX) を表示 / Print what the program is made of, as CycloneDX
	@scripts/sbom

test-processors: ## 古い CPU で試す / Try the local model on older processors (by qemu)
	@scripts/test-processors

test-compose: ## コンテナーで全体を試す / Run everything in containers (exit 69: no engine; ARGS=--own-engine)
	@scripts/test-compose $(ARGS)

fuzz: ## 壊れた入力で試す / Feed broken input to parsers and surfaces (SECONDS=60 for each target)
	@FLY_LLM_FUZZ_SECONDS=$(SECONDS) scripts/cargo test --locked -p gateway -p worker-provider fuzz_targets

# What make chaos takes its chance from.
SEED ?= 1

chaos: ## 障害を起こしながら保証事項を検証 / Kill and halt everything, check what is promised (SEED=1 SECONDS=60)
	@scripts/chaos --seed $(SEED) --seconds $(SECONDS) $(ARGS)

test-tools: ## テストに必要なものだけ入れる / Only install what building and testing need
	@scripts/install-test-tools

fmt: ## コードを整形 / Format the code
	@scripts/cargo fmt

lint: lint-format lint-scripts lint-code ## 整形と Clippy の検査 / Check format, scripts and code (Clippy)

lint-format:
	@scripts/cargo fmt --check

lint-scripts:
	@scripts/lint-scripts

lint-code:
	@scripts/cargo clippy --workspace --all-targets --locked -- -D warnings

deny: ## 依存関係とライセンスの検査 / Check dependencies and licences
	@scripts/deny

clean: ## ビルド結果を消す（データは残す）/ Remove what was built; data and downloads stay
	@scripts/cargo clean
