package vitrineserver

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"debug/buildinfo"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/server"
	"vitrine/content/digest"
	"vitrine/content/release"
	"vitrine/platform/atomicfile"
	"vitrine/platform/child"
)

var (
	releaseKeyCommand = cli.Command{
		Name:    "new-key",
		Summary: "make the key by which a vendor signs releases, and print its public half",
		Usage:   "FILE [--json]",
		Help: `FILE gets the secret half, and must never get to a device or a site's server. The public half goes into
vitrine.toml (update.keys), or into the program when it is built: make RELEASE_KEY=…`,
	}
	releaseSignCommand = cli.Command{
		Name:    "sign",
		Summary: "sign the viewers in a folder as one release",
		Usage:   "FOLDER --key FILE [--valid DURATION] [--version VERSION] [--made TIME] [--json]",
		Help: `Every program in FOLDER, or below, that is a viewer becomes part of it, for the platform that it was built for;
` + release.DocumentFile + ` and ` + release.SignatureFile + ` are written beside them. What version it is, and when it was made, is asked of
the one for this machine. A viewer takes no release that was made before one that it has run: to go back to an
earlier version, sign that again with --made now.`,
	}
	releaseVerifyCommand = cli.Command{
		Name:    "verify",
		Summary: "check a signed release, and its programs",
		Usage:   "FOLDER --key PUBLIC [--json]",
	}
)

func releaseTree() cli.Command {
	return cli.Command{
		Name:    "release",
		Summary: "sign releases of the viewer, on the vendor's machine",
		Commands: []cli.Command{
			releaseKeyCommand.With(releaseKey), releaseSignCommand.With(releaseSign), releaseVerifyCommand.With(releaseVerify),
		},
	}
}

func releaseKey(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server release new-key", releaseKeyCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(rest[0]); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; a key is never overwritten", rest[0])
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(rest[0], pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, map[string]string{"file": rest[0], "public_key": release.FormatKey(public)})
	}
	_, err = fmt.Fprintln(env.Stdout, release.FormatKey(public))
	return err
}

func releaseSign(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server release sign", releaseSignCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	keyFile := flags.String("key", "", "`file` with the secret key, of new-key")
	valid := flags.Duration("valid", 365*24*time.Hour, "`duration` for which viewers take it, such as 720h")
	version := flags.String("version", "", "`version` (default: what the program for this machine says)")
	made := flags.String("made", "", "`time` when it was made, such as 2026-11-29T10:00:00Z, or now (default: what the program says)")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *keyFile == "" || *valid <= 0 {
		return cli.Usagef("--key is needed, and --valid must be more than nothing")
	}
	key, err := readReleaseKey(*keyFile)
	if err != nil {
		return err
	}
	r := &release.Release{Format: release.Format}
	if r.Programs, err = findPrograms(rest[0]); err != nil {
		return err
	}
	if err := describe(ctx, rest[0], r, *version, *made); err != nil {
		return err
	}
	r.Expires = time.Now().Add(*valid).UTC().Truncate(time.Second)
	document, err := release.Marshal(r)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(rest[0], release.SignatureFile), []byte(release.Sign(key, document)+"\n"), 0o644); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(rest[0], release.DocumentFile), document, 0o644); err != nil {
		return err
	}
	return printRelease(env, r, digest.Of(document), "signed", *asJSON)
}

func printRelease(env cli.Env, r *release.Release, d digest.Digest, done string, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(env.Stdout, map[string]any{"digest": d, "release": r})
	}
	rows := [][]string{{"PLATFORM", "SIZE", "FILE"}}
	for _, p := range r.Programs {
		rows = append(rows, []string{p.String(), cli.Bytes(p.Size), p.File})
	}
	if err := cli.Table(env.Stdout, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Stdout, "Release %s is %s: made %s, good until %s, %s.\n", r.Version, done, r.Made.Format(time.RFC3339), r.Expires.Format(time.DateOnly), d)
	return err
}

func readReleaseKey(path string) (ed25519.PrivateKey, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not a key of `vitrine-server release new-key`", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is not a key of `vitrine-server release new-key`", path)
	}
	return key, nil
}

