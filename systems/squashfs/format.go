package squashfs

import (
	"encoding/binary"
	"math"
)

const (
	superMagic = 0x73717368
	superSize  = 96
	major      = 4
	zstdNumber = 6 // of the compression

	blockBits = 17
	blockSize = 1 << blockBits
	// metaSize is how much a block of metadata has in it.
	metaSize = 8192
	// padding is what the file's size is a multiple of, for devices with blocks.
	padding = 4096

	// rawBlock and rawMeta mark blocks that are not compressed, in their sizes.
	rawBlock = 1 << 24
	rawMeta  = 1 << 15

	flagDuplicates = 0x0040 // equal files share their data
	flagNoXattrs   = 0x0200

	nowhere64 = math.MaxUint64
	nowhere32 = math.MaxUint32
)

// Types of inodes. The extended form of each is the basic one and extended.
const (
	typeDir  = 1
	typeFile = 2
	typeLink = 3
	extended = 7
)

// A directory's listing is in runs of entries whose inodes are in one block of metadata,
// and whose numbers are near.
const (
	maxRun      = 256
	maxDistance = math.MaxInt16
	// listingExtra is what the size of a listing has more than its bytes.
	listingExtra = 3
)

// buildTime is the time of everything in an image, in seconds since the epoch:
// that of everything in a store.
const buildTime = 1

// fields collects the fields of a structure.
type fields []byte

func (f *fields) u16(n uint16)  { *f = binary.LittleEndian.AppendUint16(*f, n) }
func (f *fields) u32(n uint32)  { *f = binary.LittleEndian.AppendUint32(*f, n) }
func (f *fields) u64(n uint64)  { *f = binary.LittleEndian.AppendUint64(*f, n) }
func (f *fields) text(s string) { *f = append(*f, s...) }
