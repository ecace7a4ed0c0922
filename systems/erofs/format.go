package erofs

// Sizes and offsets of the format, in bytes unless said.
const (
	blockBits = 12
	blockSize = 1 << blockBits
	// slotSize is what inodes are aligned to. The number of an inode is that of
	// its slot.
	slotSize = 32

	superOffset = 1024
	superSize   = 128

	compactSize  = 32
	extendedSize = 64
	direntSize   = 12
	xattrHead    = 12 // of an inode's extended attributes
	xattrEntry   = 4  // before the name of one, and the number of a shared one
)

const (
	superMagic = 0xE0F5E1E2
	// Features that a kernel need not know to mount the image.
	featureMtime       = 0x2
	featureXattrFilter = 0x4
)

// The header that composefs has before the superblock.
const (
	composefsMagic   = 0xd078629a
	composefsVersion = 1
	composefsHasACL  = 1 << 0
)

// How an inode's data are stored, in i_format from the second bit on.
const (
	layoutPlain  = 0 // in blocks
	layoutInline = 2 // in blocks, the last ones behind the inode
	layoutChunks = 4 // in chunks, whose addresses stand behind the inode
)

// nullAddress is the address of a chunk of zeros.
const nullAddress = 0xFFFFFFFF

// maxChunkBits is log2 of the largest chunk. A file of composefs has one chunk,
// so it bounds the size of files, too.
const maxChunkBits = blockBits + 31

// Types of files in st_mode (inode(7)), and in entries of directories.
const (
	modeDir     = 0o040000
	modeFile    = 0o100000
	modeLink    = 0o120000
	modeCharDev = 0o020000
	modeType    = 0o170000
)

func direntType(mode uint32) uint8 {
	switch mode & modeType {
	case modeFile:
		return 1
	case modeDir:
		return 2
	case modeCharDev:
		return 3
	}
	return 7 // a symbolic link
}

// buildTime is the time of everything in an image, in seconds since the epoch:
// that of everything in a store.
const buildTime = 1

// roundUp returns the first multiple of to, a power of two, that is not below n.
func roundUp(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }
