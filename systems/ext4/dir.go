package ext4

import "encoding/binary"

// recordSize is how many bytes an entry of a directory takes.
func recordSize(name string) int { return (direntSize + len(name) + 3) &^ 3 }

// eachBlock calls fn with the entries of each block of a directory, "." and ".."
// among them.
func (n *node) eachBlock(fn func(entries []dirent)) {
	all := append([]dirent{{".", n}, {"..", nil}}, n.entries...)
	first, fill := 0, 0
	for i := range all {
		size := recordSize(all[i].name)
		if fill+size > blockSize {
			fn(all[first:i])
			first, fill = i, 0
		}
		fill += size
	}
	fn(all[first:])
}

func (n *node) dirBlocks() (blocks int64) {
	n.eachBlock(func([]dirent) { blocks++ })
	return blocks
}

// dirData returns a directory's blocks.
func (n *node) dirData() []byte {
	var data []byte
	n.eachBlock(func(entries []dirent) {
		block := make([]byte, blockSize)
		at := 0
		for i, e := range entries {
			size := recordSize(e.name)
			if i == len(entries)-1 {
				size = blockSize - at // the last one reaches to the end
			}
			number, mode := n.parent, uint32(modeDir)
			if e.node != nil {
				number, mode = e.node.number, e.node.mode
			}
			binary.LittleEndian.PutUint32(block[at:], uint32(number))
			binary.LittleEndian.PutUint16(block[at+4:], uint16(size))
			block[at+6] = uint8(len(e.name))
			block[at+7] = direntType(mode)
			copy(block[at+direntSize:], e.name)
			at += size
		}
		data = append(data, block...)
	})
	return data
}
