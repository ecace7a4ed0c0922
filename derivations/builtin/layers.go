package builtin

import (
	"archive/tar"
	"fmt"
	"slices"
	"strings"

	"sysc/store/tree"
)

const (
	// whiteoutPrefix begins the names of entries that take away what lower layers
	// have, and opaqueName is that of one that takes away all that is beside it.
	// OCI Image Specification 1.1, "Whiteouts".
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	// bookkeepingPrefix begins what the file system AUFS has kept for itself.
	bookkeepingPrefix = ".wh..wh."
	// maxSteps bounds how many names are looked at for all layers together: links
	// that lead from one to another, and whiteouts of the same things again and again,
	// would take much of one short entry.
	maxSteps = 400_000_000
)

// An image is the root that layers give, each on top of the ones before, as a
// listing. Links are followed where a container's would be followed, and never lead
// out of it. It is read by an [untar] for each layer.
type image struct {
	top *listing
	// layer is the number of the one that is being read.
	layer int
	steps int
	// limits are for all layers together.
	limits limits
}

func newImage() *image { return &image{top: newListing(), limits: newLimits()} }

func (m *image) step(n int) error {
	if m.steps += n; m.steps > maxSteps {
		return fmt.Errorf("more than %d steps for the links and whiteouts of an image", maxSteps)
	}
	return nil
}

// walk returns the directory that parts name, links followed. With missing set it is
// made where there is none, and else nil is returned.
func (m *image) walk(parts []string, missing bool) (*listing, error) {
	stack := []*listing{m.top}
	todo := parts
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if err := m.step(1); err != nil {
			return nil, err
		}
		switch part {
		case "", ".":
			continue
		case "..": // of a link; that of the top is the top
			stack = stack[:max(1, len(stack)-1)]
			continue
		}
		dir := stack[len(stack)-1]
		child, ok := dir.children[part]
		switch {
		case !ok && !missing:
			return nil, nil
		case !ok && (len(stack) > tree.MaxDepth || len(part) > tree.MaxName):
			return nil, fmt.Errorf("%q: more than %d directories deep, or a name of more than %d bytes", strings.Join(parts, "/"), tree.MaxDepth, tree.MaxName)
		case !ok:
			child = newListing()
			child.entry.Name, child.layer = part, m.layer
			dir.children[part] = child
		}
		switch child.entry.Type {
		case tree.Dir:
			stack = append(stack, child)
		case tree.Link:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%q: more than %d links in a path", strings.Join(parts, "/"), maxLinks)
			}
			if strings.HasPrefix(child.entry.Target, "/") {
				stack = stack[:1]
			}
			todo = slices.Concat(strings.Split(child.entry.Target, "/"), todo)
		default:
			if !missing {
				return nil, nil
			}
			return nil, fmt.Errorf("%q: %q is a file, and something is put below it", strings.Join(parts, "/"), part)
		}
	}
	return stack[len(stack)-1], nil
}

// put adds an entry, in place of whatever but a directory under another directory
// has its name.
func (m *image) put(parts []string, e tree.Entry) error {
	if len(parts) == 0 {
		if e.Type != tree.Dir {
			return fmt.Errorf("the top is no directory")
		}
		return nil
	}
	last := len(parts) - 1
	parent, err := m.walk(parts[:last], true)
	if err != nil {
		return err
	}
	e.Name = parts[last]
	old, ok := parent.children[e.Name]
	if ok && e.Type == tree.Dir && old.entry.Type == tree.Dir {
		old.entry, old.implied, old.layer = e, false, m.layer
		return nil
	}
	if last >= tree.MaxDepth {
		return fmt.Errorf("%q: more than %d directories deep", strings.Join(parts, "/"), tree.MaxDepth)
	}
	entry := &listing{entry: e, layer: m.layer}
	if e.Type == tree.Dir {
		entry.children = make(map[string]*listing)
	}
	parent.children[e.Name] = entry
	return nil
}

// find returns what parts name; only links on the way are followed.
func (m *image) find(parts []string) (*listing, bool) {
	last := len(parts) - 1
	dir, err := m.walk(parts[:last], false)
	if dir == nil || err != nil {
		return nil, false
	}
	l, ok := dir.children[parts[last]]
	return l, ok
}

// whiteout does what an entry says that is no content: it takes away what is of
// lower layers. So is left out what stands for nothing in a root: a device in /dev,
// which whoever runs the root mounts. done is false for any other entry.
func (m *image) whiteout(h *tar.Header, parts []string) (done bool, err error) {
	if len(parts) == 0 {
		return false, nil
	}
	last := len(parts) - 1
	name, ok := strings.CutPrefix(parts[last], whiteoutPrefix)
	switch {
	case !ok:
		isDevice := h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock
		return isDevice && len(parts) > 1 && parts[0] == "dev", nil
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeLink: // AUFS linked them to one another
		return true, fmt.Errorf("%q: a whiteout that is no file", h.Name)
	case name == "" || name == "." || name == "..":
		return true, fmt.Errorf("%q: a whiteout of nothing", h.Name)
	case parts[last] != opaqueName && strings.HasPrefix(parts[last], bookkeepingPrefix):
		return true, nil
	}
	dir, err := m.walk(parts[:last], false)
	if dir == nil || err != nil {
		return true, err
	}
	if parts[last] == opaqueName {
		return true, m.clear(dir)
	}
	child, ok := dir.children[name]
	if !ok {
		return true, nil
	}
	return true, m.remove(dir, name, child)
}

// clear takes what is of lower layers out of a directory.
func (m *image) clear(dir *listing) error {
	if err := m.step(len(dir.children)); err != nil {
		return err
	}
	for name, child := range dir.children {
		if err := m.remove(dir, name, child); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a child of a directory away as far as it is of lower layers. Its
// recursion is bounded by tree.MaxDepth.
func (m *image) remove(dir *listing, name string, child *listing) error {
	if child.entry.Type == tree.Dir {
		if err := m.clear(child); err != nil {
			return err
		}
	}
	if child.layer != m.layer && len(child.children) == 0 {
		delete(dir.children, name)
	}
	return nil
}