// viewerPath is the import path of the viewer's main package: by it, a program says what it is.
const viewerPath = "vitrine/agent/cmd/vitrine"

// findPrograms finds the viewers below a folder, and for what platform each is: Go writes that into every program.
func findPrograms(folder string) ([]release.Program, error) {
	var list []release.Program
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != folder && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir // what is on its way
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil || info.Path != viewerPath {
			return nil // an archive, a checksum, another program
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		p := release.Program{Platform: platformOf(info), File: filepath.ToSlash(name), Size: int64(len(data)), Digest: digest.Of(data)}
		for _, other := range list {
			if other.Platform == p.Platform && other.Digest == p.Digest {
				return nil // the same one in two places
			}
			if other.Platform == p.Platform {
				return fmt.Errorf("%s and %s are both for %v; remove the one that isn't meant", other.File, p.File, p.Platform)
			}
		}
		list = append(list, p)
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("there is no viewer in %s; `make dist` makes them", folder)
	}
	return list, err
}

func platformOf(info *buildinfo.BuildInfo) (p release.Platform) {
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			p.OS = s.Value
		case "GOARCH":
			p.Arch = s.Value
		case "GOARM":
			p.ARM = int(s.Value[0] - '0') // "7", or "7,softfloat"
		}
	}
	return p
}

// describe finds out what version a release is and when it was made, unless that is given, and that all its programs agree.
func describe(ctx context.Context, folder string, r *release.Release, version, made string) error {
	said := struct {
		Version string    `json:"version"`
		Built   time.Time `json:"built"`
	}{}
	if p, ok := r.For(release.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH, ARM: 5}); ok {
		out, err := child.Command(ctx, filepath.Join(folder, filepath.FromSlash(p.File)), "version", "--json").Output()
		if err == nil {
			err = json.Unmarshal(out, &said)
		}
		if err != nil {
			return fmt.Errorf("%s doesn't say its version: %w", p.File, err)
		}
		if err := agree(folder, r.Programs, said.Version); err != nil {
			return err
		}
	}
	r.Version, r.Made = said.Version, said.Built
	if version != "" {
		r.Version = version
	}
	switch {
	case made == "now":
		r.Made = time.Now()
	case made != "":
		at, err := time.Parse(time.RFC3339, made)
		if err != nil {
			return cli.Usagef("--made %.40q: want a time such as 2026-11-29T10:00:00Z, or now", made)
		}
		r.Made = at
	}
	r.Made = r.Made.UTC().Truncate(time.Second)
	if r.Version == "" || r.Made.Unix() <= 0 {
		return errors.New("the programs don't say what version they are, or when they were made; give --version and --made, or build them with make")
	}
	return nil
}

// agree checks that every program has that version in it: a folder may have one of yesterday's.
func agree(folder string, programs []release.Program, version string) error {
	for _, p := range programs {
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(p.File)))
		if err != nil {
			return err
		}
		if !bytes.Contains(data, []byte(version)) {
			return fmt.Errorf("%s is of another version than %s; build all of them anew", p.File, version)
		}
	}
	return nil
}

func releaseVerify(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server release verify", releaseVerifyCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	text := flags.String("key", env.ReleaseKey, "`public` key that must have signed it")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	key, err := release.ParseKey(strings.TrimSpace(*text))
	if err != nil {
		return cli.Usagef("--key: %v", err)
	}
	document, signature, r, err := server.ReadRelease(rest[0])
	if err != nil {
		return err
	}
	if err := release.Verify([]ed25519.PublicKey{key}, document, signature); err != nil {
		return err
	}
	for _, p := range r.Programs {
		data, err := os.ReadFile(filepath.Join(rest[0], filepath.FromSlash(p.File)))
		if err != nil {
			return err
		}
		if digest.Of(data) != p.Digest {
			return fmt.Errorf("%s was changed after it was signed", p.File)
		}
	}
	if time.Now().After(r.Expires) {
		return fmt.Errorf("its time was over on %s; sign it again", r.Expires.Format(time.DateOnly))
	}
	return printRelease(env, r, digest.Of(document), "right", *asJSON)
}
