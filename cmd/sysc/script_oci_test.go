package main

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"sysc/internal/ocifetch/ocitest"
)

// scriptRegistries are those of a script by the variables that have their addresses.
type scriptRegistries map[string]*ocitest.Registry

// registriesKey is where a script keeps its registries.
const registriesKey = "registries"

// serveOCI serves a registry of images until the script ends, and sets a variable to
// its host and port.
//
//	serveoci VARIABLE [OPTION...]
//
// The options are those of serve but truncate and break.
func serveOCI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serveoci VARIABLE [OPTION...]")
	}
	r := ocitest.New()
	ts.Value(registriesKey).(scriptRegistries)[args[0]] = r
	serveHandler(ts, args[0], "", r, args[1:])
	_, host, _ := strings.Cut(ts.Getenv(args[0]), "://")
	ts.Setenv(args[0], host)
}

// pushImage puts an image into a registry, past what it asks of others, and sets a
// variable to its digest. Each directory is a layer, and -tools is one of programs that
// builds need; of several platforms, all have the same layers and a file /platform.
//
//	pushimage VARIABLE REGISTRY NAME:TAG [-platforms=P,…] [-tools] DIR...
func pushImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: pushimage VARIABLE REGISTRY NAME:TAG [-platforms=P,…] [-tools] DIR...")
	}
	r := ts.Value(registriesKey).(scriptRegistries)[args[1]]
	name, tag, ok := strings.Cut(args[2], ":")
	if r == nil || !ok {
		ts.Fatalf("pushimage: no registry %q, or %q has no tag", args[1], args[2])
	}
	platforms, dirs := runtime.GOOS+"/"+runtime.GOARCH, args[3:]
	list, several := strings.CutPrefix(dirs[0], "-platforms=")
	if several {
		platforms, dirs = list, dirs[1:]
	}
	var layers []ocitest.Content
	for _, dir := range dirs {
		entries := toolEntries
		if dir != "-tools" {
			entries = func(ts *testscript.TestScript) []ocitest.Entry { return entriesOf(ts, ts.MkAbs(dir)) }
		}
		archive, err := ocitest.Tar(entries(ts)...)
		ts.Check(err)
		layer, err := ocitest.Gzip(archive)
		ts.Check(err)
		layers = append(layers, layer)
	}
	var manifests []ocitest.Content
	digest := ""
	for platform := range strings.SplitSeq(platforms, ",") {
		own := layers
		if several {
			archive, err := ocitest.Tar(ocitest.Entry{Header: tar.Header{Name: "platform", Mode: 0o644}, Content: platform + "\n"})
			ts.Check(err)
			own = append(layers[:len(layers):len(layers)], ocitest.Plain(archive))
		}
		var err error
		digest, err = r.Image(name, tag, platform, own...)
		ts.Check(err)
		entry, err := r.Entry(name, digest, platform)
		ts.Check(err)
		manifests = append(manifests, entry)
	}
	if several {
		var err error
		digest, err = r.Index(name, tag, manifests...)
		ts.Check(err)
	}
	ts.Setenv(args[0], digest)
}

// toolEntries are the files of the package that mkarchive puts into every archive.
func toolEntries(ts *testscript.TestScript) []ocitest.Entry {
	p, err := theTools()
	ts.Check(err)
	var entries []ocitest.Entry
	for _, f := range p.Files {
		e := ocitest.Entry{Header: tar.Header{Name: f.Path, Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID}, Content: string(f.Content)}
		switch {
		case f.Mode.IsDir():
			e.Name += "/"
		case f.Target != "":
			e.Typeflag, e.Linkname = tar.TypeSymlink, f.Target
		}
		entries = append(entries, e)
	}
	return entries
}

// entriesOf returns what is below a directory, owned by root. A file whose name ends
// with "+x" is executable, without that ending; one with "->" is a link to what is in
// it.
func entriesOf(ts *testscript.TestScript, dir string) []ocitest.Entry {
	var entries []ocitest.Entry
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
		if err != nil || name == "" {
			return err
		}
		e := ocitest.Entry{Header: tar.Header{Name: name, Mode: 0o644}}
		if d.IsDir() {
			e.Name, e.Mode = name+"/", 0o755
			entries = append(entries, e)
			return nil
		}
		text, err := os.ReadFile(path)
		e.Content = string(text)
		if plain, ok := strings.CutSuffix(e.Name, "+x"); ok {
			e.Name, e.Mode = plain, 0o755
		}
		if plain, ok := strings.CutSuffix(e.Name, "->"); ok {
			e.Name, e.Mode, e.Typeflag, e.Linkname, e.Content = plain, 0o777, tar.TypeSymlink, strings.TrimSpace(e.Content), ""
		}
		entries = append(entries, e)
		return err
	}))
	return entries
}
