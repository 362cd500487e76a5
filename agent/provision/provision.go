// Package provision takes a viewer's settings from a USB stick: it reads them, decides whether they may be taken, keeps them, and writes in plain
// words what came of it.
//
// It owns the file vitrine.toml at the root of a stick with its signature, what is kept of it in the state folder, and the report on the stick.
// Nothing on a stick is ever executed, and no link on it is followed out of it. What the settings mean is agent/config's; that they take effect
// is the agent's.
package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"vitrine/agent/config"
	"vitrine/platform/flash"
)

// ErrNone says that there are no settings on a stick, or only the room for some that an image has on its boot partition.
var ErrNone = errors.New("there is no " + config.FileName + " at the root of this stick")

// errNothing says that a file would only take earlier settings away: an empty one is what a computer leaves if it couldn't finish.
var errNothing = errors.New("there are no settings in it; copy it to the stick again, and have the computer eject the stick before you pull it out")

// A File is a vitrine.toml that can be read, with the files that it names.
type File struct {
	// Text is the file in UTF-8, Config what it says.
	Text   []byte
	Config config.Config
	// Files has the files of network.ca_files, by name.
	Files map[string]string
	// Signature is nil if the file isn't signed.
	Signature *Signature
}

// Find reads the settings at the root of a stick. The error is ErrNone if there are none, with what may have been meant, and says in which line they are
// wrong.
func Find(dir string) (*File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name, err := nameOf(root)
	if err != nil {
		return nil, err
	}
	open := func(name string) ([]byte, error) { return readFile(root, name) }
	data, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", name, err)
	}
	if flash.IsPlaceholder(data) {
		return nil, fmt.Errorf("%w but an image's, which has no settings yet", ErrNone)
	}
	f, err := Parse(data, open)
	if err != nil {
		return nil, fmt.Errorf("%s, %w", name, err)
	}
	return f, nil
}

// maxNames bounds how many names at the root of a stick are looked at.
const maxNames = 10000

// nameOf is the file's name as it is on the stick: FAT may have it in capitals, and Notepad puts ".txt" behind it, which Windows then hides.
func nameOf(root *os.Root) (string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return "", err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the stick can't be read: %w", err)
	}
	for _, want := range []string{config.FileName, config.FileName + ".txt"} {
		for _, e := range entries {
			if strings.EqualFold(e.Name(), want) {
				return e.Name(), nil
			}
		}
	}
	if near := nearMiss(root, entries); near != "" {
		return "", fmt.Errorf("%w; %s", ErrNone, near)
	}
	return "", ErrNone
}

// readFile reads a small regular file below a root.
func readFile(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // before it is opened: a pipe would never open
		return nil, errors.New("it is not a file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, config.MaxSize+1))
	if err == nil && len(data) > config.MaxSize {
		err = fmt.Errorf("it is longer than the %d kB that it may have", config.MaxSize>>10)
	}
	return data, err
}

// Parse reads settings; open reads a file beside them.
func Parse(data []byte, open func(name string) ([]byte, error)) (*File, error) {
	text, err := config.Text(data)
	if err != nil {
		return nil, err
	}
	f := &File{Text: text}
	if f.Config, err = config.ParseStick(text); err != nil {
		return nil, err
	}
	if len(f.Names()) == 0 {
		return nil, errNothing
	}
	for _, name := range f.Config.Network.CAFiles {
		pem, err := open(name)
		if err == nil {
			err = config.CheckCA(string(pem))
		}
		if err != nil {
			return nil, fmt.Errorf("network.ca_files: %s: %w", name, reason(err))
		}
		if f.Files == nil {
			f.Files = map[string]string{}
		}
		f.Files[name] = string(pem)
	}
	f.Signature, err = signatureOf(text)
	return f, err
}

// reason leaves the path out that an error of the file system has, since the stick is where it is by chance.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// Digest tells these settings from others.
func (f *File) Digest() string {
	h := sha256.New()
	h.Write(f.Text)
	for _, name := range f.Config.Network.CAFiles {
		fmt.Fprintf(h, "\x00%s\x00%s", name, f.Files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Names are those of the settings that the file has; none if it can't be read.
func (f *File) Names() []string {
	if f == nil {
		return nil
	}
	return config.Names(f.Text)
}
