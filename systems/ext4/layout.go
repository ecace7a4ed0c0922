package ext4

import (
	"fmt"
	"math"
	"slices"
)

// A geometry is how a file system of some size is divided.
type geometry struct {
	blocks         int64
	groups         int64
	inodesPerGroup int64
	descBlocks     int64 // of group descriptors, after each superblock
}

func newGeometry(size, inodes int64) (geometry, error) {
	g := geometry{blocks: size / blockSize}
	if g.blocks > math.MaxUint32 {
		return g, fmt.Errorf("size of %d bytes: at most %d", size, int64(math.MaxUint32)*blockSize)
	}
	g.groups = (g.blocks + blocksPerGroup - 1) / blocksPerGroup
	if g.groups == 0 {
		return g, fmt.Errorf("size of %d bytes: too small", size)
	}
	g.descBlocks = (g.groups*descSize + blockSize - 1) / blockSize
	// A quarter more than there are, as files come later.
	g.inodesPerGroup = roundUp(max((inodes+inodes/4)/g.groups+1, minInodesPerGroup), 8*inodesPerBlock)
	if g.inodesPerGroup > blocksPerGroup {
		return g, fmt.Errorf("size of %d bytes: too small for %d files", size, inodes)
	}
	// A last group that has no room for its own administration is left away.
	if last := g.blocks % blocksPerGroup; last != 0 && last < g.overhead(g.groups-1)+1 {
		g.blocks -= last
		g.groups--
	}
	if g.groups == 0 {
		return g, fmt.Errorf("size of %d bytes: too small", size)
	}
	return g, nil
}

func (g *geometry) inodeBlocks() int64 { return g.inodesPerGroup / inodesPerBlock }

// hasSuper reports whether a group has a copy of the superblock (sparse_super).
func hasSuper(group int64) bool {
	if group <= 1 {
		return true
	}
	for _, base := range []int64{3, 5, 7} {
		n := base
		for n < group {
			n *= base
		}
		if n == group {
			return true
		}
	}
	return false
}

// superBlocks is how many blocks copies of the superblock and descriptors take.
func (g *geometry) superBlocks(group int64) int64 {
	if hasSuper(group) {
		return 1 + g.descBlocks
	}
	return 0
}

// overhead is how many blocks in front of a group are not for files.
func (g *geometry) overhead(group int64) int64 { return g.superBlocks(group) + 2 + g.inodeBlocks() }

// Where the parts of a group are, as numbers of blocks.
func (g *geometry) first(group int64) int64       { return group * blocksPerGroup }
func (g *geometry) blockBitmap(group int64) int64 { return g.first(group) + g.superBlocks(group) }
func (g *geometry) inodeBitmap(group int64) int64 { return g.blockBitmap(group) + 1 }
func (g *geometry) inodeTable(group int64) int64  { return g.blockBitmap(group) + 2 }
func (g *geometry) data(group int64) int64        { return g.first(group) + g.overhead(group) }

// end is the block after the last one of a group.
func (g *geometry) end(group int64) int64 { return min(g.first(group+1), g.blocks) }

// An allocator gives blocks away one after another.
type allocator struct {
	geometry
	next int64
}

// take returns the next n blocks, as extents of at most maxExtent.
func (a *allocator) take(n int64) ([]extent, error) {
	var list []extent
	for n > 0 {
		group := a.next / blocksPerGroup
		if group >= a.groups {
			return nil, fmt.Errorf("the file system is too small for what is in it")
		}
		a.next = max(a.next, a.data(group))
		length := min(n, a.end(group)-a.next, maxExtent)
		if length > 0 {
			list = append(list, extent{a.next, length})
			a.next += length
			n -= length
		}
		if a.next == a.end(group) {
			a.next = a.first(group + 1)
		}
	}
	return list, nil
}

// allocate gives a node its blocks, and one for their extents when these do not fit
// into the inode.
func (a *allocator) allocate(n *node) error {
	var err error
	if n.extents, err = a.take(n.blocks()); err != nil {
		return err
	}
	n.extents = joinExtents(n.extents)
	if len(n.extents) <= extentsInInode {
		return nil
	}
	if len(n.extents) > extentsInBlock {
		return fmt.Errorf("a file of %d bytes is too large", n.size)
	}
	leaf, err := a.take(1)
	if err != nil {
		return err
	}
	n.leaf = leaf[0].start
	return nil
}

// joinExtents makes one of neighbours.
func joinExtents(list []extent) []extent {
	var out []extent
	for _, e := range list {
		if k := len(out) - 1; k >= 0 && out[k].start+out[k].length == e.start && out[k].length+e.length <= maxExtent {
			out[k].length += e.length
			continue
		}
		out = append(out, e)
	}
	return slices.Clip(out)
}

// blocks is how many blocks of data a node has.
func (n *node) blocks() int64 {
	switch n.mode & modeType {
	case modeDir:
		n.size = n.dirBlocks() * blockSize
	case modeLink:
		if n.size <= maxFastLink {
			return 0
		}
	}
	return roundUp(n.size, blockSize) / blockSize
}
