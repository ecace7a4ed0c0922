# sysc: one static binary, built with Go alone.
# Everything here stays inside the tree, needs no root and no container.

GO      ?= go
BIN     := bin/sysc
OUT     ?= out
SOURCES := $(shell find . -name '*.go' -not -path './out/*') go.mod go.sum
PKGS    ?= ./...
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

export CGO_ENABLED ?= 0
# Properties are tried on the same values each time: what a commit did not touch
# cannot turn red. New values are the business of make soak.
export RAPID_SEED ?= 1

.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

build: $(BIN) ## the binary, bin/sysc

# What starts in an initrd is a part of the binary, for each platform that systems have.
INITS := cmd/sysc/initprogram/linux-amd64 cmd/sysc/initprogram/linux-arm64

$(INITS): cmd/sysc/initprogram/linux-%: $(SOURCES)
	CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o $@ ./cmd/sysc-init

$(BIN): $(SOURCES) $(INITS) $(shell find modules/std systems -type f -not -name '*.go' 2>/dev/null)
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/sysc

demo: build ## compose a Debian system, switch to it, change it, roll back
	@OUT=$(OUT) sh examples/demo.sh

test: ## every test that this machine can run
	$(GO) test -timeout 40m $(PKGS)

# The sandbox's tests start hundreds of processes, each of which would bring up the
# race detector: they take ten times as long, without more threads to watch.
# Under it, a test of memory that runs out is itself what takes the most.
race: ## the tests of what runs in parallel, under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 40m -skip '^TestMemoryRunsOut$$' $$($(GO) list ./store/... ./derivations/... ./internal/... | grep -v /sandbox)

examples: ## the programs of examples/, built from Debian's archive and checked (needs the network)
	$(GO) test -tags examples -run TestExamples -v -timeout 40m ./cmd/sysc

test-vm: build ## systems that boot in virtual machines (needs the network, qemu-system-x86 and ovmf)
	$(GO) test -tags vm -run '^TestVM' -v -timeout 60m ./systems/vm ./cmd/sysc

soak: ## tests that take long: huge contents; properties on many new values; processes and builds killed at random, each for SOAK (default 10m); SETS random sets of packages (default 100) against apt, ROOTS of them (default 10) installed, one against mmdebstrap (needs root)
	RAPID_SEED=0 RAPID_CHECKS=3000 $(GO) test -timeout 24h $$(git grep -l 'rapid\.Check' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')
	$(GO) test -tags soak -run 'TestOddHugeFile|TestOddMillionEntries' -v ./store/localstore
	$(GO) test -tags soak -run TestKilledAtRandom -v -timeout 24h ./store/localstore -soak $(or $(SOAK),10m)
	$(GO) test -tags soak -run TestBuildsKilledAtRandom -v -timeout 24h ./cmd/sysc -soak $(or $(SOAK),10m)
	$(GO) test -tags soak -run 'TestSoak' -v -timeout 24h ./systems/distro/debian -sets $(or $(SETS),100) -roots $(or $(ROOTS),10)

check: ## formatting, vet, layers, tidiness
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt-ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet -tags soak,examples,vm $(PKGS)
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) test -run 'TestLayers|TestPackageComments' .

fuzz: ## every fuzz target for FUZZTIME (default 10s)
	@for pkg in $$($(GO) list $(PKGS)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),10s) $$pkg || exit 1; \
	  done; \
	done

bench: build ## measurements beside their peers; prints a table
	$(GO) run ./internal/bench -dir $(OUT)/bench $(BENCHFLAGS)

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what was built
	-chmod -R u+w $(OUT) 2>/dev/null
	rm -rf bin $(OUT) $(INITS)

.PHONY: help build demo test race examples test-vm soak check fuzz bench fmt clean
