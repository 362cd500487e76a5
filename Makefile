# Vitrine. `make` alone says what there is to make.

GO       ?= go
BIN      := bin
DEMO_DIR ?= .demo
MEDIA    ?=
ARCH     ?= amd64
BOARD    ?= generic
RABBITMQ ?= /var/cache/vitrine/rabbitmq-4
FUZZTIME ?= 10s
DEVICE   ?= /var/cache/vitrine/device
SYSV     ?= /var/cache/vitrine/sysv

VERSION  ?= $(shell build/version)
BUILT    := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || echo 0))
# The public key of the vendor, whose releases viewers take (`vitrine-server release new-key`), and the file with the secret one, for `make release`.
RELEASE_KEY ?=
SIGNING_KEY ?=
LDFLAGS  := -s -w -buildid= -X main.version=$(VERSION) -X main.built=$(BUILT) $(if $(RELEASE_KEY),-X main.releaseKey=$(RELEASE_KEY))
# The benchmarks that take minutes and are measured in rounds.
ROUNDS   := ^Benchmark(Origin|Start|Written)$$
export CGO_ENABLED ?= 0

.PHONY: help build demo test fuzz chaos soak cluster-test vm-test wine-test device-test lint cross dist image release cover bench bench-content clean

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## both programs, into bin/
	build/owned $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./agent/cmd/...

demo: build ## a server and a viewer on this machine; MEDIA=folder plays your own, DEMO_DIR=folder keeps the state there
	@$(BIN)/vitrine-server demo --dir '$(DEMO_DIR)' $(if $(MEDIA),--media '$(MEDIA)')

test: ## every test, with the race detector (as root also those that need network namespaces)
	CGO_ENABLED=1 $(GO) test -race -timeout 25m ./...

fuzz: ## every fuzz target of the module in turn, each for FUZZTIME=10s
	@FUZZTIME='$(FUZZTIME)' build/fuzz

chaos: ## the long version of the fault tests of content: 500 kills in the middle of a sync, a thousand lies
	CGO_ENABLED=1 VITRINE_KILLS=500 $(GO) test -race -count=1 -timeout 20m -run 'Kill|EveryOperation|EveryStage' ./content/library
	CGO_ENABLED=1 $(GO) test -race -count=10 -timeout 20m -run 'Liar' ./content/fetch

soak: ## the long and strict version of the page's tests, on a machine that has nothing else to do: 10 minutes of video, 20,000 items
	VITRINE_SOAK=1 $(GO) test -count=1 -timeout 1h -parallel 1 -v -run 'InStep|OnTime|NoDarkFrameInMany|HeapStays' ./agent/player

cluster-test: ## viewers and three nodes of RabbitMQ 4, as root; the first time it takes that from Debian 13, into RABBITMQ=folder
	scripts/rabbitmq build '$(RABBITMQ)'
	VITRINE_RABBITMQ='$(RABBITMQ)' CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 5m -run Cluster ./agent/cmd

vm-test: build ## virtual machines, as root, the long versions: power cuts, and a player from its image: one that is made, or IMAGE=file and KEY=file, with whose public half it was
	scripts/vm-image check
	scripts/vm build
	$(if $(IMAGE),,[ -e $(BIN)/lab.pem ] || $(BIN)/vitrine-server release new-key $(BIN)/lab.pem >$(BIN)/lab.pub)
	$(if $(IMAGE),,$(MAKE) image ARCH=amd64 RELEASE_KEY="$$(cat $(BIN)/lab.pub)")
	VITRINE_CUTS=1000 CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 20m -run VM ./agent/cmd
	VITRINE_IMAGE='$(or $(abspath $(IMAGE)),$(CURDIR)/dist/vitrine-$(VERSION)-amd64.img)' VITRINE_IMAGE_KEY='$(or $(abspath $(KEY)),$(CURDIR)/$(BIN)/lab.pem)' \
		CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 4h -v -run Player ./agent/cmd

device-test: ## the real NetworkManager, systemd-networkd, polkit, OpenRC and SysV, as root; the first time it takes them from Debian, into DEVICE=folder and SYSV=folder
	scripts/vm build
	scripts/device-root '$(DEVICE)'
	scripts/debian '$(SYSV)' sysv
	VITRINE_DEVICE_ROOT='$(DEVICE)' VITRINE_SYSV_ROOT='$(SYSV)' CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 40m -run 'NetworkManagers|WirelessManagers|RightsByPolkit|OpenRC|SysV' ./agent/cmd

wine-test: ## the viewer for Windows and what is of Windows' own in the parts, by Wine, as root; the first time it takes Wine from Debian 13
	scripts/wine build
	build/owned build/cross '$(LDFLAGS)' windows-amd64
	VITRINE_WINE=dist/windows-amd64 $(GO) test -count=1 -v -run Wine ./agent/cmd
	GOOS=windows $(GO) test -count=1 -exec '$(CURDIR)/scripts/wine run' $$(build/wine-packages)

lint: ## gofmt, go vet, staticcheck, govulncheck
	@build/lint

cross: ## both programs for every target, stripped, with their sizes
	@build/owned build/cross '$(LDFLAGS)'

dist: ## what is released, into dist/: programs, packages and archives; TARGETS=linux-amd64 for that alone
	@build/owned build/dist '$(LDFLAGS)' '$(VERSION)' '$(BUILT)' $(TARGETS)

# Its package is in a folder of its own, in which nobody looks for a release: what `make dist` has made before stays.
image: ## a disk image of a player, into dist/, as root: ARCH=amd64, arm64 or armhf; BOARD=rpi for the Raspberry Pi; RELEASE_KEY=…, or it takes no updates
	@$(if $(RELEASE_KEY),,echo 'RELEASE_KEY= is empty: players of this image will take no release of the viewer, and can only be given another image')
	@build/owned env DIST=dist/.image FORMATS=deb build/dist '$(LDFLAGS)' '$(VERSION)' '$(BUILT)' linux-$(if $(filter armhf,$(ARCH)),armv7,$(ARCH))
	@build/owned build/image/build '$(ARCH)' '$(BOARD)' '$(VERSION)' dist/.image/vitrine_$(VERSION)_$(ARCH).deb

release: build ## what `make dist` has made, signed as a release for viewers: SIGNING_KEY=file
	@test -n '$(SIGNING_KEY)' || { echo 'give the file with the secret key: make release SIGNING_KEY=file'; exit 1; }
	$(BIN)/vitrine-server release sign dist --key '$(SIGNING_KEY)'

cover: ## test coverage, as coverage.html
	CGO_ENABLED=1 $(GO) test -race -timeout 15m -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -html=coverage.out -o coverage.html
	$(GO) tool cover -func=coverage.out | tail -n 1

bench: bench-content ## the benchmarks
	$(GO) test -run '^$$' -bench . -skip '$(ROUNDS)' -benchmem -timeout 0 ./...

bench-content: ## those of content beside curl, aria2c and find, in rounds; TMPDIR on a disk, as root also from a cold disk and what is written
	$(GO) test ./content/library -run '^$$' -bench '$(ROUNDS)' -benchtime 7x -timeout 0

clean: ## remove what was made, but not the demo's state
	rm -rf $(BIN) dist coverage.out coverage.html
