package editor

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of the search for definitions that use a module.
const (
	maxVisited    = 20_000 // files and directories
	maxCandidates = 50
	maxText       = 1 << 20 // bytes of a text that is looked into
)

// Candidates returns the directories of definitions in the git work tree around a
// directory that may use the module there: some text in them has a block for a
// module. The nearest ones come first. Without a work tree these are directories
// around it.
func Candidates(dir string) []string {
	var out []string
	top, ok := workTree(dir)
	if !ok {
		for at := filepath.Dir(dir); at != filepath.Dir(at); at = filepath.Dir(at) {
			if usesModules(at) {
				out = append(out, at)
			}
		}
		return out
	}
	visited := 0
	// What cannot be read is no candidate.
	_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		visited++
		switch {
		case visited > maxVisited || len(out) >= maxCandidates:
			return fs.SkipAll
		case err != nil || !d.IsDir():
			return nil
		case path != top && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		}
		if path != dir && usesModules(path) {
			out = append(out, path)
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b string) int { return distance(a, dir) - distance(b, dir) })
	return out
}

// workTree returns the top of the git work tree that a directory is in.
func workTree(dir string) (top string, ok bool) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at, true
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
}

// distance is how many steps lead from one directory to another.
func distance(a, b string) int {
	rel, err := filepath.Rel(a, b)
	if err != nil || rel == "." {
		return 0
	}
	return strings.Count(rel, string(filepath.Separator)) + 1
}

// usesModules reports whether a text of a directory has a block for a module.
func usesModules(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		if !isDefinition(e.Name()) || !e.Type().IsRegular() {
			return false
		}
		if info, err := e.Info(); err != nil || info.Size() > maxText {
			return false
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		return err == nil && (bytes.Contains(text, []byte("module \"")) || bytes.Contains(text, []byte("\"module\"")))
	})
}
