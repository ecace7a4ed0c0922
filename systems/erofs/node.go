package erofs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// A node is an inode of an image.
type node struct {
	mode     uint32 // with the type
	uid, gid uint32
	nlink    uint32
	size     int64 // of a file
	target   string
	digest   store.Digest
	xattrs   []xattr
	// entries are a directory's, "." and ".." among them, in the order of their
	// bytes.
	entries []dirent
	depth   int
	place
}

// A dirent is a name in a directory. nodes are told by their position in the
// image.
type dirent struct {
	name string
	node int
}

// whiteout is what overlayfs takes for a name that is not there.
var whiteout = node{mode: modeCharDev | 0o644, nlink: 1}

// An image is a file system in memory: every inode, contents of files aside, in
// the order of a walk that finishes with a level before it goes deeper.
type image struct {
	nodes []node
	// data is true when the image has the contents of files.
	data bool
	// whiteouts are names, sorted, that the root directory has a whiteout at, unless
	// something has that name.
	whiteouts []string
	// hasACL is true when a node has a POSIX access control list.
	hasACL bool
	layout
}

// collect reads the listings below root.
func (img *image) collect(ctx context.Context, src tree.Source, root store.Digest) error {
	img.nodes = []node{{mode: modeDir | 0o755, digest: root}}
	for i := 0; i < len(img.nodes); i++ {
		if img.nodes[i].mode&modeType != modeDir {
			continue
		}
		if err := img.collectDir(ctx, src, i); err != nil {
			return err
		}
	}
	return nil
}

// collectDir appends what the directory at i has in it.
func (img *image) collectDir(ctx context.Context, src tree.Source, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := src.Tree(ctx, img.nodes[i].digest)
	if err != nil {
		return fmt.Errorf("read listing: %w", err)
	}
	depth := img.nodes[i].depth
	switch {
	case depth > tree.MaxDepth:
		return fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	case len(img.nodes)+len(t.Entries) > tree.MaxExpanded:
		return fmt.Errorf("more than %d entries", tree.MaxExpanded)
	}
	var hidden []string
	if i == 0 {
		hidden = img.whiteouts
	}
	entries := make([]dirent, 0, len(t.Entries)+len(hidden)+2)
	add := func(name string, n node) {
		n.depth = depth + 1
		entries = append(entries, dirent{name, len(img.nodes)})
		img.nodes = append(img.nodes, n)
		img.hasACL = img.hasACL || slices.ContainsFunc(n.xattrs, xattr.isACL)
	}
	for k := range t.Entries {
		e := &t.Entries[k]
		n, err := nodeOf(e)
		if err != nil {
			return err
		}
		for ; len(hidden) > 0 && hidden[0] <= e.Name; hidden = hidden[1:] {
			if hidden[0] != e.Name {
				add(hidden[0], whiteout)
			}
		}
		add(e.Name, n)
	}
	for _, name := range hidden {
		add(name, whiteout)
	}
	img.nodes[i].entries = entries
	return nil
}

// nodeOf returns the inode of an entry.
func nodeOf(e *tree.Entry) (node, error) {
	n := node{mode: e.Mode, uid: e.UID, gid: e.GID, nlink: 1, digest: e.Digest}
	switch e.Type {
	case tree.File:
		n.mode |= modeFile
		n.size = e.Size
	case tree.Dir:
		n.mode |= modeDir
	case tree.Link:
		n.mode |= modeLink
		n.target = e.Target
	default:
		return n, fmt.Errorf("%q is of type %q", e.Name, byte(e.Type))
	}
	for _, x := range e.Xattrs {
		a, err := makeXattr(x.Name, x.Value)
		if err != nil {
			return n, fmt.Errorf("%q: %w", e.Name, err)
		}
		n.xattrs = append(n.xattrs, a)
	}
	return n, nil
}

// link gives every directory its "." and "..", and the number of its links.
func (img *image) link() {
	parents := make([]int, len(img.nodes))
	for i := range img.nodes {
		n := &img.nodes[i]
		if n.mode&modeType != modeDir {
			continue
		}
		n.nlink = 2
		for _, e := range n.entries {
			if img.nodes[e.node].mode&modeType == modeDir {
				n.nlink++
				parents[e.node] = i
			}
		}
		n.entries = insert(n.entries, dirent{".", i})
		n.entries = insert(n.entries, dirent{"..", parents[i]})
	}
}

// insert puts a name into its place among sorted ones.
func insert(list []dirent, e dirent) []dirent {
	at, _ := slices.BinarySearchFunc(list, e.name, func(d dirent, name string) int { return strings.Compare(d.name, name) })
	return slices.Insert(list, at, e)
}
