package library

import (
	"context"
	"errors"
	"slices"

	"vitrine/content/digest"
)

// A File is one that is wanted beside the programme, such as a new version of this very program.
type File struct {
	Digest digest.Digest
	// Size is its length in bytes, Type its media type, and Name what people call it.
	Size       int64
	Type, Name string
}

// Also names the files that are wanted beside the programme from now on. They are fetched as its files are, once the programme is there or can't be had,
// count with it, and stay on disk for as long as they are wanted.
func (l *Library) Also(files ...File) {
	l.mu.Lock()
	if slices.Equal(l.also, files) {
		l.mu.Unlock()
		return
	}
	l.also = files
	if l.cancel != nil && l.fetchingAlso {
		l.cancel()
	}
	l.mu.Unlock()
	l.Refresh()
}

// alsoWanted are the digests of those files.
func (l *Library) alsoWanted() (list []digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.also {
		list = append(list, f.Digest)
	}
	return list
}

// fetchAlso fetches what is wanted beside the programme synced, and gives errSuperseded if something else is wanted meanwhile.
func (l *Library) fetchAlso(ctx context.Context, synced Ref) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	files, current := l.also, Ref{}
	if l.wanted != nil {
		current = *l.wanted
	}
	l.cancel, l.fetchingAlso = cancel, true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fetchingAlso = false
	}()
	if current != synced {
		return errSuperseded
	}
	if len(files) == 0 {
		return nil
	}
	err := l.fetchFiles(ctx, files)
	if ctx.Err() != nil {
		return errSuperseded
	}
	if _, closed := errors.AsType[*closedError](err); !closed && l.config.Also != nil {
		l.config.Also(err)
	}
	return err
}

func (l *Library) fetchFiles(ctx context.Context, files []File) error {
	var missing []asset
	var need int64
	for i, f := range files {
		if l.config.Store.Adopt(ctx, f.Digest, f.Size) {
			continue
		}
		missing = append(missing, asset{digest: f.Digest, size: f.Size, mediaType: f.Type, name: f.Name, path: assetPath, order: i})
		need += f.Size - l.config.Store.Partial(f.Digest)
	}
	if len(missing) == 0 {
		return nil
	}
	if err := l.makeRoom(need); err != nil {
		return err
	}
	return l.transfer(ctx, nil, missing)
}
