package ext4

// Sizes of the format, in bytes unless said.
const (
	blockBits       = 12
	blockSize       = 1 << blockBits
	sectorsPerBlock = blockSize / 512
	blocksPerGroup  = 8 * blockSize
	inodeSize       = 256
	inodesPerBlock  = blockSize / inodeSize
	descSize        = 32
	superOffset     = 1024
	superSize       = 1024

	minInodesPerGroup = 8192 // one for 16 KiB, as mke2fs has it
)

// Numbers of inodes that have a meaning.
const (
	rootInode    = 2
	journalInode = 8
	firstInode   = 11 // that is free to use; it is that of lost+found
	lostFound    = "lost+found"
)

const superMagic = 0xEF53

// Features of the file system.
const (
	compatHasJournal = 0x4
	compatExtAttr    = 0x8
	compatDirIndex   = 0x20

	incompatFiletype = 0x2
	incompatExtents  = 0x40

	roCompatSparseSuper = 0x1
	roCompatLargeFile   = 0x2
	roCompatHugeFile    = 0x8
	roCompatDirNlink    = 0x20
	roCompatExtraIsize  = 0x40
)

const (
	extraInodeSize = 32
	flagExtents    = 0x80000

	extentMagic    = 0xF30A
	extentSize     = 12
	extentsInInode = 4
	extentsInBlock = (blockSize - extentSize) / extentSize
	maxExtent      = 1 << 15 // blocks

	// maxFastLink is the longest target that stands in its inode.
	maxFastLink = 59

	xattrMagic     = 0xEA020000
	xattrEntrySize = 16
	xattrRoom      = inodeSize - 128 - extraInodeSize - 4 // behind the magic number
	direntSize     = 8
	maxDirLinks    = 65000 // more subdirectories are counted as 1 (dir_nlink)
)

// Types of files in an inode, and in entries of directories.
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
	modeType = 0o170000
)

func direntType(mode uint32) uint8 {
	switch mode & modeType {
	case modeFile:
		return 1
	case modeDir:
		return 2
	}
	return 7 // a symbolic link
}

// fileTime is the time of everything, in seconds since the epoch: that of everything
// in a store.
const fileTime = 1

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
