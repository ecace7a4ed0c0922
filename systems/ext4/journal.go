package ext4

import "encoding/binary"

const (
	journalMagic     = 0xC03B3998
	journalSuperType = 4 // a superblock, version 2
)

// journalBlocks is how large a journal is for a file system, as mke2fs has it.
func journalBlocks(blocks int64) int64 {
	switch {
	case blocks < 32<<10:
		return 1 << 10
	case blocks < 256<<10:
		return 4 << 10
	case blocks < 512<<10:
		return 8 << 10
	case blocks < 4<<20:
		return 16 << 10
	}
	return 64 << 10
}

// journalSuper is the first block of an empty journal (its numbers are
// big-endian).
func journalSuper(length int64, uuid [16]byte) []byte {
	b := make([]byte, blockSize)
	for i, v := range []uint32{
		journalMagic, journalSuperType, 0,
		blockSize, uint32(length), 1, // the first block of the log
		1, 0, // the first number that is expected; no block to begin recovery at
	} {
		binary.BigEndian.PutUint32(b[4*i:], v)
	}
	copy(b[0x30:], uuid[:])
	binary.BigEndian.PutUint32(b[0x40:], 1) // one file system uses it
	return b
}
