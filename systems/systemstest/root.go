// Package systemstest makes small roots for tests, in place of those that
// distributions' packages make.
package systemstest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
)

const rootBuilder = "builtin:test-root"

// program stands for the first program of initrds.
const program = "the program"

// Initrd is an initrd whose first program is one that [Builtins] have.
func Initrd(modules ...string) *systems.Initrd {
	return &systems.Initrd{Program: store.DigestOf([]byte(program)), Modules: modules}
}

// Builtins returns the steps of package systems and the one that [AddRoot] needs.
func Builtins() map[string]builtin.Func {
	steps := maps.Clone(systems.Builtins())
	maps.Copy(steps, systems.InitrdBuiltins(func(string) ([]byte, error) { return []byte(program), nil }))
	steps[rootBuilder] = makeRoot
	return steps
}

type rootAttrs struct {
	Entries []string `json:"entries"`
}

// AddRoot adds a derivation whose output is a root of the entries, one a line:
//
//	d PATH MODE            a directory
//	f PATH MODE CONTENTS   a file; a line break is added to its contents
//	l PATH TARGET          a symbolic link
//
// Paths are relative, modes octal; MODE may be "MODE:UID:GID".
func AddRoot(g *derivations.Graph, entries []string) (derivations.Ref, error) {
	attrs, err := derivations.MakeAttrs(rootAttrs{entries})
	if err != nil {
		return derivations.Ref{}, err
	}
	hash, err := g.Add(derivations.Derivation{Name: "base", Platform: "any", Builder: rootBuilder, Attrs: attrs}, derivations.Origin{})
	return derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput}, err
}

func makeRoot(ctx context.Context, s *builtin.Step) error {
	var attrs rootAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	b := tree.NewBuilder(s.Store, store.Digest{})
	for _, line := range attrs.Entries {
		if err := addEntry(ctx, s, b, line); err != nil {
			return fmt.Errorf("entry %q: %w", line, err)
		}
	}
	d, _, err := b.Write(ctx, s.Store)
	if err != nil {
		return err
	}
	s.SetTree("out", store.KindRoot, d, nil)
	return nil
}

func addEntry(ctx context.Context, s *builtin.Step, b *tree.Builder, line string) error {
	const words = 4
	w := strings.SplitN(line, " ", words)
	if len(w) < words-1 {
		return fmt.Errorf("too short")
	}
	if w[0] == "l" {
		return b.Put(ctx, w[1], tree.Entry{Type: tree.Link, Mode: 0o777, Target: w[2]})
	}
	e, err := parseMode(w[2])
	if err != nil {
		return err
	}
	if w[0] == "d" {
		e.Type = tree.Dir
		return b.Mkdir(ctx, w[1], e)
	}
	e.Type = tree.File
	if e.Digest, e.Size, err = s.Store.AddBlob(ctx, strings.NewReader(strings.Join(w[3:], "")+"\n")); err != nil {
		return err
	}
	return b.Put(ctx, w[1], e)
}

func parseMode(text string) (tree.Entry, error) {
	var e tree.Entry
	mode, owner, owned := strings.Cut(text, ":")
	n, err := strconv.ParseUint(mode, 8, 12)
	if err != nil {
		return e, err
	}
	e.Mode = uint32(n)
	if owned {
		_, err = fmt.Sscanf(owner, "%d:%d", &e.UID, &e.GID)
	}
	return e, err
}

// MakeWritable gives the owner the right to change every directory below dir, so
// that an ordinary user's test can remove a store or a machine that it made.
func MakeWritable(dir string) {
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(p, 0o755)
		}
		return nil
	})
}
