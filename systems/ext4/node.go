package ext4

import (
	"context"
	"fmt"

	"sysc/store"
	"sysc/store/tree"
)

// A node is an inode and what it is about.
type node struct {
	number   int
	mode     uint32 // with the type
	uid, gid uint32
	links    int
	size     int64
	target   string
	digest   store.Digest
	xattrs   []tree.Xattr
	entries  []dirent
	parent   int // number of the directory that a directory is in
	extents  []extent
	leaf     int64 // block of the extents that do not fit into the inode; 0 for none
}

// A dirent is a name in a directory.
type dirent struct {
	name string
	node *node
}

// An extent is a run of blocks.
type extent struct{ start, length int64 }

// collect reads the listings below root and numbers what is in them. The first node is
// the root directory, the second lost+found.
func collect(ctx context.Context, src tree.Source, root store.Digest) ([]*node, error) {
	top := &node{number: rootInode, parent: rootInode, mode: modeDir | 0o755, digest: root}
	found := &node{number: firstInode, parent: rootInode, mode: modeDir | 0o700}
	nodes := []*node{top}
	depth := map[*node]int{}
	for i := 0; i < len(nodes); i++ {
		dir := nodes[i]
		if dir.mode&modeType != modeDir || dir == found {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := src.Tree(ctx, dir.digest)
		if err != nil {
			return nil, fmt.Errorf("read listing: %w", err)
		}
		switch {
		case depth[dir] > tree.MaxDepth:
			return nil, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
		case len(nodes)+len(t.Entries) > tree.MaxExpanded:
			return nil, fmt.Errorf("more than %d entries", tree.MaxExpanded)
		}
		if dir == top {
			top.entries = append(top.entries, dirent{lostFound, found})
			nodes = append(nodes, found)
		}
		for k := range t.Entries {
			e := &t.Entries[k]
			if dir == top && e.Name == lostFound {
				continue
			}
			n, err := nodeOf(e)
			if err != nil {
				return nil, err
			}
			n.parent = dir.number
			n.number = firstInode + len(nodes) - 1
			dir.entries = append(dir.entries, dirent{e.Name, n})
			if n.mode&modeType == modeDir {
				depth[n] = depth[dir] + 1
			}
			nodes = append(nodes, n)
		}
	}
	countLinks(nodes)
	return nodes, nil
}

func nodeOf(e *tree.Entry) (*node, error) {
	n := &node{mode: e.Mode, uid: e.UID, gid: e.GID, digest: e.Digest, xattrs: e.Xattrs}
	switch e.Type {
	case tree.File:
		n.mode |= modeFile
		n.size = e.Size
	case tree.Dir:
		n.mode |= modeDir
	case tree.Link:
		n.mode |= modeLink
		n.target = e.Target
		n.size = int64(len(e.Target))
	default:
		return nil, fmt.Errorf("%q is of type %q", e.Name, byte(e.Type))
	}
	return n, nil
}

// countLinks sets how many names each inode has; a directory has its own "." and the
// ".." of those in it, too.
func countLinks(nodes []*node) {
	for _, n := range nodes {
		n.links++
		if n.mode&modeType != modeDir {
			continue
		}
		n.links++
		for _, e := range n.entries {
			if e.node.mode&modeType == modeDir {
				n.links++
			}
		}
		if n.links > maxDirLinks {
			n.links = 1
		}
	}
}
