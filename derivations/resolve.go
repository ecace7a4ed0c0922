package derivations

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"sysc/store"
	"sysc/store/tree"
)

// Resolve returns d with every placeholder replaced by the path of the object
// that realises it, as path tells. These objects become Sources, and Inputs is
// empty. d is not changed. An error of path is returned, wrapped.
//
// An object has the name that its placeholder has, so a replaced text keeps its
// length and stays canonical.
func Resolve(d *Derivation, path func(Ref) (store.Path, error)) (*Derivation, error) {
	out := *d
	out.Inputs = nil
	if len(d.Inputs) == 0 {
		return &out, nil
	}
	real := make(map[string]store.Path, len(d.Inputs)) // by placeholder id
	sources := make(map[store.Path]bool)
	for _, p := range d.Sources {
		sources[p] = true
	}
	for _, ref := range d.Inputs {
		p, err := path(ref)
		if err != nil {
			return nil, fmt.Errorf("resolve derivation %q: %w", d.Name, err)
		}
		real[placeholderID(ref)] = p
		sources[p] = true
	}
	var err error
	replace := func(text string) string {
		replaced, replaceErr := replaceIDs(text, real)
		if replaceErr != nil && err == nil {
			err = fmt.Errorf("resolve derivation %q: %v", d.Name, replaceErr)
		}
		return replaced
	}
	out.Args = slices.Clone(d.Args)
	for i, a := range d.Args {
		out.Args[i] = replace(a)
	}
	out.Env = maps.Clone(d.Env)
	for key, v := range d.Env {
		out.Env[key] = replace(v)
	}
	if len(d.Attrs) > 0 {
		out.Attrs = Attrs(replace(string(d.Attrs)))
	}
	out.Root = replace(d.Root)
	out.Limits = d.Limits.replaced(replace)
	out.Sources = slices.Sorted(maps.Keys(sources))
	return &out, err
}

func replaceIDs(text string, real map[string]store.Path) (string, error) {
	var out []byte
	var err error
	eachPath(text, func(at int) {
		p, ok := real[text[at:at+store.IDLen]]
		if !ok {
			return
		}
		if out == nil {
			out = []byte(text)
		}
		if !bytes.HasPrefix(out[at+store.IDLen+1:], []byte(p.Name())) {
			err = fmt.Errorf("object %s does not have its placeholder's name", p)
		}
		copy(out[at:], p.ID())
	})
	if out == nil {
		return text, err
	}
	return string(out), err
}

// FixedPath returns the path that a fixed-output derivation's object will have.
// It is not known for other derivations, and for a file of unknown size.
func FixedPath(d *Derivation) (store.Path, bool) {
	if d.Fixed == nil {
		return "", false
	}
	digest := d.Fixed.Digest
	if d.Fixed.Kind == store.KindFile {
		if d.Fixed.Size == 0 && digest != store.DigestOf(nil) {
			return "", false
		}
		var err error
		if digest, err = FileTree(digest, d.Fixed.Size, d.Fixed.Executable).Digest(); err != nil {
			return "", false
		}
	}
	p, err := store.MakePath(store.MakeID(d.Fixed.Kind, d.Name, digest, nil, nil), d.Name)
	return p, err == nil
}

// FileTree returns the tree of an object of kind store.KindFile.
func FileTree(blob store.Digest, size int64, executable bool) *tree.Tree {
	return &tree.Tree{Entries: []tree.Entry{{
		Name: store.FileEntry, Type: tree.File, Mode: fileMode(executable), Size: size, Digest: blob,
	}}}
}

func fileMode(executable bool) uint32 {
	if executable {
		return tree.ModeExecutable
	}
	return tree.ModeFile
}
