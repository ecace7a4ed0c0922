package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/fstab"
)

// A Source is where trees and the contents of files are.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// A Side is one of both generations of a change.
type Side struct {
	Number int
	// Image is the metadata image of its root, below the machine's data.
	Image    string
	Manifest *systems.Manifest
}

func (s *Side) root() store.Digest { return s.Manifest.Root.Tree }

// A Change is that from one generation, which is mounted, to another.
type Change struct {
	machine  *Machine
	old, new *Side
	differs  map[string]bool // by path: answers of differsAt
}

// Change returns the change between two generations.
func (m *Machine) Change(old, new *Side) *Change {
	return &Change{machine: m, old: old, new: new, differs: map[string]bool{}}
}

// none reports whether both have the same root: nothing has to be mounted.
func (c *Change) none() bool { return c.old.root() == c.new.root() }

// loaded are files that run for as long as the machine does, or that say what it mounts when
// it starts. Where a name is not that of a platform it is one of another.
var loaded = []struct{ what, path string }{
	{"init", "usr/lib/systemd/systemd"},
	{"libc", "usr/lib/x86_64-linux-gnu/libc.so.6"},
	{"libc", "usr/lib/aarch64-linux-gnu/libc.so.6"},
	{fstab.Path, fstab.Path[1:]},
}

// NeedsReboot says why the change cannot be made while the machine runs; nothing when it
// can.
func (c *Change) NeedsReboot(ctx context.Context) ([]string, error) {
	var why []string
	a, b := c.old.Manifest, c.new.Manifest
	if digestOf(a.Kernel) != digestOf(b.Kernel) {
		why = append(why, "kernel changed")
	}
	if !slices.Equal(a.KernelParams, b.KernelParams) {
		why = append(why, "kernel command line changed")
	}
	if initrdOf(a) != initrdOf(b) {
		why = append(why, "initrd changed")
	}
	for _, l := range loaded {
		differs, err := c.differsAt(ctx, l.path)
		if err != nil {
			return nil, err
		}
		if differs {
			why = append(why, l.what+" changed")
		}
	}
	layout, err := c.layoutDiffers(ctx)
	if layout {
		why = append(why, "directories of / changed")
	}
	return why, err
}

func digestOf(k *systems.Kernel) store.Digest {
	if k == nil {
		return store.Digest{}
	}
	return k.Digest
}

func initrdOf(m *systems.Manifest) store.Digest {
	if m.Initrd == nil {
		return store.Digest{}
	}
	return m.Initrd.Digest
}

// layoutDiffers reports whether the top directories have other names in them, or other
// links. What the directories hold is another question.
func (c *Change) layoutDiffers(ctx context.Context) (bool, error) {
	var lists [2][]string
	for i, side := range []*Side{c.old, c.new} {
		t, err := c.machine.Source.Tree(ctx, side.root())
		if err != nil {
			return false, err
		}
		for _, e := range t.Entries {
			lists[i] = append(lists[i], fmt.Sprintf("%s %v %s", e.Name, e.Type, e.Target))
		}
	}
	return !slices.Equal(lists[0], lists[1]), nil
}

// replaced are the top-level directories, beside /etc, that the change replaces.
func (c *Change) replaced(ctx context.Context) ([]string, error) {
	t, err := c.machine.Source.Tree(ctx, c.new.root())
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range t.Entries {
		if e.Type != tree.Dir || !systems.Owned(e.Name) || e.Name == "etc" {
			continue
		}
		if e.Name == "usr" { // always, so that all of the generation is what is mounted
			dirs = append(dirs, e.Name)
			continue
		}
		differs, err := c.differsAt(ctx, e.Name)
		if err != nil {
			return nil, err
		}
		if differs {
			dirs = append(dirs, e.Name)
		}
	}
	return dirs, nil
}

// differsAt reports whether the generations have something else at a path, where links in
// it lead: a file with other contents, a directory with anything else in it. What only
// one of them has differs.
func (c *Change) differsAt(ctx context.Context, name string) (bool, error) {
	if known, ok := c.differs[name]; ok {
		return known, nil
	}
	a, err := c.at(ctx, c.old, name)
	if err != nil {
		return false, err
	}
	b, err := c.at(ctx, c.new, name)
	if err != nil {
		return false, err
	}
	c.differs[name] = a != b
	return a != b, nil
}

// at returns a text that is the same for the same thing; "" for nothing.
func (c *Change) at(ctx context.Context, side *Side, name string) (string, error) {
	_, e, err := tree.Resolve(ctx, c.machine.Source, side.root(), strings.TrimPrefix(name, "/"))
	if errors.Is(err, store.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprint(e.Type, e.Mode, e.UID, e.GID, e.Digest), nil
}

// has reports whether a generation has something at a path.
func (c *Change) has(ctx context.Context, side *Side, name string) (bool, error) {
	text, err := c.at(ctx, side, name)
	return text != "", err
}

// inTree returns the path in the generations' roots of a file as a process sees it: one
// of a mount that was taken off has lost what was before it.
func (c *Change) inTree(ctx context.Context, name string) (string, error) {
	for _, p := range []string{name, "/usr" + name, "/etc" + name, "/opt" + name} {
		ok, err := c.has(ctx, c.old, p)
		if err != nil {
			return "", err
		}
		if ok {
			return path.Clean(p), nil
		}
	}
	return "", nil
}
