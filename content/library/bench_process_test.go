package library_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// benchTask is the environment of a process that is measured: a task as JSON.
const benchTask = "VITRINE_BENCH_TASK"

// A task is what a measured process does: it opens a content folder and ends once a programme is active there.
type task struct {
	Folder string
	// Server is the base address of the origin; empty means that there is none.
	Server string
	Wanted library.Ref
	// Profile is the folder that profiles of processor and memory go into; empty means none.
	Profile string
}

// runBenchTask is the measured process.
func runBenchTask(text string) (err error) {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	if t.Profile != "" {
		stop, err := profile(t.Profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	s, err := store.Open(t.Folder, store.Config{})
	if err != nil {
		return err
	}
	defer s.Close()
	return t.follow(s)
}

// follow runs a library until the wanted programme is active.
func (t task) follow(s *store.Store) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	l := library.New(library.Config{
		Store:   s,
		Fetcher: fetch.New(fetch.Config{}),
		Key:     func() ed25519.PublicKey { return siteKey.Public().(ed25519.PublicKey) },
		Bases: func() []string {
			if t.Server == "" {
				return nil
			}
			return []string{t.Server}
		},
		Accept: func(*manifest.Manifest) error { return nil },
		Activated: func(a library.Active) {
			if a.Generation.Manifest == t.Wanted.Digest {
				cancel(nil)
			}
		},
		Progress: func(library.Progress) {},
		Fault: func(err error) {
			if err != nil {
				cancel(err)
			}
		},
		Now: time.Now,
	})
	l.Want(t.Wanted)
	if err := l.Run(ctx); err != nil {
		return err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the programme can't be had: %w", err)
	}
	return nil
}

// profile notes where this process spends its time and memory until stop is called.
func profile(dir string) (stop func() error, err error) {
	f, err := os.CreateTemp(dir, "cpu-*.pprof")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		allocs, err := os.Create(filepath.Join(dir, "allocs"+filepath.Base(f.Name())[len("cpu"):]))
		if err != nil {
			return err
		}
		return errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close(), f.Close())
	}, nil
}
