package builtin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	xz "github.com/mikelolasagasti/xz"
)

const (
	// maxXZDict is the largest dictionary a stream may ask for, in bytes: what
	// "xz -9" uses.
	maxXZDict = 64 << 20
	// maxXZBlock is the largest block that is decoded aside, in bytes. Memory for
	// two to three of them is needed at a time.
	maxXZBlock = 32 << 20
	// maxXZIndex bounds the index that is read for that, in bytes.
	maxXZIndex = 1 << 20

	xzHeaderSize = 12
	xzFooterSize = 12
	xzMagic      = "\xfd7zXZ\x00"
	xzFooterEnd  = "YZ"
)

// newXZReader decodes an .xz file (the format is "The .xz File Format" 1.2.1).
//
// A stream of several blocks, as "xz -T" and dpkg-deb write for big files, is
// decoded block by block in parallel; the index at its end tells where they
// begin. Anything else, and anything odd, goes to the sequential decoder, which
// judges it.
func newXZReader(r *io.SectionReader, workers int) (io.ReadCloser, error) {
	if blocks, ok := xzBlocks(r); ok && len(blocks) > 1 && workers > 1 {
		return newParallelXZ(r, blocks, workers), nil
	}
	sequential, err := xz.NewReader(io.NewSectionReader(r, 0, r.Size()), maxXZDict)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(sequential), nil
}

// An xzBlock is one block of a stream.
type xzBlock struct {
	at       int64 // where it begins in the file
	unpadded int64 // its length without padding
	size     int64 // of what it decodes to
}

// padded is the block's length in the file.
func (b xzBlock) padded() int64 { return (b.unpadded + 3) &^ 3 }

// xzBlocks reads the index of a file which is one stream without padding. It
// returns false for any other file, and when the blocks are not worth it.
func xzBlocks(r *io.SectionReader) ([]xzBlock, bool) {
	size := r.Size()
	if size < xzHeaderSize+xzFooterSize {
		return nil, false
	}
	var footer [xzFooterSize]byte
	if _, err := r.ReadAt(footer[:], size-xzFooterSize); err != nil || string(footer[10:]) != xzFooterEnd {
		return nil, false
	}
	indexSize := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	indexAt := size - xzFooterSize - indexSize
	if indexSize > maxXZIndex || indexAt < xzHeaderSize {
		return nil, false
	}
	index := make([]byte, indexSize)
	if _, err := r.ReadAt(index, indexAt); err != nil {
		return nil, false
	}
	sum := len(index) - 4
	if crc32.ChecksumIEEE(index[:sum]) != binary.LittleEndian.Uint32(index[sum:]) {
		return nil, false
	}
	blocks, ok := parseXZIndex(index[:sum])
	if !ok || len(blocks) == 0 {
		return nil, false
	}
	last := blocks[len(blocks)-1]
	return blocks, last.at+last.padded() == indexAt
}

func parseXZIndex(index []byte) ([]xzBlock, bool) {
	r := bytes.NewReader(index)
	if indicator, err := r.ReadByte(); err != nil || indicator != 0 {
		return nil, false
	}
	count, err := binary.ReadUvarint(r)
	if err != nil || count > uint64(len(index)) {
		return nil, false
	}
	at := int64(xzHeaderSize)
	blocks := make([]xzBlock, 0, count)
	for range count {
		unpadded, err1 := binary.ReadUvarint(r)
		size, err2 := binary.ReadUvarint(r)
		if err1 != nil || err2 != nil || unpadded == 0 || unpadded > 2*maxXZBlock || size > maxXZBlock {
			return nil, false
		}
		b := xzBlock{at: at, unpadded: int64(unpadded), size: int64(size)}
		blocks = append(blocks, b)
		at += b.padded()
	}
	return blocks, true
}

// xzStream returns a stream of its own for one block: the file's header, the
// block, and an index and footer for it alone.
func xzStream(r io.ReaderAt, b xzBlock) (io.Reader, error) {
	var header [xzHeaderSize]byte
	if _, err := r.ReadAt(header[:], 0); err != nil {
		return nil, err
	}
	if string(header[:len(xzMagic)]) != xzMagic {
		return nil, fmt.Errorf("no xz stream")
	}
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(b.unpadded))
	index = binary.AppendUvarint(index, uint64(b.size))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))

	tail := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	tail = append(tail, header[6:8]...)
	footer := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(tail))
	footer = append(footer, tail...)
	footer = append(footer, xzFooterEnd...)
	return io.MultiReader(bytes.NewReader(header[:]), io.NewSectionReader(r, b.at, b.padded()),
		bytes.NewReader(index), bytes.NewReader(footer)), nil
}

// decodeXZ fills buf with what a block decodes to, and checks it.
func decodeXZ(z *xz.Reader, r io.ReaderAt, b xzBlock, buf []byte) (*xz.Reader, error) {
	stream, err := xzStream(r, b)
	if err != nil {
		return z, err
	}
	if z == nil {
		z, err = xz.NewReader(stream, maxXZDict)
	} else {
		err = z.Reset(stream)
	}
	if err != nil {
		return z, err
	}
	if _, err := io.ReadFull(z, buf); err != nil {
		return z, fmt.Errorf("xz block: %v", err)
	}
	var more [1]byte
	switch n, err := z.Read(more[:]); {
	case n > 0:
		return z, fmt.Errorf("xz block: longer than its index says")
	case err != io.EOF:
		return z, fmt.Errorf("xz block: %v", err)
	}
	return z, nil
}
