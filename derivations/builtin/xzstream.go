package builtin

import (
	"bytes"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

	"sysc/internal/lzma2"
)

const (
	xzMagic      = "\xfd7zXZ\x00"
	xzFooterEnd  = "YZ"
	xzHeaderSize = 12
	xzFooterSize = 12
	// maxXZIndex bounds the index, in bytes.
	maxXZIndex = 1 << 20

	xzFilterLZMA2 = 0x21
)

// An xzStream is an .xz file that is one stream without padding, each block of
// which has LZMA2 as its only filter.
type xzStream struct {
	file   io.ReaderAt
	sum    func() hash.Hash // nil: blocks have no check
	sumLen int64
	blocks []xzBlock
}

// An xzBlock is one block of a stream.
type xzBlock struct {
	at       int64 // where it begins in the file
	unpadded int64 // its length without padding: header, data and check
	size     int64 // of what it decodes to
	header   int64 // the header's length
	dict     int   // its dictionary
}

// padded is the block's length in the file.
func (b xzBlock) padded() int64 { return (b.unpadded + 3) &^ 3 }

// largest returns the size of the largest block, decoded.
func (s *xzStream) largest() int64 {
	var most int64
	for _, b := range s.blocks {
		most = max(most, b.size)
	}
	return most
}

// readXZStream reads all that describes a stream: header, footer, index and the
// headers of the blocks. It returns false for any other file.
func readXZStream(r *io.SectionReader) (*xzStream, bool) {
	s := &xzStream{file: r}
	size := r.Size()
	if size < xzHeaderSize+xzFooterSize {
		return nil, false
	}
	var header [xzHeaderSize]byte
	var footer [xzFooterSize]byte
	if !readXZAt(r, header[:], 0) || !readXZAt(r, footer[:], size-xzFooterSize) {
		return nil, false
	}
	flags := header[6:8]
	if string(header[:6]) != xzMagic || !xzSumOK(flags, header[8:]) ||
		string(footer[10:]) != xzFooterEnd || !xzSumOK(footer[4:10], footer[:4]) || !bytes.Equal(flags, footer[8:10]) {
		return nil, false
	}
	if !s.setCheck(flags) {
		return nil, false
	}
	indexSize := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	indexAt := size - xzFooterSize - indexSize
	if indexSize < 8 || indexSize > maxXZIndex || indexAt < xzHeaderSize {
		return nil, false
	}
	index := make([]byte, indexSize)
	if !readXZAt(r, index, indexAt) {
		return nil, false
	}
	sum := len(index) - 4
	if !xzSumOK(index[:sum], index[sum:]) || !s.readIndex(index[:sum], indexAt) {
		return nil, false
	}
	for i := range s.blocks {
		if !s.readBlockHeader(&s.blocks[i]) {
			return nil, false
		}
	}
	return s, true
}

func readXZAt(r io.ReaderAt, p []byte, at int64) bool {
	_, err := r.ReadAt(p, at)
	return err == nil
}

func xzSumOK(data, sum []byte) bool {
	return crc32.ChecksumIEEE(data) == binary.LittleEndian.Uint32(sum)
}

// readIndex lists the blocks, which must fill the file up to the index.
func (s *xzStream) readIndex(index []byte, end int64) bool {
	r := bytes.NewReader(index)
	if indicator, err := r.ReadByte(); err != nil || indicator != 0 {
		return false
	}
	count, err := binary.ReadUvarint(r)
	if err != nil || count > uint64(len(index)) {
		return false
	}
	at := int64(xzHeaderSize)
	for range count {
		unpadded, err1 := binary.ReadUvarint(r)
		size, err2 := binary.ReadUvarint(r)
		if err1 != nil || err2 != nil || unpadded == 0 || unpadded > uint64(end) || size > 1<<62 {
			return false
		}
		b := xzBlock{at: at, unpadded: int64(unpadded), size: int64(size)}
		if at += b.padded(); at > end {
			return false
		}
		s.blocks = append(s.blocks, b)
	}
	return at == end && r.Len() < 4 && isZero(index[len(index)-r.Len():])
}

// readBlockHeader reads a block's header: its length, flags, perhaps both sizes, the
// filters, padding, a checksum.
func (s *xzStream) readBlockHeader(b *xzBlock) bool {
	var buf [1024]byte
	if !readXZAt(s.file, buf[:1], b.at) || buf[0] == 0 {
		return false
	}
	header := buf[:(int(buf[0])+1)*4]
	b.header = int64(len(header))
	if b.header+s.sumLen >= b.unpadded || !readXZAt(s.file, header, b.at) {
		return false
	}
	end := len(header) - 4
	flags := header[1]
	if !xzSumOK(header[:end], header[end:]) || flags&0x3f != 0 {
		return false
	}
	r := bytes.NewReader(header[2:end])
	if flags&0x40 != 0 {
		if packed, err := binary.ReadUvarint(r); err != nil || packed != uint64(b.packed(s)) {
			return false
		}
	}
	if flags&0x80 != 0 {
		if size, err := binary.ReadUvarint(r); err != nil || size != uint64(b.size) {
			return false
		}
	}
	var filter [3]byte // id, bytes of properties, the property
	if _, err := io.ReadFull(r, filter[:]); err != nil || filter[0] != xzFilterLZMA2 || filter[1] != 1 {
		return false
	}
	var err error
	b.dict, err = lzma2.DictSize(filter[2])
	return err == nil && isZero(header[end-r.Len():end])
}

// packed is the length of the block's data.
func (b xzBlock) packed(s *xzStream) int64 { return b.unpadded - b.header - s.sumLen }

func isZero(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }
