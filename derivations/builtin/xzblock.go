package builtin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"sysc/internal/lzma2"
)

// setCheck takes the stream's flags: a zero, and the kind of the blocks' checks.
func (s *xzStream) setCheck(flags []byte) bool {
	if flags[0] != 0 {
		return false
	}
	switch flags[1] {
	case 0:
	case 1:
		s.sum = func() hash.Hash { return littleEndian{crc32.NewIEEE()} }
	case 4:
		table := crc64.MakeTable(crc64.ECMA)
		s.sum = func() hash.Hash { return littleEndian{crc64.New(table)} }
	case 10:
		s.sum = sha256.New
	default:
		return false
	}
	if s.sum != nil {
		s.sumLen = int64(s.sum().Size())
	}
	return true
}

// littleEndian turns a sum around: Go's CRCs write the highest byte first.
type littleEndian struct{ hash.Hash }

// Sum appends the sum, its lowest byte first.
func (h littleEndian) Sum(p []byte) []byte {
	n := len(p)
	p = h.Hash.Sum(p)
	slices.Reverse(p[n:])
	return p
}

// An xzDecoder reads what one block at a time decodes to, and checks it.
type xzDecoder struct {
	lzma   lzma2.Decoder
	stream *xzStream
	block  xzBlock
	source *bufio.Reader
	sum    hash.Hash
	got    int64
}

// begin begins with a block of a stream.
func (d *xzDecoder) begin(s *xzStream, i int) {
	d.stream, d.block, d.got = s, s.blocks[i], 0
	data := io.NewSectionReader(s.file, d.block.at+d.block.header, d.block.padded()-d.block.header)
	if d.source == nil {
		d.source = bufio.NewReaderSize(data, 128<<10)
	} else {
		d.source.Reset(data)
	}
	if d.sum = nil; s.sum != nil {
		d.sum = s.sum()
	}
	d.lzma.Reset(d.source, d.block.dict, d.block.size)
}

// Read reads decoded bytes. It returns io.EOF when all of the block is as the index
// and the check say.
func (d *xzDecoder) Read(p []byte) (int, error) {
	n, err := d.lzma.Read(p)
	d.got += int64(n)
	if d.sum != nil {
		d.sum.Write(p[:n])
	}
	switch {
	case err == io.EOF:
		err = d.end()
	case err != nil:
		err = fmt.Errorf("xz block: %w", err)
	}
	return n, err
}

// end checks what stands behind the data, and returns io.EOF if it is right.
func (d *xzDecoder) end() error {
	if d.got != d.block.size || d.lzma.Consumed() != d.block.packed(d.stream) {
		return errors.New("xz block: not of the length that its index says")
	}
	rest, err := io.ReadAll(d.source)
	if err != nil {
		return fmt.Errorf("xz block: %w", err)
	}
	padding := d.block.padded() - d.block.unpadded
	if int64(len(rest)) != padding+d.stream.sumLen || !isZero(rest[:padding]) {
		return errors.New("xz block: damaged padding")
	}
	if d.sum != nil && !bytes.Equal(d.sum.Sum(nil), rest[padding:]) {
		return errors.New("xz block: wrong checksum")
	}
	return io.EOF
}

// decode fills buf, which has the block's size, with what the block decodes to.
func (d *xzDecoder) decode(s *xzStream, i int, buf []byte) error {
	d.begin(s, i)
	if _, err := io.ReadFull(d, buf); err != nil {
		return err
	}
	var more [1]byte
	if _, err := d.Read(more[:]); err != io.EOF {
		return err
	}
	return nil
}
