package activate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// A Drift is a file, directory or link that is not what the current generation
// made it.
type Drift struct {
	// Name is its path in the machine, and Place where that is below the directory In:
	// the machine's root, or the home directory.
	Name, In, Place string
	Action          systems.Action
	// Details say what differs, as in "mode 0644 → 0600".
	Details []string
	// Old is the digest of the file's contents in the generation, New of what is there
	// now; zero for what is no file.
	Old, New store.Digest
}

// FindDrift compares a machine with its current generation: the directories that the
// generation owns, whole, and what is declared in the machine's own. Times, owners
// and write permissions are not looked at. It changes nothing and takes no lock. The
// result is sorted by name. dir is the directory of a [Request], and home its home, ""
// for a machine.
func FindDrift(ctx context.Context, dir, home string, st tree.Source, r *generation.Record) ([]Drift, error) {
	root, err := rootdir.Open(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m, err := readManifest(root, r)
	if err != nil {
		return nil, err
	}
	d := &drifter{ctx: ctx, source: st, root: root.Root(), in: dir, privileged: privileged()}
	if home != "" {
		if err := d.home(dir, home, m, r); err != nil {
			return nil, err
		}
		return d.sorted(), nil
	}
	listing, err := st.Tree(ctx, m.Root.Tree)
	if err != nil {
		return nil, fmt.Errorf("read root of system %s: %w", m.Name, err)
	}
	for _, e := range listing.Entries {
		if place, ok := r.Places[e.Name]; ok && e.Type == tree.Dir {
			if err := d.dir("/"+e.Name, generation.CheckoutsDir+"/"+place, e.Digest); err != nil {
				return nil, err
			}
		}
	}
	for name, target := range topLinks(r) {
		if err := d.link("/"+name, name, target); err != nil {
			return nil, err
		}
	}
	for _, t := range declaredThings(m) {
		if err := d.declared(root, t); err != nil {
			return nil, err
		}
	}
	return d.sorted(), nil
}

func (d *drifter) sorted() []Drift {
	slices.SortFunc(d.found, func(a, b Drift) int { return strings.Compare(a.Name, b.Name) })
	return d.found
}

type drifter struct {
	ctx        context.Context
	source     tree.Source
	root       *os.Root
	in         string
	privileged bool
	found      []Drift
}

func (d *drifter) add(name, place string, action systems.Action, details ...string) *Drift {
	d.found = append(d.found, Drift{Name: name, In: d.in, Place: place, Action: action, Details: details})
	return &d.found[len(d.found)-1]
}

// dir compares a directory at a place with a tree.
func (d *drifter) dir(name, place string, digest store.Digest) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(d.root.FS(), place)
	if errors.Is(err, fs.ErrNotExist) {
		d.add(name, place, systems.Remove)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	want, err := d.source.Tree(d.ctx, digest)
	if err != nil {
		return fmt.Errorf("read what %s was: %w", name, err)
	}
	there := map[string]fs.DirEntry{}
	for _, e := range entries {
		there[e.Name()] = e
	}
	for _, e := range want.Entries {
		at, in := path.Join(name, e.Name), path.Join(place, e.Name)
		have, ok := there[e.Name]
		delete(there, e.Name)
		if !ok {
			d.add(at, in, systems.Remove)
			continue
		}
		if err := d.entry(at, in, e, have); err != nil {
			return err
		}
	}
	for more := range there {
		d.add(path.Join(name, more), path.Join(place, more), systems.Add)
	}
	return nil
}

// entry compares what is there with an entry of a tree.
func (d *drifter) entry(name, place string, want tree.Entry, have fs.DirEntry) error {
	info, err := have.Info()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if kind := kindOf(info.Mode()); kind != want.Type {
		d.add(name, place, systems.Change, kindName(want.Type)+" → "+kindName(kind))
		return nil
	}
	var details []string
	const write = 0o222
	const looked = (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid) &^ write
	s := switcher{privileged: d.privileged}
	if want.Type != tree.Link && (info.Mode()^s.diskMode(want))&looked != 0 {
		details = append(details, fmt.Sprintf("mode %04o → %04o", want.Mode, info.Mode().Perm()))
	}
	switch want.Type {
	case tree.Dir:
		if len(details) > 0 {
			d.add(name, place, systems.Change, details...)
		}
		return d.dir(name, place, want.Digest)
	case tree.Link:
		return d.link(name, place, want.Target)
	}
	now, err := hashFile(d.root, place)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if now != want.Digest || len(details) > 0 {
		drift := d.add(name, place, systems.Change, details...)
		drift.Old, drift.New = want.Digest, now
	}
	return nil
}

// link compares a symbolic link.
func (d *drifter) link(name, place, want string) error {
	have, err := d.root.Readlink(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(name, place, systems.Remove)
	case err != nil:
		d.add(name, place, systems.Change, "a link → something else")
	case have != want:
		d.add(name, place, systems.Change, "to "+want+" → "+have)
	}
	return nil
}

// declared compares a declared thing in a directory of the machine.
func (d *drifter) declared(root *rootdir.Dir, t declaredThing) error {
	place := strings.TrimPrefix(t.place, "/")
	dir, err := root.SubInRoot(path.Dir(t.place))
	if errors.Is(err, fs.ErrNotExist) {
		d.add(t.place, place, systems.Remove)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", t.place, err)
	}
	defer dir.Close()
	have, err := look(dir, path.Base(t.place))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", t.place, err)
	case have.kind == 0:
		d.add(t.place, place, systems.Remove)
	case have.kind != t.kind:
		d.add(t.place, place, systems.Change, kindName(t.kind)+" → "+kindName(have.kind))
	case have.target != t.target:
		d.add(t.place, place, systems.Change, "to "+t.target+" → "+have.target)
	case have.digest != t.digest:
		drift := d.add(t.place, place, systems.Change)
		drift.Old, drift.New = t.digest, have.digest
	}
	return nil
}

func kindName(t tree.Type) string {
	switch t {
	case tree.File:
		return "a file"
	case tree.Dir:
		return "a directory"
	case tree.Link:
		return "a link"
	}
	return "something else"
}
