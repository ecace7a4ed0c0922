package erofs

import (
	"fmt"
	"math"
	"math/bits"

	"sysc/store"
)

// A place is where a node stands in an image, and how.
type place struct {
	pos       int64 // of the inode, in bytes
	isCompact bool  // which of the two forms the inode has
	tail      int64 // bytes of data that stand behind the inode
	block     int64 // number of the first block of data; 0 without one
	blocks    int64 // of data that are written for this node
}

// A layout is where the parts of an image are.
type layout struct {
	// shared are the attributes that occur more than once, in their order.
	shared     []xattrKey
	sharedSize int64
	inodesEnd  int64 // where shared stand
	dataStart  int64
	blocks     int64 // of the whole image
}

// number is that of the inode.
func (p *place) number() int64 { return p.pos / slotSize }

// head is how many bytes the inode takes.
func (p *place) head() int64 {
	if p.isCompact {
		return compactSize
	}
	return extendedSize
}

// arrange gives everything in the image its place.
func (img *image) arrange() error {
	img.share()
	pos := int64(superOffset + superSize)
	for i := range img.nodes {
		n := &img.nodes[i]
		if err := img.measure(n); err != nil {
			return err
		}
		pos = roundUp(pos, slotSize)
		pos += n.pad(pos)
		n.pos = pos
		pos += n.head() + n.xattrSize() + n.tail
	}
	img.inodesEnd = roundUp(pos, slotSize)
	if img.inodesEnd+img.sharedSize > math.MaxUint32*4 {
		return fmt.Errorf("more metadata than EROFS can have")
	}
	img.dataStart = roundUp(img.inodesEnd+img.sharedSize, blockSize)
	return img.placeData()
}

// placeData numbers the blocks of data. Files of the same contents share them.
func (img *image) placeData() error {
	next := img.dataStart / blockSize
	files := make(map[store.Digest]int64)
	for i := range img.nodes {
		n := &img.nodes[i]
		if n.blocks == 0 {
			continue
		}
		if n.mode&modeType == modeFile {
			if at, ok := files[n.digest]; ok {
				n.block, n.blocks = at, 0
				continue
			}
			files[n.digest] = next
		}
		n.block = next
		next += n.blocks
	}
	if next > math.MaxUint32 {
		return fmt.Errorf("%d blocks of %d bytes, EROFS holds %d", next, blockSize, uint32(math.MaxUint32))
	}
	img.blocks = next
	return nil
}

// measure finds out what form n's inode has, and how much data there are.
func (img *image) measure(n *node) error {
	if size := n.xattrSize(); size > xattrHead+(math.MaxUint16-1)*xattrEntry {
		return fmt.Errorf("extended attributes of %d bytes", size)
	}
	switch n.mode & modeType {
	case modeDir:
		n.measureDir()
	case modeLink:
		n.size = int64(len(n.target))
		n.tail = n.size
	case modeFile:
		switch {
		case n.size == 0:
		case img.data:
			n.blocks = roundUp(n.size, blockSize) / blockSize
		case chunkBits(n.size) > maxChunkBits:
			return fmt.Errorf("a file of %d bytes", n.size)
		default:
			n.tail = 4
		}
	}
	n.isCompact = n.nlink <= math.MaxUint16 && n.uid <= math.MaxUint16 && n.gid <= math.MaxUint16 && n.size <= math.MaxUint32
	return nil
}

// measureDir counts the blocks that a directory's entries fill. What is left over
// stands behind the inode unless it is more than half a block.
func (n *node) measureDir() {
	var fill int64
	for _, block := range blocksOf(n.entries) {
		n.blocks++
		fill = sizeOf(block)
	}
	if fill <= blockSize/2 {
		n.blocks--
		n.tail = fill
	}
	n.size = n.blocks*blockSize + n.tail
}

// blocksOf yields the entries of each block of a directory, with their number.
func blocksOf(entries []dirent) func(yield func(int64, []dirent) bool) {
	return func(yield func(int64, []dirent) bool) {
		var i, fill int64
		first := 0
		for k := range entries {
			size := entries[k].size()
			if fill+size > blockSize {
				if !yield(i, entries[first:k]) {
					return
				}
				i, fill, first = i+1, 0, k
			}
			fill += size
		}
		yield(i, entries[first:])
	}
}

func (d *dirent) size() int64 { return int64(direntSize + len(d.name)) }

func sizeOf(entries []dirent) (n int64) {
	for i := range entries {
		n += entries[i].size()
	}
	return n
}

// chunkBits is log2 of the size of the one chunk that a file of composefs
// consists of.
func chunkBits(size int64) int { return max(bits.Len64(uint64(size-1)), blockBits) }

// pad is how much has to stand before an inode that would begin at pos, so that
// what is behind it does not cross from one block into another. It may make that
// a block of its own.
func (n *node) pad(pos int64) int64 {
	front := n.head() + n.xattrSize()
	if n.mode&modeType == modeLink {
		return n.padLink(pos, front)
	}
	room := blockSize - (pos+front)%blockSize
	if n.tail <= room {
		return 0
	}
	pad := roundUp(room, slotSize)
	if n.tail <= blockSize-(pos+front+pad)%blockSize {
		return pad
	}
	n.ownBlock()
	return roundUp(pos, blockSize) - pos
}

// padLink is pad for a symbolic link, which the kernel reads together with its
// inode.
func (n *node) padLink(pos, front int64) int64 {
	end := pos + front + n.tail - 1
	if front+n.tail >= blockSize {
		n.ownBlock()
	}
	if pos/blockSize != end/blockSize {
		return roundUp(pos, blockSize) - pos
	}
	return 0
}

// ownBlock moves what would stand behind an inode to a block.
func (n *node) ownBlock() {
	n.blocks, n.tail = n.blocks+1, 0
	if n.mode&modeType == modeDir {
		n.size = n.blocks * blockSize
	}
}
